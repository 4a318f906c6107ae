//! Who answers a chat: an OpenAI-compatible service at a URL, or a built-in one that says that there is none.

use auth_core::model::{DomainName, Language, Prose};
use auth_web::{Problem, problem::Kind};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long the service behind may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that it may answer.
const MOST_BYTES: usize = 1024 * 1024;

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
    client: reqwest::Client,
    url: String,
    model: String,
    key: Option<String>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("url", &self.url).field("model", &self.model).finish_non_exhaustive()
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
    /// The HTTP client cannot be made.
    pub fn new(url: &str, model: &str, key: Option<String>) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), model: model.to_owned(), key })
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
        let mut request = self.client.post(format!("{}/v1/chat/completions", self.url)).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let mut answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
            if text.len() + chunk.len() > MOST_BYTES {
                return Err(format!("more than {MOST_BYTES} bytes"));
            }
            text.extend_from_slice(&chunk);
        }
        let completion: Completion = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let first = completion.choices.into_iter().next().ok_or("no choice")?;
        Ok(first.message.content)
    }
}

impl Responder {
    /// Answers a question.
    ///
    /// # Errors
    /// `502` where the service behind failed, was too slow, or answered what it should not.
    pub async fn answer(&self, question: &Question<'_>) -> Result<String, Problem> {
        match self {
            Self::BuiltIn => Ok(format!(
                "No language model is configured for {}, so this is the built-in answer. You asked: {}",
                question.domain, question.text
            )),
            Self::Upstream(upstream) => upstream.ask(question).await.map_err(|why| {
                tracing::error!(why, "the language model did not answer");
                Problem::new(Kind::Upstream, "The language model did not answer.")
            }),
        }
    }
}
