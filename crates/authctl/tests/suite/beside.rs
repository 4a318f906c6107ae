//! The program beside running services, on the same file.

use crate::program::{Folder, Up, text};
use conformance::client::Request;

async fn may_list_calls(up: &Up, key: &str) -> bool {
    match up.hub(Request::get("/calls").bearer(key)).await.status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_the_command_line_ends_is_refused_once_it_has_answered() {
    let folder = Folder::new();
    let up = folder.up();
    let account = folder.first("account_id");
    for _ in 0..20 {
        let made = folder.json(&[
            "keys",
            "create",
            "--service",
            "hub",
            "--account",
            &account,
            "--name",
            "beside",
            "--permission",
            "call_management",
        ]);
        let (id, key) = (text(&made, "id"), text(&made, "key"));
        assert!(may_list_calls(&up, &key).await, "a new key works once the command has answered");
        assert!(may_list_calls(&up, &key).await, "and from memory");
        let rotated = folder.json(&["keys", "rotate", &id]);
        let newer = text(&rotated, "key");
        assert!(!may_list_calls(&up, &key).await, "the old secret ended with the rotation");
        assert!(may_list_calls(&up, &newer).await);
        folder.json(&["keys", "revoke", &id]);
        assert!(!may_list_calls(&up, &newer).await, "a revoked key is refused");
        assert!(folder.fails(&["keys", "rotate", &id]).contains("revoked"));
    }
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn an_owner_is_suspended_and_revived() {
    let folder = Folder::new();
    let up = folder.up();
    let (account, hub_key) = (folder.first("account_id"), folder.first("hub_api_key"));
    let domain_key = folder.first("domain_api_key");
    let tokens = || Request::get("/auth/api/v1/tokens").bearer(&domain_key);
    assert!(may_list_calls(&up, &hub_key).await);
    assert_eq!(up.chatbot(tokens()).await.status, 200);

    folder.json(&["domains", "suspend", "example.com"]);
    assert_eq!(up.chatbot(tokens()).await.status, 401);
    assert!(may_list_calls(&up, &hub_key).await, "the account's own keys go on");
    folder.json(&["domains", "revive", "example.com"]);
    assert_eq!(up.chatbot(tokens()).await.status, 200);

    folder.json(&["accounts", "suspend", &account]);
    assert!(!may_list_calls(&up, &hub_key).await);
    assert_eq!(up.chatbot(tokens()).await.status, 401, "its domains go with it");
    folder.json(&["accounts", "revive", &account]);
    assert!(may_list_calls(&up, &hub_key).await);
    assert_eq!(up.chatbot(tokens()).await.status, 200);
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn a_page_opens_the_widget_once_its_origin_is_set() {
    let folder = Folder::new();
    let up = folder.up();
    let page = r#"{"tenant":"example.com","origin":"https://www.example.com"}"#;
    let open = || Request::post("/v1/widget/session", page);
    assert_ne!(up.chatbot(open()).await.status, 200);
    folder.json(&["domains", "set-origins", "example.com", "https://www.example.com"]);
    assert_eq!(up.chatbot(open()).await.status, 200);
    folder.json(&["domains", "set-origins", "example.com"]);
    assert_ne!(up.chatbot(open()).await.status, 200);
    assert_eq!(up.stop(), Some(0));
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let folder = Folder::new();
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let up = folder.up();
        let (account, key) = (folder.first("account_id"), folder.first("hub_api_key"));
        let users = format!("/accounts/{account}/users");
        let (hub, wanted) = (up.hub, 15 + 10 * round);
        let mut writers = tokio::task::JoinSet::new();
        let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
        for writer in 0..4 {
            let (users, key, sender) = (users.clone(), key.clone(), sender.clone());
            writers.spawn(async move {
                for number in 0.. {
                    let body = format!(
                        r#"{{"name":"Alice","email":"alice+{round}.{writer}.{number}@example.com"}}"#
                    );
                    let Ok(made) = Request::post(&users, &body).bearer(&key).send(hub).await else { return };
                    // A body that was cut off acknowledges nothing.
                    if made.status == 201 && !made.field("user_id").is_empty() {
                        sender.send(made.field("user_id")).unwrap();
                    }
                }
            });
        }
        drop(sender);
        // Killed in the middle of writing, and not before some was acknowledged.
        for _ in 0..wanted {
            acknowledged.push(answers.recv().await.unwrap());
        }
        up.kill();
        while let Some(late) = answers.recv().await {
            acknowledged.push(late);
        }
        writers.join_all().await;
        folder.json(&["audit", "verify"]);
    }
    let up = folder.up();
    let (account, key) = (folder.first("account_id"), folder.first("hub_api_key"));
    for user in &acknowledged {
        let read = up.hub(Request::get(&format!("/accounts/{account}/users/{user}")).bearer(&key)).await;
        assert_eq!(read.status, 200, "{user}");
        let told = up
            .hub(Request::get(&format!("/audit/events?action=user.created&target={user}")).bearer(&key))
            .await;
        assert_eq!(told.json()["items"].as_array().unwrap().len(), 1, "{user} has its one event");
    }
    assert_eq!(up.stop(), Some(0));
}
