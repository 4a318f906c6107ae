//! A disk that is full: writes are refused, nothing that was acknowledged is lost.

use crate::program::Folder;
use conformance::client::Request;
use std::process::{Command, Stdio};

/// How large a file may grow, in blocks of 512 bytes: too small for the journal between two of its cuts.
const BLOCKS: &str = "6000";
/// More users than fit.
const MOST: usize = 20_000;

/// The same command, whose files cannot grow beyond [`BLOCKS`]: a write fails then, as on a full disk.
fn on_a_full_disk(command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {BLOCKS}; exec \"$0\" \"$@\"")]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.stderr(Stdio::null());
    limited
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_loses_none() {
    let folder = Folder::new();
    let up = folder.up_with(|command| *command = on_a_full_disk(command));
    let (account, key) = (folder.first("account_id"), folder.first("hub_api_key"));
    let users = format!("/accounts/{account}/users");
    let mut made = Vec::new();
    let refused = loop {
        let body = format!(r#"{{"name":"Alice","email":"alice+{}@example.com"}}"#, made.len());
        let answer = up.hub(Request::post(&users, &body).bearer(&key)).await;
        if answer.status != 201 {
            break answer;
        }
        made.push(answer.field("user_id"));
        assert!(made.len() < MOST, "the disk is never full");
    };
    assert!(made.len() > 20, "{} users: the disk was full from the beginning", made.len());
    assert_eq!((refused.status, refused.field("code")), (503, "unavailable".to_owned()), "{}", refused.body);
    assert!(!refused.body.contains("auth.db"), "{}", refused.body);
    for _ in 0..20 {
        let read = Request::get(&format!("{users}/{}", made[0])).bearer(&key);
        assert_eq!(up.hub(read).await.status, 200, "what is there is served");
        let revoke = Request::new("DELETE", "/api-keys/00000000-0000-7000-8000-000000000000").bearer(&key);
        assert_eq!(up.hub(revoke).await.status, 404);
    }
    assert_eq!(up.stop(), Some(0));

    let entries = folder.json(&["audit", "verify"])["entries"].as_u64().unwrap();
    assert!(entries >= made.len() as u64, "{entries} entries");
    let up = folder.up();
    let mut kept = Vec::new();
    for user in &made {
        let read = up.hub(Request::get(&format!("{users}/{user}")).bearer(&key)).await;
        kept.extend((read.status == 200).then(|| read.field("user_id")));
    }
    assert_eq!(kept, made, "each that was acknowledged is there");
    let email = format!("alice+{}@example.com", made.len());
    let body = format!(r#"{{"name":"Alice","email":"{email}"}}"#);
    let again = up.hub(Request::post(&users, &body).bearer(&key)).await;
    assert_eq!(again.status, 201, "what was refused was not done: {}", again.body);
    assert_eq!(up.stop(), Some(0));
}
