//! What it asks the NanoClaw that runs, and how it tells the answers.

use jiff::Timestamp;
use nanoclaw_core::{
    chat::Jid,
    command::Command,
    group::Registration,
    kiro::{SignIn, Whoami},
    problem::Trouble,
    settings::{KiroMode, Runtime},
    status::{Facts, KiroStatus, SignInStatus},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::{
    Ended, asked, ended, mount,
    owner::{Owner, SOON, facts, status},
    process, registration,
};

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
        (
            &["groups", "set", "f", "--no-tools"],
            Command::GroupsSet {
                target: text("f"),
                trigger: None,
                requires_trigger: None,
                mounts: None,
                timeout: None,
                tools: Some(vec![]),
                default_tools: false,
            },
        ),
        (&["kiro", "remove-entry"], Command::KiroRemoveEntry {}),
        (&["groups", "remove", "family", "--yes"], Command::GroupsRemove { target: text("family") }),
        (&["groups", "move-main", "1@g.us", "--yes"], Command::GroupsMoveMain { jid: Jid::new("1@g.us") }),
        (&["tasks", "cancel", "t-1", "--yes"], Command::TasksCancel { id: text("t-1") }),
        (&["restart"], Command::Restart { yes: false }),
        (&["restart", "--yes"], Command::Restart { yes: true }),
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
async fn what_cant_be_had_back_is_not_done_without_a_yes() {
    let mut owner = Owner::start();
    let groups = json!([{"jid": "1@g.us", "folder": "family"}]);
    for (words, what, lists, known) in [
        (&["groups", "remove", "family"], "end the agent's work and the tasks for", Command::GroupsList {}, &groups),
        (&["groups", "move-main", "1@g.us"], "make 1@g.us the main chat", Command::GroupsList {}, &groups),
        (&["tasks", "cancel", "t-1"], "remove the task t-1", Command::TasksList {}, &json!([{"id": "t-1"}])),
    ] {
        let refused = asked(&mut owner, words, lists.clone(), Ok(known.clone())).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{words:?}");
        assert!(refused.stderr.contains(what) && refused.stderr.ends_with("Say --yes to do it.\n"), "{refused:?}");
        let json = [&words[..], &["--json"]].concat();
        let refused = asked(&mut owner, &json, lists.clone(), Ok(known.clone())).await;
        assert_eq!((refused.code, &refused.json()["error"]["code"]), (Some(1), &json!("needs-yes")));
        // What is not there can't be lost: nothing is asked, and why is said.
        let running = tokio::spawn(ended(process(owner.home.root(), words)));
        owner.next().await.reply.send(Ok(json!([]))).unwrap();
        let ask = owner.next().await;
        assert_ne!(ask.command, lists, "{words:?}");
        ask.reply.send(Err(Trouble::LinkDown)).unwrap();
        assert!(!running.await.unwrap().stderr.contains("--yes"));
    }
}

#[tokio::test]
async fn lists_for_people_and_for_programs() {
    let mut owner = Owner::start();
    let preview = ["tasks", "preview", "--schedule", "cron", "--value", "0 8 * * *"];
    let planned = Command::TasksPreview { schedule: "cron".to_owned(), value: "0 8 * * *".to_owned() };
    let times = json!({"zone": "UTC", "times": [{"at": "2026-05-13T08:00:00.000Z", "text": "tomorrow at 08:00"}]});
    let told = asked(&mut owner, &preview, planned, Ok(times)).await;
    assert_eq!(told.stdout, "tomorrow at 08:00\n");
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
        limit: None,
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
async fn a_key_that_is_missing_or_refused_is_told() {
    // K1, K4
    let mut owner = Owner::start();
    let seen = |state: SignIn, text: &str| {
        let whoami = Whoami { state, account: None, text: text.to_owned(), way: None };
        SignInStatus::new(whoami, Timestamp::UNIX_EPOCH)
    };
    for (runtime, has_key, container, row, told) in [
        (Runtime::Docker, false, None, "There is no API key.", "There is no API key for Kiro."),
        (
            Runtime::Docker,
            true,
            Some(seen(SignIn::SignedOut, "Signed out.")),
            "Signed out.",
            "Kiro does not take the API key.",
        ),
        // This computer's own word is of no account where containers have a key.
        (Runtime::Docker, true, None, "Not asked yet.", ""),
        (Runtime::Docker, true, Some(seen(SignIn::SignedIn, "Signed in (API key).")), "Signed in (API key).", ""),
        (Runtime::Host, true, None, "Signed out.", "Kiro does not take the API key."),
    ] {
        let host = seen(SignIn::SignedOut, "Signed out.");
        let kiro = KiroStatus { host, container, has_key, ..KiroStatus::new(KiroMode::ApiKey) };
        let checked = serde_json::to_value(&kiro).unwrap();
        let status = serde_json::to_value(Facts { runtime, kiro, ..facts() }.status(Timestamp::UNIX_EPOCH)).unwrap();
        for words in [&["kiro", "status"][..], &["kiro", "status", "--json"]] {
            let running = tokio::spawn(ended(process(owner.home.root(), words)));
            for (expect, answer) in [(Command::KiroCheck {}, &checked), (Command::Status {}, &status)] {
                let ask = owner.next().await;
                assert_eq!(ask.command, expect);
                ask.reply.send(Ok(answer.clone())).unwrap();
            }
            let ended = running.await.unwrap();
            assert!(ended.stdout.contains(told), "{told} in {}", ended.stdout);
            assert_eq!(ended.stdout.contains("kiro key set"), !told.is_empty(), "{}", ended.stdout);
        }
        let whole = asked(&mut owner, &["status"], Command::Status {}, Ok(status)).await;
        assert!(whole.stdout.contains(&format!("Kiro        {row}\n")), "{}", whole.stdout);
    }
}

#[tokio::test]
async fn a_mode_is_told_as_it_is_where_agents_run() {
    // K4
    let mut owner = Owner::start();
    for (runtime, says) in [(Runtime::Docker, "Nothing of your ~/.kiro"), (Runtime::Host, "Without containers")] {
        let kiro = KiroStatus::new(KiroMode::Own);
        let status = serde_json::to_value(Facts { runtime, kiro, ..facts() }.status(Timestamp::UNIX_EPOCH)).unwrap();
        let told = asked(&mut owner, &["kiro", "mode"], Command::Status {}, Ok(status)).await;
        assert!(told.stdout.contains(says), "{}", told.stdout);
    }
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
