//! The command line as a person or a script uses it: the built program, with files or a small owner behind it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod owner;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio, sync::Arc};

use jiff::Timestamp;
use nanoclaw_core::{
    chat::Jid,
    command::{Answer, Command},
    group::Registration,
    link::{Link, PairingCode, QrCode},
    problem::Trouble,
    status::Facts,
};
use nanoclaw_protocol::ipc::AdditionalMount;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command as Process,
    time::timeout,
};

use owner::{Owner, SOON, facts, status};

/// What a command came to.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn registration(name: &str, folder: &str) -> Registration {
    let (jid, name, folder) = (Jid::new("1@g.us"), name.to_owned(), folder.to_owned());
    let (trigger, no_trigger, mounts, timeout, tools) = (None, false, vec![], None, None);
    Registration { jid, name, folder, trigger, no_trigger, mounts, timeout, tools }
}

fn mount(host: &str, container: Option<&str>, readonly: bool) -> AdditionalMount {
    AdditionalMount {
        host_path: host.to_owned(),
        container_path: container.map(str::to_owned),
        readonly: Some(readonly),
    }
}

fn process(home: &Path, words: &[&str]) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_nanoclawctl"));
    process.args(words).env_clear().env("NANOCLAW_HOME", home).env("HOME", home).env("PATH", "/usr/bin:/bin");
    process.env("TZ", "UTC").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    process
}

async fn ctl(home: &Path, words: &[&str]) -> Ended {
    ended(process(home, words)).await
}

async fn ended(mut process: Process) -> Ended {
    let output = timeout(SOON * 2, process.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs a command that asks the owner once, who hears `expect` and says `answer`.
async fn asked(owner: &mut Owner, words: &[&str], expect: Command, answer: Answer) -> Ended {
    let running = tokio::spawn(ended(process(owner.home.root(), words)));
    let ask = owner.next().await;
    assert_eq!(ask.command, expect, "{words:?}");
    ask.reply.send(answer).unwrap();
    running.await.unwrap()
}

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

#[tokio::test]
async fn words_become_commands() {
    let mut owner = Owner::start();
    let text = String::from;
    for (words, expect) in [
        (&["pair", "--cancel"][..], Command::Pair { phone: None, cancel: true, yes: false }),
        (&["logout", "--yes"], Command::Logout { yes: true }),
        (&["quit"], Command::Quit { yes: false }),
        (&["quit", "--yes"], Command::Quit { yes: true }),
        (
            &[
                "groups",
                "register",
                "--jid",
                "1@g.us",
                "--name",
                "The Family",
                "--folder",
                "family",
                "--trigger",
                "bob",
            ],
            Command::GroupsRegister(Registration {
                trigger: Some(text("bob")),
                ..registration("The Family", "family")
            }),
        ),
        (
            &["groups", "register", "--no-trigger", "--jid", "1@g.us", "--name", "F", "--folder", "f"],
            Command::GroupsRegister(Registration { no_trigger: true, ..registration("F", "f") }),
        ),
        (
            &[
                "groups",
                "register",
                "--jid",
                "1@g.us",
                "--name",
                "F",
                "--folder",
                "f",
                "--mount",
                "~/a",
                "--mount",
                "/srv/b:c/d:rw",
                "--mount",
                "/e:f",
                "--timeout",
                "60000",
                "--tool",
                "fs_read",
                "--tool",
                "@shop/buy",
            ],
            Command::GroupsRegister(Registration {
                mounts: vec![
                    mount("~/a", None, true),
                    mount("/srv/b", Some("c/d"), false),
                    mount("/e", Some("f"), true),
                ],
                timeout: Some(60_000),
                tools: Some(vec![text("fs_read"), text("@shop/buy")]),
                ..registration("F", "f")
            }),
        ),
        (
            &["groups", "set", "f", "--mount", "~/a:ro", "--timeout", "0", "--default-tools"],
            Command::GroupsSet {
                target: text("f"),
                trigger: None,
                requires_trigger: None,
                mounts: Some(vec![mount("~/a", None, true)]),
                timeout: Some(0),
                tools: None,
                default_tools: true,
            },
        ),
        (
            &["groups", "set", "f", "--no-mounts"],
            Command::GroupsSet {
                target: text("f"),
                trigger: None,
                requires_trigger: None,
                mounts: Some(vec![]),
                timeout: None,
                tools: None,
                default_tools: false,
            },
        ),
        (&["kiro", "remove-entry"], Command::KiroRemoveEntry {}),
        (&["groups", "remove", "family"], Command::GroupsRemove { target: text("family") }),
        (&["groups", "move-main", "1@g.us"], Command::GroupsMoveMain { jid: Jid::new("1@g.us") }),
        (&["containers", "start", "family"], Command::ContainersStart { target: text("family") }),
        (&["containers", "stop", "nanoclaw-family-1"], Command::ContainersStop { target: text("nanoclaw-family-1") }),
        (&["containers", "restart", "family"], Command::ContainersRestart { target: text("family") }),
        (
            &["send", "--to", "1@g.us", "hello  there", "--any"],
            Command::Send { to: Jid::new("1@g.us"), text: text("hello  there"), any: true },
        ),
        (&["pause"], Command::Pause {}),
        (&["resume"], Command::Resume {}),
    ] {
        let done = asked(&mut owner, words, expect.clone(), Ok(json!({}))).await;
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{words:?}");
        assert_eq!(done.stdout.lines().count(), 1, "{done:?}");
        let json = [words, &["--json"]].concat();
        let done = asked(&mut owner, &json, expect, Ok(json!({"id": "x"}))).await;
        assert_eq!(done.stdout, "{\"id\":\"x\"}\n");
    }
}

#[tokio::test]
async fn a_refusal_is_one_sentence() {
    let mut owner = Owner::start();
    let expect = Command::Logout { yes: false };
    let trouble = || Err(Trouble::NeedsYes { what: "unlink NanoClaw from your phone".into() });
    let failed = asked(&mut owner, &["logout"], expect.clone(), trouble()).await;
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""));
    assert_eq!(failed.stderr, "This would unlink NanoClaw from your phone. Say --yes to do it.\n");
    let failed = asked(&mut owner, &["logout", "--json"], expect, trouble()).await;
    assert_eq!((failed.code, &failed.json()["error"]["code"]), (Some(1), &json!("needs-yes")));
}

#[tokio::test]
async fn lists_for_people_and_for_programs() {
    let mut owner = Owner::start();
    let chats = json!([
        {"jid": "1@g.us", "name": "Family \u{1b}[31m\n\u{202e}", "lastActivity": "2026-01-02T03:04:05.000Z", "isGroup": true, "isRegistered": true},
        {"jid": "2@s.whatsapp.net", "name": "Bob", "lastActivity": null, "isGroup": false, "isRegistered": false},
    ]);
    let told = asked(&mut owner, &["chats"], Command::Chats {}, Ok(chats.clone())).await;
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", told.stdout);
    assert!(!told.stdout.contains(['\u{1b}', '\u{202e}']), "{:?}", told.stdout);
    let column = lines[0].find("JID").unwrap();
    assert!(lines[1].contains("2026-01-02 03:04") && lines[1].contains("yes"), "{}", lines[1]);
    assert_eq!((&lines[1][column..], &lines[2][column..]), ("1@g.us", "2@s.whatsapp.net"));
    let told = asked(&mut owner, &["--json", "chats"], Command::Chats {}, Ok(chats.clone())).await;
    assert_eq!((told.json(), told.stdout.lines().count()), (chats, 1));

    let groups = json!([{"jid": "1@g.us", "name": "Family", "folder": "family", "trigger": null, "requiresTrigger": true, "isMain": false,
        "mounts": [{"hostPath": "~/a", "containerPath": "b", "readonly": false}, {"hostPath": "/c"}], "timeout": 60000, "tools": []}]);
    let told = asked(&mut owner, &["groups", "list"], Command::GroupsList {}, Ok(groups)).await;
    assert_eq!(
        told.stdout,
        "NAME    FOLDER  TRIGGER               JID     OF ITS OWN\n\
         Family  family  the assistant's name  1@g.us  ~/a:b:rw, /c, 60000 ms, tools: none\n"
    );
    let told = asked(&mut owner, &["containers", "list"], Command::ContainersList {}, Ok(json!([]))).await;
    assert_eq!(told.stdout, "No containers are running.\n");
    let runs = json!([{"container": "nanoclaw-family-1", "group": "family", "state": "idle", "id": "family-1",
        "memoryBytes": 38_400_000, "cpuPercent": 2.5, "mounts": [
        {"host": "/h/groups/family", "container": "/workspace/group", "readOnly": false},
        {"host": "/u/notes", "container": "/workspace/extra/notes", "readOnly": true}]}]);
    let told = asked(&mut owner, &["containers", "list"], Command::ContainersList {}, Ok(runs)).await;
    assert!(told.stdout.contains("38 MB   2 %"), "{}", told.stdout);
    let seen: Vec<_> =
        told.stdout.lines().skip(4).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expect = [
        "nanoclaw-family-1 /h/groups/family /workspace/group read and write",
        "nanoclaw-family-1 /u/notes /workspace/extra/notes read only",
    ];
    assert_eq!(seen, expect, "{}", told.stdout);
}

#[tokio::test]
async fn the_way_of_a_message() {
    let mut owner = Owner::start();
    let of = |id: Option<&str>, chat: Option<&str>| Command::ChatsTrace {
        id: id.map(str::to_owned),
        chat: chat.map(str::to_owned),
    };
    let rows = |told: &Ended| -> Vec<String> {
        told.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let step = |at: &str, step: &str, detail: Value| json!({"at": format!("2026-01-02T03:04:{at}Z"), "step": step, "detail": detail});
    let way = json!({"id": "A", "chat": "1@g.us", "sender": "2@s.whatsapp.net", "direction": "in", "state": "failed", "steps": [
        step("05.006", "received", Value::Null),
        step("06.000", "failed", json!("it broke\n\u{1b}[31m")),
    ]});
    let told = asked(&mut owner, &["chats", "trace", "A"], of(Some("A"), None), Ok(way.clone())).await;
    assert!(!told.stdout.contains('\u{1b}'), "{told:?}");
    let expect = ["TIME STEP", "2026-01-02T03:04:05.006Z received", "2026-01-02T03:04:06.000Z failed it broke [31m"];
    assert_eq!(rows(&told), expect);
    let told = asked(&mut owner, &["--json", "chats", "trace", "A"], of(Some("A"), None), Ok(way.clone())).await;
    assert_eq!(told.json(), way);
    let forgotten = asked(&mut owner, &["chats", "trace", "A"], of(Some("A"), None), Ok(json!({"steps": []}))).await;
    assert_eq!(forgotten.stdout, "Its way is forgotten: it was too long ago.\n");

    let newest = json!([{"id": "3EB0", "direction": "out", "at": "2026-01-02T03:04:05.000Z", "state": "sent"}]);
    let words = ["chats", "trace", "--chat", "main"];
    let told = asked(&mut owner, &words, of(None, Some("main")), Ok(newest)).await;
    assert_eq!(rows(&told), ["TIME STATE ID", "2026-01-02 03:04 out sent 3EB0"]);
    let told = asked(&mut owner, &words, of(None, Some("main")), Ok(json!([]))).await;
    assert_eq!(told.stdout, "No messages of this chat are known.\n");
    let unknown = Err(Trouble::UnknownMessage { id: "B".into() });
    let told = asked(&mut owner, &["chats", "trace", "B"], of(Some("B"), None), unknown).await;
    assert_eq!((told.code, told.stdout.as_str(), told.stderr.lines().count()), (Some(1), "", 1), "{told:?}");
}

#[tokio::test]
async fn the_status_once_and_as_it_changes() {
    let mut owner = Owner::start();
    let now = serde_json::to_value(&*status(3)).unwrap();
    let told = asked(&mut owner, &["status"], Command::Status {}, Ok(now.clone())).await;
    for part in
        ["Docker is not running.\n", "WhatsApp    WhatsApp is starting.\n", "Unsent      3\n", "kiro-cli was not found"]
    {
        assert!(told.stdout.contains(part), "{part} in {}", told.stdout);
    }
    assert_eq!(asked(&mut owner, &["status", "--json"], Command::Status {}, Ok(now.clone())).await.json(), now);

    let mut watching = process(owner.home.root(), &["status", "--watch", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    for n in 0..3 {
        let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["whatsapp"]["queuedOut"], n);
        owner.status.send_replace(status(n + 1));
    }
    drop(owner.commands);
    owner.serving.await.unwrap();
    assert_eq!(timeout(SOON, watching.wait()).await.unwrap().unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_no_failure() {
    let mut owner = Owner::start();
    let chats: Vec<Value> = (0..5_000).map(|n| json!({"jid": format!("{n}@g.us"), "name": "x".repeat(50)})).collect();
    for words in [&["chats"][..], &["chats", "--json"]] {
        let mut running = process(owner.home.root(), words).spawn().unwrap();
        drop(running.stdout.take());
        owner.next().await.reply.send(Ok(json!(chats))).unwrap();
        let ended = timeout(SOON, running.wait_with_output()).await.unwrap().unwrap();
        assert_eq!((ended.status.code(), ended.stderr), (Some(0), Vec::new()), "{words:?}");
    }
}

#[tokio::test]
async fn linking_shows_the_codes_until_the_phone_has_one() {
    // W1, W2, W4
    let mut owner = Owner::start();
    let connected = Link::Connected { jid: "1@s.whatsapp.net".into(), push_name: "Alice".into() };
    let link = |link: Link| Arc::new(Facts { link, ..facts() }.status(Timestamp::UNIX_EPOCH));
    let at = Timestamp::UNIX_EPOCH;
    let qr = |data: &str| QrCode { data: data.into(), svg: "<svg/>".into(), expires_at: at };
    owner.status.send_replace(link(connected.clone()));
    let mut pairing = process(owner.home.root(), &["pair", "--yes"]).spawn().unwrap();
    let ask = owner.next().await;
    assert_eq!(ask.command, Command::Pair { phone: None, cancel: false, yes: true });
    ask.reply.send(Ok(json!({}))).unwrap();
    let mut lines = BufReader::new(pairing.stdout.take().unwrap()).lines();
    let mut until = async |part: &str| {
        let mut seen = String::new();
        while !seen.contains(part) {
            seen += &timeout(SOON, lines.next_line())
                .await
                .unwrap()
                .unwrap()
                .unwrap_or_else(|| panic!("no {part} in {seen}"));
        }
        seen
    };
    owner.status.send_replace(link(Link::Pairing { qr: Some(qr("2@one")), code: None }));
    let first = until("good until 00:00:00").await;
    owner.status.send_replace(link(Link::Pairing { qr: Some(qr("2@two")), code: None }));
    let second = until("good until 00:00:00").await;
    assert!(first.contains('█') && first != second);
    owner.status.send_replace(link(Link::Connecting));
    owner.status.send_replace(link(connected));
    until("Connected to WhatsApp.").await;
    assert_eq!(timeout(SOON, pairing.wait()).await.unwrap().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_code_to_type_needs_no_picture() {
    // W2
    let mut owner = Owner::start();
    let phone = || Some("+1 555 0001111".to_owned());
    let mut pairing = process(owner.home.root(), &["pair", "--phone", "+1 555 0001111"]).spawn().unwrap();
    let ask = owner.next().await;
    assert_eq!(ask.command, Command::Pair { phone: phone(), cancel: false, yes: false });
    ask.reply.send(Ok(json!({}))).unwrap();
    let mut lines = BufReader::new(pairing.stdout.take().unwrap()).lines();
    let at = Timestamp::UNIX_EPOCH;
    let qr = Some(QrCode { data: "2@one".into(), svg: "<svg/>".into(), expires_at: at });
    let code = |code: &str| Some(PairingCode { code: code.into(), phone: "+15550001111".into(), expires_at: at });
    let mut told = async |status: Facts, part: &str| {
        owner.status.send_replace(Arc::new(status.status(at)));
        let mut seen = String::new();
        while !seen.contains(part) {
            seen += &timeout(SOON, lines.next_line()).await.unwrap().unwrap().unwrap();
        }
        assert!(!seen.contains('█'), "{seen}");
        seen
    };
    let pairing = |code| Facts { link: Link::Pairing { qr: qr.clone(), code }, ..facts() };
    let first = told(pairing(code("ABCD1234")), "good until 00:00:00").await;
    assert!(first.contains("ABCD-1234") && first.contains("+15550001111"), "{first}");
    assert!(told(pairing(code("WXYZ5678")), "good until").await.contains("WXYZ-5678"));
}

#[tokio::test]
async fn used_up_codes_end_the_linking() {
    // W1
    let mut owner = Owner::start();
    let used_up = Facts { link: Link::Pairing { qr: None, code: None }, ..facts() };
    let qr = QrCode { data: "2@one".into(), svg: String::new(), expires_at: Timestamp::UNIX_EPOCH };
    let fresh = Facts { link: Link::Pairing { qr: Some(qr), code: None }, ..facts() };
    owner.status.send_replace(Arc::new(fresh.status(Timestamp::UNIX_EPOCH)));
    let mut pairing = process(owner.home.root(), &["pair"]).spawn().unwrap();
    owner.next().await.reply.send(Ok(json!({}))).unwrap();
    let mut lines = BufReader::new(pairing.stdout.take().unwrap()).lines();
    assert!(timeout(SOON, lines.next_line()).await.unwrap().unwrap().is_some());
    owner.status.send_replace(Arc::new(used_up.status(Timestamp::UNIX_EPOCH)));
    while timeout(SOON, lines.next_line()).await.unwrap().unwrap().is_some() {}
    let ended = timeout(SOON, pairing.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8(ended.stderr).unwrap().starts_with("The codes are used up."));
}

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
    let mut overridden = process(home, &["settings", "set", "ASSISTANT_NAME", "Cleo"]);
    overridden.env("NANOCLAW_ASSISTANT_NAME", "Dora");
    assert!(ended(overridden).await.stdout.contains("Dora"));
    fs::write(home.join("settings.json"), "{").unwrap();
    let refused = ctl(home, &["settings", "get"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.starts_with("settings.json can't be read"), "{}", refused.stderr);
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
            "This computer: Signed out.\nSign in (`nanoclawctl kiro login`). Messages wait until then, and go on by themselves.\n",
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
