//! A mail server of a test (RFC 5321), on loopback: it takes what is sent to it and carries it nowhere.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It takes everything.
    Takes,
    /// It takes connections, and says nothing.
    Slow,
    /// It answers so to each recipient.
    Answers(&'static str),
    /// It closes the connection instead of taking a message.
    Cuts,
}

/// One that is running; it ends with the runtime of its test.
#[derive(Clone)]
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    commands: Vec<String>,
    messages: Vec<String>,
}

impl MailServer {
    /// Starts one.
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, manner: Arc::new(Mutex::new(manner)), seen: Arc::default() };
        let running = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                running.seen.lock().unwrap().connections += 1;
                let server = running.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }
    /// Changes how it behaves to who connects from now on.
    pub fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
    /// The commands that were sent.
    pub fn commands(&self) -> Vec<String> {
        self.seen.lock().unwrap().commands.clone()
    }
    /// The messages that it took, of ASCII, as they are read (RFC 2045 §6.7).
    pub fn messages(&self) -> Vec<String> {
        let taken = &self.seen.lock().unwrap().messages;
        taken.iter().map(|message| message.replace("=\n", "").replace("=3D", "=")).collect()
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let manner = *self.manner.lock().unwrap();
        let (reads, mut writes) = stream.into_split();
        let mut lines = BufReader::new(reads).lines();
        if manner == Manner::Slow {
            while lines.next_line().await.ok()?.is_some() {}
            return None;
        }
        writes.write_all(b"220 test\r\n").await.ok()?;
        while let Some(line) = lines.next_line().await.ok()? {
            self.seen.lock().unwrap().commands.push(line.clone());
            let answer = match (line.get(..4).unwrap_or_default(), manner) {
                ("EHLO", _) => "250 test",
                ("RCPT", Manner::Answers(answer)) => answer,
                ("DATA", Manner::Cuts) => return None,
                ("DATA", _) => {
                    writes.write_all(b"354 go on\r\n").await.ok()?;
                    let mut message = String::new();
                    loop {
                        let line = lines.next_line().await.ok()??;
                        if line == "." {
                            break;
                        }
                        message += &format!("{line}\n");
                    }
                    self.seen.lock().unwrap().messages.push(message);
                    "250 taken"
                }
                ("QUIT", _) => "221 bye",
                _ => "250 ok",
            };
            writes.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        }
        None
    }
}
