//! What it says of itself, and where no NanoClaw runs.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

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
    // The old setup's steps 01 to 09.
    for id in [
        "home",
        "settings",
        "version",
        "kiro-cli",
        "docker",
        "whatsapp",
        "chats",
        "main",
        "allowlist",
        "autostart",
        "old-service",
        "nanoclaw",
    ] {
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
async fn the_doctor_tells_versions_and_what_starts_at_login() {
    // T5
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    let app = Path::new(env!("CARGO_BIN_EXE_nanoclawctl")).with_file_name("nanoclaw");
    let other = home.join("elsewhere/nanoclaw");
    fs::create_dir(home.join("elsewhere")).unwrap();
    let program = home.join("kiro-cli");
    let told = async |version: &str, id: &str| {
        fs::write(&program, format!("#!/bin/sh\necho 'kiro-cli {version}'\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut asking = process(home, &["doctor", "--json"]);
        asking.env("NANOCLAW_KIRO_CLI_PATH", &program);
        let checks = ended(asking).await.json();
        let check = checks.as_array().unwrap().iter().find(|check| check["id"] == id).unwrap();
        let cure = check["problem"]["cure"].as_str().unwrap_or_default();
        format!("{} {} {cure}", check["outcome"].as_str().unwrap(), check["text"].as_str().unwrap())
    };
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(told("2.1.0", "version").await, format!("good NanoClaw is version {own}. "));
    assert_eq!(told("2.1.0", "kiro-cli").await, format!("good kiro-cli 2.1.0 is {}. ", program.display()));
    let old = told("1.20.3", "kiro-cli").await;
    assert!(old.starts_with("warning") && old.contains("1.20.3") && old.contains("update"), "{old}");

    let write = |entry: &Path| nanoclaw_host::autostart::write(home, &entry.display().to_string()).unwrap();
    let off = told("2.1.0", "autostart").await;
    assert!(off.starts_with("warning NanoClaw does not start at login.") && off.contains("autostart on"), "{off}");
    write(&other);
    let gone = told("2.1.0", "autostart").await;
    assert!(
        gone.starts_with("warning What is to start at login is not there") && gone.contains("autostart on"),
        "{gone}"
    );
    fs::write(&other, "").unwrap();
    let another = told("2.1.0", "autostart").await;
    assert!(another.starts_with("warning Another program starts at login"), "{another}");
    write(&app);
    let ours = told("2.1.0", "autostart").await;
    match app.exists() {
        true => assert_eq!(ours, format!("good {} starts at login. ", app.display())),
        false => assert!(ours.starts_with("warning What is to start at login is not there"), "{ours}"),
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
