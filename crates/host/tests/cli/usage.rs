//! What it says of itself, and where no NanoClaw runs.

use std::fs;

use serde_json::json;

use crate::{ctl, ended, owner::Owner, process};

#[tokio::test]
async fn help_and_wrong_usage() {
    let place = tempfile::tempdir().unwrap();
    let help = ctl(place.path(), &["--help"]).await;
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for word in ["run", "status", "pair", "logout", "chats", "groups", "containers", "logs", "send", "settings", "kiro"]
    {
        assert!(help.stdout.contains(&format!("\n  {word} ")), "{word} in {}", help.stdout);
        assert_eq!(ctl(place.path(), &[word, "--help"]).await.code, Some(0), "{word}");
    }
    for words in [
        &[][..],
        &["dance"],
        &["groups"],
        &["groups", "register", "--jid", "1@g.us"],
        &["groups", "set", "family"],
        &["groups", "set", "family", "--no-mounts", "--mount", "/a"],
        &["groups", "set", "family", "--no-tools", "--default-tools"],
        &["logs", "--run", "family-1", "--level", "warn"],
        &["send", "--to", "1@g.us"],
        &["pair", "--cancel", "--phone", "+49"],
        &["status", "--loud"],
        &["run", "--json"],
        &["settings", "set", "TZ"],
    ] {
        let wrong = ctl(place.path(), words).await;
        assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(2), ""), "{words:?}");
        assert!(!wrong.stderr.is_empty());
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "asking for help makes nothing");
}

#[tokio::test]
async fn shells_and_man_know_every_word() {
    let place = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = ctl(place.path(), &["completions", shell]).await;
        assert!(script.code == Some(0) && script.stdout.contains("move-main"), "{script:?}");
    }
    let pages = place.path().join("man1");
    assert_eq!(ctl(place.path(), &["man", pages.to_str().unwrap()]).await.code, Some(0));
    let page = fs::read_to_string(pages.join("nanoclawctl-groups-register.1")).unwrap();
    assert!(page.contains("no\\-trigger"), "{page}");
}

#[tokio::test]
async fn the_doctor_looks_at_everything_and_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let told = ctl(&home, &["doctor", "--json"]).await;
    let checks = told.json();
    let of = |id: &str| checks.as_array().unwrap().iter().find(|check| check["id"] == id).unwrap().clone();
    for id in
        ["home", "settings", "kiro-cli", "docker", "whatsapp", "chats", "main", "allowlist", "old-service", "nanoclaw"]
    {
        let check = of(id);
        let is_good = check["outcome"] == "good";
        assert_eq!(check["problem"].is_null(), is_good, "{check}");
        assert!(is_good || !check["problem"]["cure"].as_str().unwrap().is_empty(), "{check}");
    }
    assert_eq!((of("kiro-cli")["outcome"].as_str(), told.code), (Some("bad"), Some(1)));
    assert_eq!(of("nanoclaw")["problem"]["code"], "not-running");
    assert!(!home.exists(), "it makes nothing");
    let words = ctl(&home, &["doctor"]).await.stdout;
    assert!(words.contains("✗ kiro-cli was not found") && words.contains("  Install kiro-cli"), "{words}");
    // K4: agents with a sign-in that is not this computer's do without its kiro-cli.
    for mode in ["own", "api-key"] {
        let mut asking = process(&home, &["doctor", "--json"]);
        asking.env("NANOCLAW_KIRO_MODE", mode);
        let checks = ended(asking).await.json();
        let found = checks.as_array().unwrap().iter().find(|check| check["id"] == "kiro-cli").unwrap();
        assert_eq!(found["outcome"], "good", "{mode}");
    }
}

#[tokio::test]
async fn without_a_running_nanoclaw() {
    let place = tempfile::tempdir().unwrap();
    for words in [
        &["status"][..],
        &["status", "--watch"],
        &["pair"],
        &["logout", "--yes"],
        &["chats"],
        &["groups", "list"],
        &["groups", "register", "--jid", "1@g.us", "--name", "Family", "--folder", "family"],
        &["containers", "list"],
        &["logs"],
        &["send", "--to", "1@g.us", "hi"],
        &["pause"],
        &["resume"],
        &["restart"],
        &["logs", "--text", "x"],
    ] {
        let failed = ctl(place.path(), words).await;
        assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""), "{words:?}");
        assert_eq!(failed.stderr, "NanoClaw is not running. Start the app, or `nanoclawctl run`.\n", "{words:?}");
    }
    let failed = ctl(place.path(), &["chats", "--json"]).await;
    assert_eq!(failed.code, Some(1));
    let error = &failed.json()["error"];
    assert_eq!((&error["code"], &error["message"]), (&json!("not-running"), &json!("NanoClaw is not running.")));
    assert!(error["cure"].as_str().is_some_and(|cure| failed.stderr.contains(cure)));
    // A stream of statuses holds nothing else.
    let failed = ctl(place.path(), &["status", "--watch", "--json"]).await;
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""));
}

#[tokio::test]
async fn a_second_run_on_a_home_is_refused() {
    let owner = Owner::start();
    let refused = ctl(owner.home.root(), &["run"]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    let root = owner.home.root().display();
    let expect =
        format!("NanoClaw is already running. It has the folder {root}. Use the one that runs, or stop it first.\n");
    assert_eq!(refused.stderr, expect);
    assert!(!owner.home.database().exists());
}
