//! SMTP (RFC 5321), over TLS or on this machine.

use super::{Page, text};
use auth_core::port::{Letter, Post, Undelivered};
use auth_web::outgoing::Url;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{Error, extension::ClientId},
};
use std::time::Duration;

/// How long the server may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that takes letters.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    page: Page,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("from", &self.from).field("page", &self.page).finish_non_exhaustive()
    }
}

impl Smtp {
    /// A server at `smtps://[USER:PASSWORD@]HOST[:PORT]` (TLS from the first byte), or at `smtp://…`, which must offer
    /// STARTTLS unless it is on this machine. The password may be given apart. Nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong, without the URL: a password may stand in it.
    pub fn new(url: &str, password: Option<&str>, from: &str, page: Page) -> Result<Self, String> {
        let url = connection(url, password)?;
        let from: Mailbox = from.parse().map_err(|_| {
            "mail.from: expected an address, such as Example <noreply@example.com>".to_owned()
        })?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str());
        // What it says of a URL may repeat it.
        let builder = builder.map_err(|_| WRONG.to_owned())?;
        let hello = ClientId::Domain(from.email.domain().to_owned());
        let transport = builder.hello_name(hello).timeout(Some(PATIENCE)).build();
        Ok(Self { transport, from, page })
    }

    fn message(&self, letter: &Letter) -> Result<Message, Undelivered> {
        let refused = |why: &str| Undelivered::Refused(why.to_owned());
        let to = letter.to.as_str().parse().map_err(|_| refused("it is no address of a mailbox"))?;
        // RFC 3834 §5: no out-of-office answers.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(text::subject(&letter.content))
            .header(ContentType::TEXT_PLAIN)
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .message_id(None)
            .body(text::body(&letter.content, &self.page))
            .map_err(|_| refused("no message can be made of it"))
    }
}

#[async_trait::async_trait]
impl Post for Smtp {
    async fn carry(&self, letter: &Letter) -> Result<(), Undelivered> {
        let message = self.message(letter)?;
        self.transport.send(message).await.map(drop).map_err(|error| undelivered(&error))
    }
}

const WRONG: &str = "mail.url: expected smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST";

/// The URL as the library reads it: TLS is never optional, and absent on this machine alone.
fn connection(url: &str, password: Option<&str>) -> Result<Url, String> {
    let wrong = || WRONG.to_owned();
    let mut url = Url::parse(url).map_err(|_| wrong())?;
    let plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if url.host_str().is_none_or(str::is_empty) || !plain {
        return Err(wrong());
    }
    if let Some(password) = password {
        if url.password().is_some() || url.username().is_empty() {
            return Err("mail.password_file: the URL has a user, and no password of its own".to_owned());
        }
        url.set_password(Some(password)).map_err(|()| wrong())?;
    }
    match url.scheme() {
        "smtps" => {}
        "smtp" if auth_web::outgoing::is_loopback(&url) => {}
        "smtp" => url.set_query(Some("tls=required")),
        _ => return Err(wrong()),
    }
    Ok(url)
}

/// What an error says, without what the server wrote: that may hold the address.
fn undelivered(error: &Error) -> Undelivered {
    let why = match error.status() {
        Some(code) => format!("the server answered {code}"),
        None if error.is_timeout() => "the server did not answer in time".to_owned(),
        None if error.is_response() => "the server answered what is no SMTP".to_owned(),
        None => error.to_string(),
    };
    if error.is_permanent() || error.is_client() {
        Undelivered::Refused(why)
    } else {
        Undelivered::Later(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_goes_over_tls_or_stays_on_this_machine() {
        for (url, read) in [
            ("smtps://mail.example.com", "smtps://mail.example.com"),
            ("smtps://user:p%40ss@mail.example.com:4465", "smtps://user:p%40ss@mail.example.com:4465"),
            ("smtp://mail.example.com", "smtp://mail.example.com?tls=required"),
            ("smtp://localhost:2525", "smtp://localhost:2525"),
            ("smtp://127.0.0.1:25/", "smtp://127.0.0.1:25/"),
        ] {
            assert_eq!(connection(url, None).unwrap().as_str(), read, "{url}");
        }
        for wrong in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://mail.example.com?tls=opportunistic",
            "smtps://hunter2@mail.example.com/canary",
            "smtp://127.0.0.1.example?tls=none",
        ] {
            let error = connection(wrong, None).unwrap_err();
            assert!(error.starts_with("mail.url") && !error.contains("hunter2"), "{error}");
        }
        let apart = connection("smtps://user@mail.example.com", Some("p@:/ä")).unwrap();
        assert_eq!(apart.as_str(), "smtps://user:p%40%3A%2F%C3%A4@mail.example.com");
        for url in ["smtps://mail.example.com", "smtps://user:hunter2@mail.example.com"] {
            assert!(connection(url, Some("hunter2")).unwrap_err().starts_with("mail.password_file"));
        }
    }

    #[test]
    fn no_secret_of_the_url_is_printed() {
        let page = Page::parse("https://app.example.com", false).unwrap();
        let smtp = Smtp::new("smtps://user:hunter2@mail.example.com", None, "a@example.com", page).unwrap();
        assert!(!format!("{smtp:?}").contains("hunter2"));
    }

    #[test]
    fn what_could_be_a_header_of_its_own_is_no_sender() {
        let page = Page::parse("https://app.example.com", false).unwrap();
        for from in
            ["", "nobody", "a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com", "a b@c d"]
        {
            let made = Smtp::new("smtps://mail.example.com", None, from, page.clone());
            assert!(made.unwrap_err().starts_with("mail.from"), "{from:?}");
        }
    }
}
