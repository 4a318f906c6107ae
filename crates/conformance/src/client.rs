//! A small HTTP/1.1 client that sends exactly what it is told, also what no proper client would send.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method, as it is sent.
    pub method: String,
    /// Path and query, as they are sent.
    pub target: String,
    /// Headers beside `Host`, `Connection` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
    }
    /// `GET`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }
    /// `POST` of JSON.
    pub fn post(target: &str, body: &str) -> Self {
        Self::new("POST", target).json(body)
    }
    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.header("Content-Type", "application/json")
    }
    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
    /// With a bearer credential.
    #[must_use]
    pub fn bearer(self, credential: &str) -> Self {
        self.header("Authorization", &format!("Bearer {credential}"))
    }

    /// Sends it on a connection of its own.
    ///
    /// # Errors
    /// The connection broke, or what came back is no HTTP.
    pub async fn send(&self, to: SocketAddr) -> std::io::Result<Response> {
        self.send_as(&to.to_string(), to).await
    }

    /// The same, to a host of this name.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_as(&self, host: &str, to: SocketAddr) -> std::io::Result<Response> {
        let answer = raw(to, self.text(host).as_bytes()).await?;
        Response::parse(&answer).ok_or_else(|| std::io::Error::other("no HTTP came back"))
    }

    /// Sends it, and is gone before there is an answer.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send_and_leave(&self, to: SocketAddr) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(self.text(&to.to_string()).as_bytes()).await?;
        stream.shutdown().await
    }

    /// Sends the request from an address of this machine, of which there are as many as it takes: all of `127.0.0.0/8`.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_from(&self, from: Ipv4Addr, to: SocketAddr) -> std::io::Result<Response> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let answer = said(socket.connect(to).await?, self.text(&to.to_string()).as_bytes()).await;
        Response::parse(&answer).ok_or_else(|| std::io::Error::other("no HTTP came back"))
    }

    fn text(&self, host: &str) -> String {
        let mut text =
            format!("{} {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text
    }
}

/// Sends bytes on a connection of its own, and reads until the server closes it.
///
/// # Errors
/// The connection cannot be made.
pub async fn raw(to: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    Ok(said(TcpStream::connect(to).await?, bytes).await)
}

/// What a server says to these bytes, until it closes.
async fn said(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// What a connection said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Everything that came, as text.
    pub text: String,
    /// Whether the server closed the connection; otherwise it waits for more.
    pub closed: bool,
}

impl Heard {
    /// The statuses of the answers, in their order.
    pub fn statuses(&self) -> Vec<u16> {
        let status = |part: &str| part.split(' ').next().and_then(|status| status.parse().ok());
        self.text.split("HTTP/1.1 ").skip(1).filter_map(status).collect()
    }
}

/// Sends bytes on a connection of its own, and listens until the server closes it or says nothing for so long.
///
/// # Errors
/// The connection cannot be made.
pub async fn heard(to: SocketAddr, bytes: &[u8], patience: Duration) -> std::io::Result<Heard> {
    let mut stream = TcpStream::connect(to).await?;
    let _ = stream.write_all(bytes).await;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    let closed = loop {
        match tokio::time::timeout(patience, stream.read(&mut chunk)).await {
            Err(_) => break false,
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(read)) => answer.extend_from_slice(&chunk[..read]),
        }
    };
    Ok(Heard { text: String::from_utf8_lossy(&answer).into_owned(), closed })
}

/// Sends requests, each on a connection of its own, all released at once; the answers in the order of the requests.
pub async fn together(to: SocketAddr, requests: Vec<Request>) -> Vec<Response> {
    let start = Arc::new(tokio::sync::Barrier::new(requests.len()));
    let sending = requests.into_iter().map(|request| {
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            request.send(to).await.unwrap()
        })
    });
    let mut answers = Vec::new();
    for sent in sending.collect::<Vec<_>>() {
        answers.push(sent.await.unwrap());
    }
    answers
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Response {
    /// Reads the first answer of a connection.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Some(Self { status, headers: lines.filter_map(header).collect(), body: body.to_owned() })
    }
    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
    /// A member of the body, as text.
    pub fn field(&self, name: &str) -> String {
        match self.json().get(name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}
