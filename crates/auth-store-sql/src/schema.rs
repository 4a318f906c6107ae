//! The tables, in types that every SQL database has.

diesel::table! {
    accounts (id) { id -> Binary, name -> Text, contact -> Nullable<Text>, status -> Text, created_at -> BigInt, version -> BigInt, }
}
diesel::table! {
    users (id) { id -> Binary, account_id -> Binary, name -> Text, email -> Text, created_at -> BigInt, version -> BigInt, }
}
diesel::table! {
    domains (id) {
        id -> Binary, account_id -> Binary, name -> Text, status -> Text, origins -> Text, created_at -> BigInt,
        version -> BigInt, joining -> Text,
    }
}
diesel::table! {
    keys (id) {
        id -> Binary, service -> Text, account_id -> Binary, domain_id -> Nullable<Binary>, name -> Text,
        prefix -> Text, permissions -> Text, expires_at -> Nullable<BigInt>, networks -> Text,
        rate_limit -> Nullable<BigInt>, created_at -> BigInt, use_count -> BigInt, last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>, version -> BigInt,
    }
}
diesel::table! {
    key_secrets (digest) { digest -> Binary, key_id -> Binary, ends_at -> Nullable<BigInt>, announced -> BigInt, }
}
diesel::table! {
    tokens (id) {
        id -> Binary, digest -> Binary, kind -> Text, domain_id -> Binary, parent -> Nullable<Binary>,
        opened_by -> Nullable<Binary>, username -> Text, language -> Nullable<Text>, created_at -> BigInt, expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    calls (id) {
        id -> Binary, account_id -> Binary, status -> Text, call_type -> Text, channel -> Text,
        phone_number -> Text, client_name -> Text, client_email -> Text, instruction -> Text,
        domain_name -> Text, language -> Text, scheduled_time -> Nullable<BigInt>, created_at -> BigInt,
        cancelled_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    requests_once (key) { key -> Binary, body -> Binary, answer -> Text, created_at -> BigInt, service -> Text, }
}
diesel::table! {
    one_time (digest) { digest -> Binary, purpose -> Text, content -> Binary, expires_at -> BigInt, }
}
diesel::table! {
    vault_keys (name) { name -> Binary, proof -> Binary, created_at -> BigInt, }
}
diesel::table! {
    connections (id) {
        id -> Binary, account_id -> Binary, user_id -> Binary, provider -> Text, issuer -> Text, subject -> Text,
        address -> Nullable<Text>, scopes -> Text, status -> Text, key_name -> Binary, tokens -> Binary,
        expires_at -> BigInt, connected_at -> BigInt, claim -> Nullable<Binary>, failed_revocations -> BigInt,
        version -> BigInt,
    }
}
diesel::table! {
    authorizations (state) {
        state -> Binary, binding -> Binary, account_id -> Binary, user_id -> Binary, begun_by -> Binary,
        provider -> Text, redirect_after -> Text, expires_at -> BigInt,
    }
}
diesel::table! {
    people (id) {
        id -> Binary, address -> Text, name -> Text, password -> Text, status -> Text, super_admin -> BigInt,
        verified_at -> Nullable<BigInt>, created_at -> BigInt, version -> BigInt,
    }
}
diesel::table! {
    members (domain_id, person_id) {
        domain_id -> Binary, person_id -> Binary, role -> Text, created_at -> BigInt, version -> BigInt,
    }
}
diesel::table! {
    applicants (domain_id, person_id) { domain_id -> Binary, person_id -> Binary, created_at -> BigInt, }
}
diesel::table! {
    sessions (id) {
        id -> Binary, person_id -> Binary, domain_id -> Nullable<Binary>, audience -> Text, role -> Nullable<Text>,
        amr -> BigInt, source -> Text, created_at -> BigInt, refresh -> Binary,
        parent -> Nullable<Binary>, successor -> Nullable<Binary>, refreshed_at -> Nullable<BigInt>,
        idle_ends_at -> BigInt, ends_at -> BigInt, ended_at -> Nullable<BigInt>, ended_why -> Nullable<Text>,
    }
}
diesel::table! {
    totp (person_id) {
        person_id -> Binary, secret -> Binary, session_id -> Binary, created_at -> BigInt,
        confirmed_at -> Nullable<BigInt>, last_step -> BigInt,
    }
}
diesel::table! {
    passkeys (id) {
        id -> Binary, person_id -> Binary, digest -> Binary, name -> Text, sealed -> Binary, counter -> BigInt,
        created_at -> BigInt, last_used_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    recovery_codes (person_id, digest) { person_id -> Binary, digest -> Binary, }
}
diesel::table! {
    attempts (subject) { subject -> Binary, failures -> BigInt, last_at -> BigInt, }
}
diesel::table! {
    signing_keys (number) {
        number -> BigInt, kid -> Text, algorithm -> Text, sealed -> Binary, created_at -> BigInt,
        signs_from -> BigInt, ends_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    audit_events (seq) {
        seq -> BigInt, at -> BigInt, actor -> Text, account_id -> Nullable<Binary>,
        domain_id -> Nullable<Binary>, source -> Text, request_id -> Text, event -> Text,
        previous -> Binary, link -> Binary,
    }
}
diesel::table! {
    audit_head (id) { id -> BigInt, seq -> BigInt, link -> Binary, }
}
diesel::table! {
    audit_key (id) { id -> BigInt, proof -> Binary, }
}
diesel::table! {
    notices (seq) { seq -> BigInt, about -> Text, subject -> Binary, ended -> BigInt, }
}
diesel::table! {
    notice_head (id) { id -> BigInt, seq -> BigInt, list -> BigInt, }
}
diesel::table! {
    replicas (id) { id -> Binary, applied -> BigInt, }
}

diesel::joinable!(key_secrets -> keys (key_id));
diesel::joinable!(keys -> accounts (account_id));
diesel::joinable!(keys -> domains (domain_id));
diesel::joinable!(tokens -> domains (domain_id));
diesel::joinable!(tokens -> keys (parent));
diesel::joinable!(domains -> accounts (account_id));
diesel::joinable!(members -> domains (domain_id));
diesel::joinable!(members -> people (person_id));
diesel::joinable!(sessions -> people (person_id));
diesel::joinable!(sessions -> domains (domain_id));
diesel::allow_tables_to_appear_in_same_query!(
    accounts,
    applicants,
    authorizations,
    domains,
    keys,
    key_secrets,
    members,
    people,
    sessions,
    tokens,
);
