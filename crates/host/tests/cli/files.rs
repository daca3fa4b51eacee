//! What it reads and writes itself: logs, settings, programs of this computer.

use std::{fs, os::unix::fs::PermissionsExt};

use nanoclaw_core::{
    command::Command,
    logs::{Level, Query},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::{
    asked, ctl, ended,
    owner::{Owner, SOON},
    process,
};

#[tokio::test]
async fn logs_whole_and_followed_over_a_new_file() {
    // T7
    let mut owner = Owner::start();
    let log = owner.home.log();
    let lines = |from: u32, to: u32| (from..to).map(|n| format!("line {n} ä\n")).collect::<String>();
    fs::write(&log, lines(0, 20_000)).unwrap();
    let answer = json!({"path": log});
    let whole = asked(&mut owner, &["logs"], Command::Logs { run: None }, Ok(answer.clone())).await;
    assert!(whole.stdout == lines(0, 20_000), "{} bytes", whole.stdout.len());
    assert_eq!(
        asked(&mut owner, &["logs", "--json"], Command::Logs { run: None }, Ok(answer.clone())).await.json(),
        answer
    );

    let mut following = process(owner.home.root(), &["logs", "-f"]).spawn().unwrap();
    owner.next().await.reply.send(Ok(answer)).unwrap();
    let mut seen = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = async || timeout(SOON, seen.next_line()).await.unwrap().unwrap().unwrap();
    let first = next().await;
    assert!(first.starts_with("line 19") && first.ends_with('ä'), "{first}");
    while next().await != "line 19999 ä" {}
    fs::rename(&log, log.with_extension("log.1")).unwrap();
    fs::write(&log, "fresh\n").unwrap();
    assert_eq!(next().await, "fresh");
}

#[tokio::test]
async fn logs_by_level_chat_and_text() {
    // T4
    let mut owner = Owner::start();
    let text = |text: &str| Some(text.to_owned());
    let query = Query { chat: text("family"), level: Some(Level::Warn), text: text("Photo"), ..Query::default() };
    let words = ["logs", "--level", "warn", "--chat", "family", "--text", "Photo"];
    let found = json!({"lines": ["one", "two\u{1b}[2J"], "more": true, "mark": "7-9", "goesOn": false});
    let told = asked(&mut owner, &words, Command::LogsFind(query.clone()), Ok(found.clone())).await;
    assert_eq!((told.stdout.as_str(), told.stderr.lines().count()), ("one\ntwo\u{1b}[2J\n", 1), "{told:?}");
    let json = [&words[..], &["--json"]].concat();
    assert_eq!(asked(&mut owner, &json, Command::LogsFind(query.clone()), Ok(found.clone())).await.json(), found);

    let mut following = process(owner.home.root(), &[&words[..], &["-f"]].concat()).spawn().unwrap();
    let mut seen = BufReader::new(following.stdout.take().unwrap()).lines();
    owner.next().await.reply.send(Ok(found)).unwrap();
    let next = owner.next().await;
    assert_eq!(next.command, Command::LogsFind(Query { since: text("7-9"), ..query }));
    let more = json!({"lines": ["three"], "more": false, "mark": "7-12", "goesOn": true});
    next.reply.send(Ok(more)).unwrap();
    for expect in ["one", "two\u{1b}[2J", "three"] {
        assert_eq!(timeout(SOON, seen.next_line()).await.unwrap().unwrap().unwrap(), expect);
    }

    let runs = json!([{"run": "family-1", "group": "family", "startedAt": "2026-01-02T03:04:05.000Z", "atWork": true}]);
    let listed = asked(&mut owner, &["logs", "--runs"], Command::LogsRuns { chat: None }, Ok(runs)).await;
    assert!(listed.stdout.contains("family-1  family  2026-01-02 03:04  at work"), "{listed:?}");
}

#[tokio::test]
async fn a_link_in_place_of_a_runs_log_is_not_followed() {
    // R7
    let mut owner = Owner::start();
    let path = owner.home.root().join("agent.log");
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    let run = Command::Logs { run: Some("r".into()) };
    let failed = asked(&mut owner, &["logs", "--run", "r"], run, Ok(json!({"path": path}))).await;
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""));
}

#[tokio::test]
async fn settings_get_and_set() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    assert_eq!(ctl(home, &["settings", "get", "ASSISTANT_NAME"]).await.stdout, "Andy\n");
    assert_eq!(ctl(home, &["settings", "set", "ASSISTANT_NAME", "Ben"]).await.code, Some(0));
    assert_eq!(ctl(home, &["settings", "get", "ASSISTANT_NAME"]).await.stdout, "Ben\n");
    let idle = ctl(home, &["settings", "set", "IDLE_TIMEOUT", "1000", "--json"]).await.json();
    assert_eq!((&idle["value"], &idle["source"], &idle["default"]), (&json!(1000), &json!("file"), &json!(300_000)));
    assert_eq!(ctl(home, &["settings", "reset", "TYPO"]).await.code, Some(1));
    let reset = ctl(home, &["settings", "reset", "IDLE_TIMEOUT", "--json"]).await.json();
    assert_eq!((&reset["value"], &reset["default"]), (&json!(300_000), &json!(300_000)));
    let all = ctl(home, &["settings", "get", "--json"]).await.json();
    assert_eq!(all.as_array().unwrap().len(), nanoclaw_core::settings::SETTINGS.len());
    for (words, code) in [
        (["settings", "set", "IDLE_TIMEOUT", "-1", "--json"], "bad-setting"),
        (["settings", "set", "TYPO", "1", "--json"], "unknown-setting"),
    ] {
        let refused = ctl(home, &words).await;
        assert_eq!((refused.code, &refused.json()["error"]["code"]), (Some(1), &json!(code)));
        assert_eq!(refused.stderr.lines().count(), 1);
    }
    let overridden = async |key: &str, value: &str, environment: &str| {
        let mut process = process(home, &["settings", "set", key, value]);
        process.env(format!("NANOCLAW_{key}"), environment);
        ended(process).await
    };
    assert!(overridden("ASSISTANT_NAME", "Cleo", "Dora").await.stdout.contains("Dora"));
    // That agents lose their container is asked about, but not in vain.
    let refused = ctl(home, &["settings", "set", "AGENT_RUNTIME", "host"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("can read and change all that you can"), "{refused:?}");
    assert_eq!(ctl(home, &["settings", "set", "AGENT_RUNTIME", "host", "--yes"]).await.code, Some(0));
    assert_eq!(overridden("AGENT_RUNTIME", "host", "docker").await.code, Some(0));
    fs::write(home.join("settings.json"), "{").unwrap();
    let refused = ctl(home, &["settings", "get"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.starts_with("settings.json can't be read"), "{}", refused.stderr);
}

#[tokio::test]
async fn settings_of_the_nanoclaw_that_runs() {
    let mut owner = Owner::start();
    let get = Command::SettingsGet { key: None };
    let one = json!([{"name": "TZ", "value": "UTC", "source": "file", "meaning": "m", "pending": true}]);
    let listed = asked(&mut owner, &["settings", "get"], get, Ok(one)).await;
    assert!(listed.stdout.contains("settings.json, after a restart"), "{listed:?}");
    // What is lost is asked about.
    let words = ["settings", "set", "MESSAGE_RETENTION_DAYS", "7", "--yes"];
    let running = tokio::spawn(ended(process(owner.home.root(), &words[..4])));
    for (command, answer) in [
        (Command::SettingsForgets { days: 7 }, json!({"count": 3})),
        (Command::SettingsGet { key: Some(words[2].to_owned()) }, json!([{"source": "file"}])),
    ] {
        let ask = owner.next().await;
        assert_eq!(ask.command, command);
        ask.reply.send(Ok(answer)).unwrap();
    }
    let refused = running.await.unwrap();
    assert!(refused.code == Some(1) && refused.stderr.contains("forget 3 texts"), "{refused:?}");
    let set = Command::SettingsSet { key: words[2].to_owned(), value: "7".to_owned() };
    assert_eq!(asked(&mut owner, &words, set, Ok(json!({"source": "file"}))).await.code, Some(0));
}

#[tokio::test]
async fn the_api_key_is_not_forgotten_unasked() {
    let mut owner = Owner::start();
    let refused = ended(process(owner.home.root(), &["kiro", "key", "remove"])).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("forget the API key"), "{refused:?}");
    let removes = Command::KiroKey { key: None };
    assert_eq!(asked(&mut owner, &["kiro", "key", "remove", "--yes"], removes, Ok(json!({}))).await.code, Some(0));
}

#[tokio::test]
async fn kiro_status_asks_the_program_itself() {
    // K1
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    let missing = ctl(home, &["kiro", "status", "--json"]).await;
    assert_eq!((missing.code, &missing.json()["host"]["state"]), (Some(0), &json!("missing")));
    let program = home.join("kiro-cli");
    for (script, state, text) in [
        (
            r#"echo '{"accountType":"BuilderId","email":"a@b.c"}'"#,
            "signed-in",
            "This computer: Signed in (Builder ID, a@b.c).\n",
        ),
        (
            "echo 'Not logged in' >&2; exit 1",
            "signed-out",
            "This computer: Signed out.\nKiro is signed out.\nSign in (`nanoclawctl kiro login`). Messages wait until then, and go on by themselves.\n",
        ),
        (
            r"printf 'error: \033[31mdispatch failure' >&2; exit 1",
            "unknown",
            "This computer: Can't tell: error:  [31mdispatch failure\n",
        ),
    ] {
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let with = |words: &[&str]| {
            let mut asking = process(home, words);
            asking.env("NANOCLAW_KIRO_CLI_PATH", &program);
            ended(asking)
        };
        let told = with(&["kiro", "status", "--json"]).await.json();
        assert_eq!((&told["mode"], &told["host"]["state"]), (&json!("shared"), &json!(state)));
        assert_eq!(told["path"], json!(program));
        assert!(told["host"]["at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(with(&["kiro", "status"]).await.stdout, text);
    }
}
