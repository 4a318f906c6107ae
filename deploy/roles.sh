#!/bin/sh
# The roles that the services connect as. Run by the image of Postgres when it makes its database.
set -eu
psql --set ON_ERROR_STOP=1 --set hub="$POSTGRES_HUB_PASSWORD" --set chatbot="$POSTGRES_CHATBOT_PASSWORD" \
  --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE hub LOGIN PASSWORD :'hub';
CREATE ROLE chatbot LOGIN PASSWORD :'chatbot';
SQL
