//! The control socket and the Home's lock, with a small loop of the test's own behind them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod owner;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command as Process, Stdio},
};

use nanoclaw_core::{command::Command, problem::Trouble};
use nanoclaw_host::{
    control::{self, Client, HomeLock, LONGEST_LINE},
    paths::Home,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout,
};

use owner::{Owner, SOON, status};

async fn client(owner: &Owner) -> Client {
    Client::connect(&owner.home).await.unwrap()
}

/// A client that writes and reads lines as they are.
struct Raw(BufReader<UnixStream>);

impl Raw {
    async fn connect(owner: &Owner) -> Raw {
        let stream = UnixStream::connect(owner.home.control_socket()).await.unwrap();
        Raw(BufReader::new(stream))
    }

    async fn say(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        timeout(SOON, self.0.read_line(&mut line)).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

#[tokio::test]
async fn a_command_and_its_answer() {
    let mut owner = Owner::start();
    let mut client = client(&owner).await;
    let asking = tokio::spawn(async move {
        let ok = client.ask(&Command::Logs { run: Some("r1".into()) }).await;
        let refused = client.ask(&Command::Pair { phone: None, cancel: false, yes: false }).await;
        (ok, refused)
    });
    let ask = owner.next().await;
    assert_eq!(ask.command, Command::Logs { run: Some("r1".into()) });
    ask.reply.send(Ok(json!({"path": "/x"}))).unwrap();
    owner.next().await.reply.send(Err(Trouble::AlreadyLinked)).unwrap();
    let (ok, refused) = asking.await.unwrap();
    assert_eq!(ok.unwrap(), json!({"path": "/x"}));
    let refused = refused.unwrap_err();
    assert_eq!((refused.code.as_str(), refused.message.as_str()), ("already-linked", "WhatsApp is linked already."));
    assert!(refused.cure.contains("--yes"));
}

#[tokio::test]
async fn lines_on_the_wire() {
    let mut owner = Owner::start();
    let mut raw = Raw::connect(&owner).await;
    // Two at once, answered the other way round, and a blank line between them.
    raw.say("{\"id\": \"a\", \"command\": \"pause\"}\n\n{\"id\": 7, \"command\": \"groups.list\", \"args\": null}")
        .await;
    let (pause, list) = (owner.next().await, owner.next().await);
    list.reply.send(Ok(json!([]))).unwrap();
    assert_eq!(raw.hear().await, json!({"id": 7, "ok": []}));
    pause.reply.send(Err(Trouble::LinkDown)).unwrap();
    let refused = raw.hear().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("a"), &json!("whatsapp-offline")));
    assert_eq!(refused["error"].as_object().unwrap().keys().collect::<Vec<_>>(), ["code", "cure", "message"]);
}

#[tokio::test]
async fn garbage_is_answered_and_nothing_breaks() {
    let mut owner = Owner::start();
    let mut raw = Raw::connect(&owner).await;
    for (line, id) in [
        ("hello", json!(null)),
        ("[]", json!(null)),
        ("{\"id\": 1}", json!(null)),
        ("\u{0}\u{7f}", json!(null)),
        (r#"{"id": 2, "command": "rm"}"#, json!(2)),
        (r#"{"id": 3, "command": "status", "args": {"evil": 1}}"#, json!(3)),
        (r#"{"id": 4, "command": "status", "extra": 1}"#, json!(null)),
    ] {
        raw.say(line).await;
        let answer = raw.hear().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!("bad-command")), "{line}");
    }
    raw.0.write_all(b"\xff\xfe\n").await.unwrap();
    assert_eq!(raw.hear().await["error"]["code"], "bad-command");
    raw.say(r#"{"id": 5, "command": "resume"}"#).await;
    owner.next().await.reply.send(Ok(Value::Null)).unwrap();
    assert_eq!(raw.hear().await, json!({"id": 5, "ok": null}));
}

#[tokio::test]
async fn a_line_over_the_limit_is_refused_and_the_next_one_read() {
    let mut owner = Owner::start();
    let mut raw = Raw::connect(&owner).await;
    let request = |length: usize| {
        let frame = r#"{"id":1,"command":"send","args":{"to":"1@g.us","text":""}}"#.len();
        format!(r#"{{"id":1,"command":"send","args":{{"to":"1@g.us","text":"{}"}}}}"#, "x".repeat(length - frame))
    };
    for too_long in [LONGEST_LINE + 1, LONGEST_LINE + 2, 3 * LONGEST_LINE] {
        raw.say(&request(too_long)).await;
        let answer = raw.hear().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(null), &json!("bad-command")), "{too_long}");
    }
    raw.say(&request(LONGEST_LINE)).await;
    owner.next().await.reply.send(Ok(json!({"id": "m"}))).unwrap();
    assert_eq!(raw.hear().await, json!({"id": 1, "ok": {"id": "m"}}));
}

#[tokio::test]
async fn watching_tells_the_present_and_each_change() {
    let owner = Owner::start();
    let mut watch = client(&owner).await.watch().await.unwrap();
    for n in 0..3 {
        let told = timeout(SOON, watch.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((&told["schema"], &told["whatsapp"]["queuedOut"]), (&json!(1), &json!(n)));
        owner.status.send_replace(status(n + 1));
    }
}

#[tokio::test]
async fn a_watcher_may_also_ask() {
    let mut owner = Owner::start();
    let mut raw = Raw::connect(&owner).await;
    raw.say(r#"{"command": "watch"}"#).await;
    assert_eq!(raw.hear().await["schema"], 1);
    raw.say(r#"{"id": 1, "command": "pause"}"#).await;
    owner.next().await.reply.send(Ok(Value::Null)).unwrap();
    assert_eq!(raw.hear().await, json!({"id": 1, "ok": null}));
}

#[tokio::test]
async fn a_slow_reader_gets_the_newest_and_holds_nobody_up() {
    let owner = Owner::start();
    let mut slow = client(&owner).await.watch().await.unwrap();
    assert!(slow.next().await.unwrap().is_some());
    const LAST: u64 = 20_000;
    for n in 1..=LAST {
        owner.status.send_replace(status(n));
        tokio::task::yield_now().await;
    }
    let mut quick = client(&owner).await.watch().await.unwrap();
    assert_eq!(timeout(SOON, quick.next()).await.unwrap().unwrap().unwrap()["whatsapp"]["queuedOut"], LAST);
    let mut lines = 0;
    loop {
        let told = timeout(SOON, slow.next()).await.unwrap().unwrap().unwrap();
        lines += 1;
        if told["whatsapp"]["queuedOut"] == LAST {
            break;
        }
    }
    assert!(lines < LAST / 2, "{lines} lines were kept for a reader that did not read");
}

#[tokio::test]
async fn many_clients_and_one_that_goes_away() {
    let mut owner = Owner::start();
    let mut gone = Raw::connect(&owner).await;
    gone.say(r#"{"id": 1, "command": "logout"}"#).await;
    let left_behind = owner.next().await;
    drop(gone);
    let clients = (0..100).map(|n: u64| {
        let home = owner.home.clone();
        tokio::spawn(async move {
            let mut client = Client::connect(&home).await.unwrap();
            let answer = client.ask(&Command::ContainersStop { target: n.to_string() }).await.unwrap();
            assert_eq!(answer, json!(n.to_string()));
        })
    });
    let clients: Vec<_> = clients.collect();
    for _ in 0..clients.len() {
        let ask = owner.next().await;
        let Command::ContainersStop { target } = ask.command else { panic!("{:?}", ask.command) };
        ask.reply.send(Ok(json!(target))).unwrap();
    }
    for client in clients {
        client.await.unwrap();
    }
    let _ = left_behind.reply.send(Ok(Value::Null));
}

#[tokio::test]
async fn a_client_that_went_away_leaves_no_task() {
    let owner = Owner::start();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut watchers = Vec::new();
    for _ in 0..20 {
        let mut watch = client(&owner).await.watch().await.unwrap();
        watch.next().await.unwrap();
        watchers.push(watch);
    }
    assert!(tasks() >= before + 20);
    drop(watchers);
    timeout(SOON, async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn when_the_loop_ends_clients_hear_it_and_the_socket_is_gone() {
    let mut owner = Owner::start();
    let mut watch = client(&owner).await.watch().await.unwrap();
    assert!(watch.next().await.unwrap().is_some());
    let mut quitter = client(&owner).await;
    let quitting = tokio::spawn(async move { quitter.ask(&Command::Quit { yes: true }).await });
    let mut waiter = client(&owner).await;
    let waiting = tokio::spawn(async move { waiter.ask(&Command::Chats {}).await });
    for _ in 0..2 {
        let ask = owner.next().await;
        if ask.command == (Command::Quit { yes: true }) {
            ask.reply.send(Ok(json!("bye"))).unwrap();
        }
    }
    drop(owner.commands);
    timeout(SOON, owner.serving).await.unwrap().unwrap();
    assert_eq!(quitting.await.unwrap().unwrap(), json!("bye"));
    assert_eq!(waiting.await.unwrap().unwrap_err().code, "not-running");
    assert_eq!(timeout(SOON, watch.next()).await.unwrap().unwrap(), None);
    assert!(!owner.home.control_socket().exists());
    assert_eq!(Client::connect(&owner.home).await.unwrap_err().code, "not-running");
}

#[tokio::test]
async fn the_socket_is_the_users_alone() {
    let owner = Owner::start();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(owner.home.control_socket()), 0o600);
    assert_eq!(mode(owner.home.root().to_owned()), 0o700);
    assert_eq!(mode(owner.home.lock()), 0o600);
}

#[tokio::test]
async fn a_home_with_a_long_path() {
    let place = tempfile::tempdir().unwrap();
    let mut owner = Owner::of(Home::at(place.path().join("x".repeat(100))).unwrap());
    let socket = owner.home.control_socket();
    assert!(!socket.starts_with(owner.home.root()) && socket.as_os_str().len() <= 100, "{}", socket.display());
    let folder = socket.parent().unwrap().to_owned();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(owner.home.root().join("control.path")).unwrap(), socket.to_str().unwrap());
    let mut client = client(&owner).await;
    let asking = tokio::spawn(async move { client.ask(&Command::Status {}).await });
    owner.next().await.reply.send(Ok(json!(1))).unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), json!(1));
    drop(owner.commands);
    owner.serving.await.unwrap();
    fs::remove_dir(folder).unwrap();
}

#[tokio::test]
async fn somebody_elses_folder_is_not_used_for_the_socket() {
    let place = tempfile::tempdir().unwrap();
    let home = Home::at(place.path().join("x".repeat(100))).unwrap();
    home.create().unwrap();
    let folder = home.control_socket().parent().unwrap().to_owned();
    let elsewhere = place.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    let refused = control::listen(&home, &HomeLock::take(&home).unwrap()).unwrap_err();
    fs::remove_file(&folder).unwrap();
    assert!(format!("{refused:#}").contains("somebody else"), "{refused:#}");
}

#[tokio::test]
async fn one_owner_a_home() {
    let place = tempfile::tempdir().unwrap();
    let home = Home::at(place.path()).unwrap();
    home.create().unwrap();
    // Another process, so that the system and not this process's memory decides.
    let mut holder = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_the_lock", "--ignored", "--nocapture"])
        .env("NANOCLAW_HOME", home.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = tokio::process::ChildStdout::from_std(holder.stdout.take().unwrap()).unwrap();
    let mut seen = String::new();
    while !seen.contains("held") {
        let mut bytes = [0; 1024];
        let read = timeout(SOON, said.read(&mut bytes)).await.unwrap().unwrap();
        assert_ne!(read, 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    let refused = HomeLock::take(&home).unwrap_err();
    assert_eq!(refused, Trouble::HomeInUse { home: home.root().display().to_string() });
    assert_eq!(Client::connect(&home).await.unwrap_err().code, "not-running", "a socket nobody serves");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(home.control_socket().exists(), "a kill leaves the socket behind");
    let mut owner = Owner::of(home);
    let mut client = client(&owner).await;
    let asking = tokio::spawn(async move { client.ask(&Command::Pause {}).await });
    owner.next().await.reply.send(Ok(Value::Null)).unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), Value::Null);
}

#[tokio::test]
async fn what_a_killed_owner_leaves_behind_is_waited_for() {
    // Q6: a start right after a kill.
    let place = tempfile::tempdir().unwrap();
    let home = Home::at(place.path()).unwrap();
    home.create().unwrap();
    // All that the killed one had open: its lock, and its socket, which nobody reads from any more.
    let lock = HomeLock::take(&home).unwrap();
    let left_behind = (control::listen(&home, &lock).unwrap(), lock);
    let (taken, ()) = tokio::join!(HomeLock::take_over(&home), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        drop(left_behind);
    });
    drop(taken.unwrap());
    // One that serves is alive.
    let owner = Owner::of(home.clone());
    let refused = HomeLock::take_over(&home).await.unwrap_err();
    assert_eq!(refused, Trouble::HomeInUse { home: home.root().display().to_string() });
    drop(owner);
}

/// The other process of `one_owner_a_home`: holds the lock, leaves a dead socket, and waits to be killed.
#[test]
#[ignore = "a part of one_owner_a_home"]
#[allow(clippy::print_stdout, reason = "how the other process says that it is ready")]
fn hold_the_lock() {
    let home = Home::find().unwrap();
    let _lock = HomeLock::take(&home).unwrap();
    drop(std::os::unix::net::UnixListener::bind(home.control_socket()).unwrap());
    println!("held");
    let _ = std::io::stdin().read_line(&mut String::new());
}
