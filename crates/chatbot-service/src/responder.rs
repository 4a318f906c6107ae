//! Who answers a chat: an OpenAI-compatible service at a URL, or a built-in one that says that there is none.

use auth_core::model::{DomainName, Language, Prose};
use auth_web::{Problem, outgoing::Client, problem::Kind};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long the service behind may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that it may answer.
const MOST_BYTES: usize = 1024 * 1024;
/// Questions that are with it at once: each holds a connection, for as long as [`PATIENCE`].
const MOST_ASKED: usize = 256;
/// Of these, questions to one domain: what is asked of one leaves room for the others.
const MOST_ASKED_OF_ONE: usize = 64;

/// Who answers.
#[derive(Debug, Clone)]
pub enum Responder {
    /// Says that no model is configured.
    BuiltIn,
    /// Asks `POST <url>/v1/chat/completions`.
    Upstream(Upstream),
}

/// A service that speaks OpenAI's protocol.
#[derive(Clone)]
pub struct Upstream {
    client: Client,
    model: String,
    places: Arc<Places>,
}

/// How many questions are with a service, domain by domain.
#[derive(Default)]
struct Places(Mutex<HashMap<DomainName, usize>>);

/// The place of a question, given back when it is dropped.
struct Taken<'a>(&'a Places, &'a DomainName);

impl Places {
    /// A place for a question to a domain, if there is one.
    fn take<'a>(&'a self, domain: &'a DomainName) -> Option<Taken<'a>> {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = asked.get(domain).copied().unwrap_or_default();
        if of_one >= MOST_ASKED_OF_ONE || asked.values().sum::<usize>() >= MOST_ASKED {
            return None;
        }
        asked.insert(domain.clone(), of_one + 1);
        Some(Taken(self, domain))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut asked = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = asked.get_mut(self.1) {
            *left -= 1;
            if *left == 0 {
                asked.remove(self.1);
            }
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("url", &self.client.url())
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// A question.
#[derive(Debug)]
pub struct Question<'a> {
    /// What is asked.
    pub text: &'a Prose,
    /// For which domain.
    pub domain: &'a DomainName,
    /// In which language to answer.
    pub language: Option<&'a Language>,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: [Message<'a>; 2],
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Answered,
}

#[derive(Deserialize)]
struct Answered {
    content: String,
}

impl Upstream {
    /// A service at a base URL. Redirects are not followed; `key` is sent as its bearer credential.
    ///
    /// # Errors
    /// The URL is none of HTTP, or a key would go over the network in the clear; the HTTP client cannot be made.
    pub fn new(url: &str, model: &str, key: Option<String>) -> Result<Self, String> {
        let client = Client::new("responder.url", url, key, (PATIENCE, MOST_BYTES))?;
        Ok(Self { client, model: model.to_owned(), places: Arc::default() })
    }

    async fn ask(&self, question: &Question<'_>) -> Result<String, String> {
        let language = question.language.map_or("the language of the question", |language| language.as_str());
        let role = format!("You answer visitors of {}. Answer in {language}.", question.domain);
        let body = Request {
            model: &self.model,
            messages: [
                Message { role: "system", content: &role },
                Message { role: "user", content: question.text.as_str() },
            ],
        };
        let text = self.client.post_json("/v1/chat/completions", &body).await?;
        let completion: Completion = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let first = completion.choices.into_iter().next().ok_or("no choice")?;
        Ok(first.message.content)
    }
}

impl Responder {
    /// Answers a question.
    ///
    /// # Errors
    /// `502` where the service behind failed, was too slow, or answered what it should not; `503` where it is asked as
    /// much as may be already.
    pub async fn answer(&self, question: &Question<'_>) -> Result<String, Problem> {
        match self {
            Self::BuiltIn => Ok(format!(
                "No language model is configured for {}, so this is the built-in answer. You asked: {}",
                question.domain, question.text
            )),
            Self::Upstream(upstream) => {
                let busy =
                    || Problem::new(Kind::Unavailable, "The language model is asked too much at once.");
                let _place = upstream.places.take(question.domain).ok_or_else(busy)?;
                upstream.ask(question).await.map_err(|why| {
                    Problem::new(Kind::Upstream, "The language model did not answer.").because(why)
                })
            }
        }
    }
}
