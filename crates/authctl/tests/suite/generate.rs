//! `keys generate`: many keys at once.

use crate::program::{FIRST_KEYS, Folder};
use conformance::client::Request;
use std::collections::HashSet;

#[tokio::test]
async fn generated_keys_work_each_and_their_secrets_are_their_owners_alone() {
    let folder = Folder::new();
    let up = folder.up();
    let account = folder.first("account_id");
    let file = folder.data().join("generated.keys");
    let path = file.to_str().unwrap();
    let place = ["keys", "generate", "--count", "300", "--file", path];
    let kind =
        ["--service", "hub", "--account", &account, "--name", "load", "--permission", "call_management"];
    let generate = [place.as_slice(), &kind].concat();
    assert_eq!(folder.json(&generate)["keys"], 300);
    let secrets = std::fs::read_to_string(&file).unwrap();
    let secrets: Vec<_> = secrets.lines().collect();
    assert_eq!((secrets.len(), secrets.iter().collect::<HashSet<_>>().len()), (300, 300));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // The service heard of each when the command answered.
    for secret in &secrets {
        assert_eq!(up.hub(Request::get("/calls").bearer(secret)).await.status, 200);
    }
    let trail = folder.json(&["audit", "list", "--action", "key.created", "--limit", "1000"]);
    assert_eq!(trail.as_array().unwrap().len(), FIRST_KEYS + 300, "each has its event, and the first ones");
    // A file that is there is not written over.
    assert!(folder.fails(&generate).contains("exists"));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 300);
}
