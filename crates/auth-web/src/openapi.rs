//! The OpenAPI document (3.1), read from the route table: security is what the decision enforces.

use crate::{
    credential::Place,
    endpoint::{Row, Service},
    input::Shape,
};
use auth_core::{
    policy::{Need, Rule},
    principal::TokenKind,
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::{
    any::TypeId,
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

/// The document of a service, made once a process.
pub fn document<S: Service>() -> &'static Value {
    static MADE: LazyLock<Mutex<HashMap<TypeId, &'static Value>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(TypeId::of::<S>()).or_insert_with(|| Box::leak(Box::new(make::<S>())))
}

fn make<S: Service>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    let mut schemes = Map::new();
    for row in S::TABLE.rows() {
        schemes.extend(schemes_of(row));
        let operation = operation(row, &mut schemas);
        let item = paths.entry(row.spec.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(row.spec.method.name().to_lowercase(), operation);
        }
    }
    let definitions = schemas.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": { "title": format!("{} service", S::KIND), "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": schemes,
            "responses": {
                "Problem": {
                    "description": "A problem (RFC 9457).",
                    "content": { "application/problem+json": { "schema": {
                        "type": "object",
                        "required": ["type", "title", "status", "detail", "code", "request_id"],
                        "properties": {
                            "type": { "type": "string" }, "title": { "type": "string" },
                            "status": { "type": "integer" }, "detail": { "type": "string" },
                            "code": { "type": "string" }, "request_id": { "type": "string" },
                            "field": { "type": "string" },
                        },
                    } } },
                },
            },
        },
    })
}

fn operation<S>(row: &Row<S>, schemas: &mut SchemaGenerator) -> Value {
    let mut shape = Shape::default();
    (row.input)(&mut shape, schemas);
    let mut good = json!({ "description": "Done." });
    if let (Some(schema), Some(good)) = ((row.output)(schemas), good.as_object_mut()) {
        good.insert("content".to_owned(), json!({ "application/json": { "schema": schema } }));
    }
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    let mut operation = json!({
        "operationId": row.spec.id,
        "summary": row.spec.summary,
        "description": format!("Requires: {}.", row.rule),
        "parameters": parameters(row, &shape),
        "security": security(row),
        "responses": { row.status.to_string(): good, "default": problem },
    });
    if let (Some((media_type, schema)), Some(operation)) = (shape.body, operation.as_object_mut()) {
        let mut media = json!({ "schema": schema });
        if let (Ok(example), Some(media)) =
            (serde_json::from_str::<Value>(row.spec.body), media.as_object_mut())
        {
            media.insert("example".to_owned(), example);
        }
        let body = json!({ "required": true, "content": { media_type: media } });
        operation.insert("requestBody".to_owned(), body);
    }
    operation
}

fn parameters<S>(row: &Row<S>, shape: &Shape) -> Vec<Value> {
    let in_path = row.spec.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let mut parameters: Vec<_> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let query = shape.query.as_ref().and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    for (name, schema) in query.into_iter().flatten() {
        parameters.push(json!({ "name": name, "in": "query", "schema": schema }));
    }
    for name in &shape.cookies {
        parameters.push(json!({ "name": name, "in": "cookie", "schema": { "type": "string" } }));
    }
    if shape.idempotent {
        parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "schema": { "type": "string" } }));
    }
    parameters
}

/// The needs of a row, each with the schemes by which it can be met: their names and what they are.
fn ways<S>(row: &Row<S>) -> Vec<(&'static Need, Vec<(String, Value)>)> {
    let Rule::AnyOf(needs) = row.rule else { return Vec::new() };
    let bearer = || ("bearer".to_owned(), json!({ "type": "http", "scheme": "bearer" }));
    let key = || ("apiKey".to_owned(), json!({ "type": "apiKey", "in": "header", "name": "X-API-Key" }));
    let other = |place: &str, name: &str| {
        (format!("{place}.{name}"), json!({ "type": "apiKey", "in": place, "name": name }))
    };
    let schemes = |need: &Need| match (row.spec.place, need) {
        (Place::Query(name), _) => vec![other("query", name)],
        (Place::Cookie(name) | Place::Page(name), _) => vec![other("cookie", name)],
        (Place::Header, Need::Key(..)) => vec![bearer(), key()],
        (Place::Header, Need::Token(TokenKind::Temp | TokenKind::Widget | TokenKind::Chat)) => vec![bearer()],
        (Place::Header, Need::Person(..)) => vec![bearer()],
        (Place::Header, Need::Operator) => Vec::new(),
    };
    needs.iter().map(|need| (need, schemes(need))).collect()
}

fn schemes_of<S>(row: &Row<S>) -> impl Iterator<Item = (String, Value)> {
    ways(row).into_iter().flat_map(|(_, schemes)| schemes)
}

fn security<S>(row: &Row<S>) -> Vec<Value> {
    let ways = ways(row).into_iter();
    ways.flat_map(|(need, schemes)| schemes.into_iter().map(|(name, _)| json!({ name: [need.scope()] })))
        .collect()
}
