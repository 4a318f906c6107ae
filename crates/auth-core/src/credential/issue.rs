//! Making credentials: at least 122 bits from the injected source, checksum last.

use super::format::{CHAT_PREFIX, ID_LEN, SECRET_LEN, TOKEN_LEN, WIDGET_PREFIX, push_base62, push_check};
use crate::{
    entropy::Entropy,
    secret::{PlainToken, RevealOnce, TokenDigest},
    service::Service,
};

/// What a store keeps of a new secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// SHA-256 of the whole text.
    pub digest: TokenDigest,
    /// The characters that people recognise it by; no secret.
    pub prefix: String,
}

/// Draws an API key of a service.
pub fn draw_key(service: Service, entropy: &dyn Entropy) -> (RevealOnce, NewSecret) {
    let plain = draw(service.key_prefix(), entropy);
    let prefix = plain.expose().chars().take(service.key_prefix().len() + ID_LEN).collect();
    let digest = TokenDigest::of(plain.expose());
    (RevealOnce::new(plain), NewSecret { digest, prefix })
}

/// Draws the token of a widget session, or the cookie value of a chat session.
pub fn draw_session(kind: SessionKind, entropy: &dyn Entropy) -> RevealOnce {
    RevealOnce::new(draw(kind.prefix(), entropy))
}

/// Draws a temporary access token: a UUIDv4 (RFC 9562 §5.4), 122 random bits.
pub fn draw_temp_token(entropy: &dyn Entropy) -> RevealOnce {
    let mut random = [0; 16];
    entropy.fill(&mut random);
    RevealOnce::new(PlainToken::new(uuid::Builder::from_random_bytes(random).into_uuid().to_string()))
}

/// Which session of the chatbot service a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// The widget on a customer's page.
    Widget,
    /// A browser chat, opened by `GET /autoconnect`.
    Chat,
}

impl SessionKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Widget => WIDGET_PREFIX,
            Self::Chat => CHAT_PREFIX,
        }
    }
}

/// `prefix`, 8 characters of public id, 24 random bytes, checksum.
fn draw(prefix: &str, entropy: &dyn Entropy) -> PlainToken {
    let mut text = String::with_capacity(TOKEN_LEN);
    text.push_str(prefix);
    push_base62(&mut text, &mut limbs::<2>(entropy), ID_LEN);
    push_base62(&mut text, &mut limbs::<6>(entropy), SECRET_LEN);
    push_check(&mut text);
    PlainToken::new(text)
}

fn limbs<const N: usize>(entropy: &dyn Entropy) -> [u32; N] {
    std::array::from_fn(|_| {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        u32::from_be_bytes(bytes)
    })
}
