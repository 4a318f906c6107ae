//! What letters say. Nothing that whoever asked for one chose is in them.

use auth_core::{port::Content, secret::PlainToken};

/// The page that links lead to. The token stands behind `#`: no server is sent it, and no other page is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page(String);

impl Page {
    /// A page of `https`, or on this machine; in a development run of `http` wherever it is. Kept in ASCII.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str, development: bool) -> Result<Self, &'static str> {
        let wrong = "expected a page's URL of https without a fragment, or of http on this machine";
        let url = auth_web::outgoing::Url::parse(text).map_err(|_| wrong)?;
        let safe = url.scheme() == "https"
            || url.scheme() == "http" && (development || auth_web::outgoing::is_loopback(&url));
        let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        if safe && plain { Ok(Self(url.into())) } else { Err(wrong) }
    }

    fn link(&self, what: &str, token: &PlainToken) -> String {
        format!("{}#{what}={}", self.0, token.expose())
    }
}

/// The subject of a letter.
pub(super) const fn subject(content: &Content) -> &'static str {
    match content {
        Content::Verify { .. } => "Confirm your address",
        Content::Reset { .. } => "Set another password",
        Content::Taken => "Somebody wanted to register with your address",
    }
}

/// The text of a letter: ASCII.
pub(super) fn body(content: &Content, page: &Page) -> String {
    match content {
        Content::Verify { token, expires_at } => format!(
            "An account was registered with this address. If that was you, confirm it here:\n\n{}\n\n\
             The link is good once, until {expires_at}.\n\
             If it was not you, do not open it: nobody can log in to the account. If you want one all the same, ask for\n\
             another password, which you alone will know.\n",
            page.link("verify", token)
        ),
        Content::Reset { token, expires_at } => format!(
            "Somebody asked for another password for your account. If that was you, set it here:\n\n{}\n\n\
             The link is good once, until {expires_at}, and logs you out everywhere.\n\
             If it was not you, do nothing: your password stays as it is.\n",
            page.link("reset", token)
        ),
        Content::Taken => "Somebody wanted to register with your address, which has an account already.\n\n\
                           If that was you, log in; if you do not know the password, ask for another one.\n\
                           If it was not you, do nothing: nothing has changed.\n"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_https_or_of_this_machine() {
        for good in [
            "https://app.example.com/account",
            "https://bücher.example/ä",
            "http://localhost:8009",
            "http://127.0.0.1/x?y=1",
        ] {
            assert!(Page::parse(good, false).is_ok_and(|page| page.0.is_ascii()), "{good}");
        }
        for wrong in [
            "",
            "app.example.com",
            "http://app.example.com",
            "https://x.example/#a",
            "https://a:b@x.example",
            "data:,x",
        ] {
            assert!(Page::parse(wrong, false).is_err(), "{wrong}");
            let spared = wrong == "http://app.example.com";
            assert_eq!(Page::parse(wrong, true).is_ok(), spared, "{wrong}");
        }
    }
}
