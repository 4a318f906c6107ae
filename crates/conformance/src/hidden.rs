//! Secrets that are not to be seen again, in whatever form something may have written them.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};

/// Secrets, each with what would show it: a part is enough, so that nobody shortens one to pass.
#[derive(Debug, Clone, Default)]
pub struct Hidden(Vec<(String, Vec<String>)>);

impl Hidden {
    /// These.
    pub fn of<S: Into<String>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut hidden = Self::default();
        hidden.hide(secrets);
        hidden
    }

    /// These too.
    pub fn hide<S: Into<String>>(&mut self, secrets: impl IntoIterator<Item = S>) {
        for secret in secrets.into_iter().map(Into::into) {
            assert!(secret.len() >= 16, "{secret:?} is no secret");
            if !self.0.iter().any(|(known, _)| *known == secret) {
                let forms = forms(&secret);
                self.0.push((secret, forms));
            }
        }
    }

    /// These texts too, as they are.
    pub fn hide_as_written(&mut self, texts: impl IntoIterator<Item = String>) {
        self.0.extend(texts.into_iter().map(|text| (text.clone(), vec![text.to_lowercase()])));
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The first of them that a text shows, as text or by the digits of its bytes.
    pub fn shown_in(&self, text: &str) -> Option<&str> {
        let text = text.to_lowercase();
        let shown = |forms: &[String]| forms.iter().any(|form| text.contains(form.as_str()));
        self.0.iter().find(|(_, forms)| shown(forms)).map(|(secret, _)| secret.as_str())
    }

    /// The first of them that lies in bytes.
    pub fn held_by(&self, bytes: &[u8]) -> Option<&str> {
        self.shown_in(&HEXLOWER.encode(bytes))
    }
}

/// The half of something that lies in its middle: neither a prefix nor an end that says something else.
fn middle<T>(whole: &[T]) -> &[T] {
    &whole[whole.len() / 4..whole.len() - whole.len() / 4]
}

/// A secret as text, in either alphabet of Base64 and without its hyphens; and the bytes that it stands for, by their
/// digits and as `Debug` writes them. All in lower case.
fn forms(secret: &str) -> Vec<String> {
    let part = |text: &str| String::from_utf8(middle(text.as_bytes()).to_vec()).unwrap();
    let bare = secret.replace('-', "");
    let mut forms = vec![part(secret), part(&bare), part(&secret.replace('-', "+").replace('_', "/"))];
    // Of a JWT its signature; a prefix is none of the bytes.
    let last = secret.rsplit('.').next().unwrap();
    let coded = match last.split_once('_') {
        Some((prefix, rest)) if prefix.len() == 3 && last.starts_with('a') => rest,
        _ => last,
    };
    let decoded = [
        Some(secret.as_bytes().to_vec()),
        Some(bare.clone().into_bytes()),
        BASE64URL_NOPAD.decode(coded.as_bytes()).ok(),
        BASE32_NOPAD.decode(bare.to_uppercase().as_bytes()).ok(),
        HEXLOWER.decode(bare.as_bytes()).ok(),
    ];
    for bytes in decoded.into_iter().flatten() {
        let bytes = middle(&bytes);
        let listed: Vec<_> = bytes.iter().map(u8::to_string).collect();
        forms.extend([HEXLOWER.encode(bytes), listed.join(", ")]);
    }
    forms.iter().map(|form| form.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_whatever_form() {
        let bytes: Vec<u8> = (100..148).collect();
        let token = format!("avr_{}", BASE64URL_NOPAD.encode(&bytes));
        let code = "abcd-efgh-ijkl-mnop-qrst-uvwx";
        let hidden = Hidden::of([token.as_str(), code, "violet tapir quietly"]);
        for text in [
            format!("{{\"token\":\"{token}\"}}"),
            token[3..token.len() - 2].to_owned(),
            format!("sessions|X'{}'", data_encoding::HEXUPPER.encode(&bytes)),
            format!("{bytes:?}"),
            code.replace('-', "").to_uppercase(),
            format!("X'{}'", HEXLOWER.encode(&BASE32_NOPAD.decode(b"ABCDEFGHIJKLMNOPQRSTUVWX").unwrap())),
            "password=violet tapir quietly&".to_owned(),
        ] {
            assert!(hidden.shown_in(&text).is_some(), "{text}");
        }
        assert!(hidden.held_by(&[b"SQLite".as_slice(), &bytes].concat()).is_some());
        assert!(hidden.held_by(token.as_bytes()).is_some());
        for text in ["", "avr_", "violet", "abcd-efgh", "SQLite format 3"] {
            assert_eq!((hidden.shown_in(text), hidden.held_by(text.as_bytes())), (None, None), "{text}");
        }
    }
}
