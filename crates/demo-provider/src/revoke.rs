//! Revocation (RFC 7009), which is like Google's alone: whoever has a token may end its grant.

use crate::{
    answer::{Answer, failure, json},
    client::{authenticate, form, is_told},
    desk::Desk,
    like::Like,
    misbehaviour::Misbehaviour,
    seen::Seen,
};
use hyper::{HeaderMap, StatusCode};
use serde_json::json;

/// `POST /revoke`. A client that says who it is must be it. A token that there is not is no error (RFC 7009 §2.2).
pub(crate) fn revoke(desk: &Desk, headers: &HeaderMap, body: &[u8]) -> Answer {
    let read = form(headers, body).and_then(|form| {
        if is_told(headers, &form) {
            authenticate(&desk.config, headers, &form)?;
        }
        Ok(form)
    });
    let token =
        read.and_then(|form| form.need("token").map(str::to_owned).map_err(crate::client::Refusal::request));
    let token = match token {
        Ok(token) => token,
        Err(refusal) => {
            desk.fault(format!("revocation: {}", refusal.why));
            return refusal.answer();
        }
    };
    if desk.does(Misbehaviour::RevocationFails) {
        desk.note(Seen::Revocation { known: false });
        return failure();
    }
    let known = desk.ledger().revoke(Like::Google, &token);
    desk.note(Seen::Revocation { known });
    json(StatusCode::OK, &json!({}))
}
