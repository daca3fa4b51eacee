//! How the sign-in is kept: tokens that rotate, and the ways in which they get lost (facts of kiro-cli).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may stop at the first surprise

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

fn home(tokens: Value) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".kiro")).unwrap();
    play(home.path(), tokens);
    home
}

fn play(home: &Path, tokens: Value) {
    let script = json!({"auth": {"state": "stored", "tokens": tokens}, "login": {"afterMs": 0}});
    fs::write(home.join(".kiro/fake-kiro.json"), script.to_string()).unwrap();
}

fn start(home: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiro-cli"));
    command.args(arguments).env_clear().env("HOME", home).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn succeeds(home: &Path, arguments: &[&str]) -> bool {
    start(home, arguments).wait().unwrap().success()
}

const LOGIN: [&str; 2] = ["login", "--use-device-flow"];

fn store(home: &Path) -> std::path::PathBuf {
    let data = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    home.join(data).join("kiro-cli/data.sqlite3")
}

#[test]
fn kept_in_the_data_folder() {
    let home = home(json!({}));
    assert!(!succeeds(home.path(), &["whoami"]));
    assert!(succeeds(home.path(), &LOGIN));
    assert!(!succeeds(home.path(), &LOGIN), "already logged in");
    assert!(succeeds(home.path(), &["whoami"]) && store(home.path()).exists());
    assert!(succeeds(home.path(), &["logout"]) && succeeds(home.path(), &["logout"]));
    assert!(!succeeds(home.path(), &["whoami"]));
}

#[test]
fn a_race_on_the_refresh_token() {
    for (older_client, signed_in) in [(false, true), (true, false)] {
        let home = home(json!({"liveMs": 0}));
        assert!(succeeds(home.path(), &LOGIN));
        assert!(succeeds(home.path(), &["whoami"]), "one alone refreshes it");
        let tokens = |live_ms| json!({"liveMs": live_ms, "refreshMs": 1000, "olderClient": older_client});
        play(home.path(), tokens(60_000));
        let both = [0, 1].map(|_| start(home.path(), &["whoami"])).map(|mut client| client.wait().unwrap().success());
        assert_eq!(both.iter().filter(|won| **won).count(), if signed_in { 2 } else { 1 });
        assert_eq!(succeeds(home.path(), &["whoami"]), signed_in);
    }
}

#[cfg(unix)]
#[test]
fn killed_in_the_midst_of_a_write() {
    for (signal, signed_in) in [("-TERM", true), ("-KILL", false)] {
        let home = home(json!({"liveMs": 0}));
        assert!(succeeds(home.path(), &LOGIN));
        play(home.path(), json!({"liveMs": 60_000, "writeMs": 1000}));
        let mut client = start(home.path(), &["whoami"]);
        let begun = Instant::now();
        while fs::metadata(store(home.path())).unwrap().len() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(Command::new("kill").args([signal, &client.id().to_string()]).status().unwrap().success());
        client.wait().unwrap();
        assert_eq!(succeeds(home.path(), &["whoami"]), signed_in, "{signal}");
    }
}
