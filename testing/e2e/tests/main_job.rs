//! The main job, end to end on real parts: a contact's message → a container → kiro-cli → the reply, and what a person is
//! told meanwhile.

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::{PATIENCE, Phone, Scene};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::Instant;

const FAMILY: &str = "120363000000000001@g.us";

async fn people(scene: &Scene) -> Result<(Phone, Phone)> {
    Ok((scene.phone("4915110000001", "Owner").await?, scene.phone("4915110000002", "Alice").await?))
}

fn mounts(inspected: &Value, home: &str, user: &str) -> Vec<String> {
    let mut mounts: Vec<String> = inspected["HostConfig"]["Mounts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|mount| {
            let host = mount["Source"].as_str().unwrap_or_default().replace(home, "HOME").replace(user, "USER");
            let access = if mount["ReadOnly"].as_bool().unwrap_or_default() { "ro" } else { "rw" };
            format!("{host} {} {access}", mount["Target"].as_str().unwrap_or_default())
        })
        .collect();
    mounts.sort();
    mounts
}

#[tokio::test]
async fn a_message_is_answered_from_a_container() -> Result<()> {
    let mut scene = Scene::begin("main_job").await?;
    scene.set("IDLE_TIMEOUT", "10000");
    let (owner, alice) = people(&scene).await?;

    // W1: a fresh Home shows a QR; scanned, it connects.
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;

    // R1, R2: a container with the seed's mounts; M8, M10: the reply under the assistant's name, after "composing".
    alice.writes_to(&owner, "hello").await?;
    let up = scene.containers.until("one runs", |all| all.iter().any(|one| one.is_running())).await?;
    assert!(up[0].name.starts_with("nanoclaw-main-"), "{}", up[0].name);
    assert_eq!(up[0].group(), "main");
    let inspected = scene.containers.inspect(&up[0].name).await?;
    let (home, user) = (scene.home().canonicalize()?, scene.user().canonicalize()?);
    assert_eq!(
        mounts(&inspected, &home.to_string_lossy(), &user.to_string_lossy()),
        [
            "HOME/groups/extra /workspace/extra rw",
            "HOME/groups/global /workspace/global rw",
            "HOME/groups/main /workspace/group rw",
            "HOME/ipc/main /workspace/ipc rw",
            "USER/.aws /home/node/.aws rw",
            "USER/.kiro /home/node/.kiro rw",
            "USER/.local/share/kiro-cli /home/node/.local/share/kiro-cli rw",
        ]
    );
    alice.sees("composing").await?;
    alice.hears("Andy: echo: hello").await?;
    let listed = scene.ctl(&["containers", "list"]).await?;
    assert_eq!(listed[0]["container"], up[0].name.as_str());
    assert_eq!((&listed[0]["kind"], &listed[0]["chat"]), (&json!("messages"), &json!(alice.jid())));

    // Q5: a follow-up goes into the same container.
    alice.writes_to(&owner, "and now?").await?;
    alice.hears("Andy: echo: and now?").await?;
    let now = scene.containers.list().await?;
    assert_eq!(now.iter().map(|one| &one.id).collect::<Vec<_>>(), [&up[0].id]);

    // M5: one prompt a turn, with its sender, time and zone.
    let prompts = scene.kiro().prompts();
    assert!(
        prompts.contains("<messages timezone=\\\"UTC\\\">") || prompts.contains("<messages timezone=\"UTC\">"),
        "{prompts}"
    );
    assert!(prompts.contains("Alice"), "{prompts}");

    // R5: idle, the run ends by itself.
    scene.containers.until("none is left", <[_]>::is_empty).await?;
    scene.until("the status has no run", |status| status["runs"] == json!([])).await?;

    // W3, M12, C3: off and on again; what came meanwhile is answered once.
    scene.quit().await?;
    alice.writes_to(&owner, "are you there?").await?;
    scene.start().await?;
    let status = scene.until("it is connected", |status| status["whatsapp"]["state"] == "connected").await?;
    assert_eq!(status["whatsapp"]["qr"], Value::Null);
    alice.hears("Andy: echo: are you there?").await?;
    scene.containers.until("none is left", <[_]>::is_empty).await?;
    assert_eq!(
        alice.texts().await?,
        ["Andy: echo: hello", "Andy: echo: and now?", "Andy: echo: are you there?"],
        "each once, in order"
    );

    // T7: the healthy signs, word for word.
    let log = scene.log();
    for sign in [
        "Connected to WhatsApp",
        "Scheduler loop started",
        "Spawning agent process runtime: \"docker\"",
        "Message sent",
    ] {
        assert!(log.contains(sign), "{sign}:\n{log}");
    }
    scene.end().await
}

#[tokio::test]
async fn the_image_asks_kiro_as_people_type_it() -> Result<()> {
    // R1
    let scene = Scene::begin("seed_command").await?;
    let user = scene.user();
    let image = std::env::var("NANOCLAW_TEST_IMAGE")?;
    let mounts = [(".kiro", ".kiro"), (".local/share/kiro-cli", ".local/share/kiro-cli"), (".aws", ".aws")];
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm"]);
    for (host, container) in mounts {
        docker.arg("-v").arg(format!("{}:/home/node/{container}", user.join(host).display()));
    }
    let output = docker.args(["--entrypoint", "/usr/local/bin/kiro-cli", &image, "whoami"]).output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.starts_with("Logged in with"), "{output:?}");
    scene.end().await
}

#[tokio::test]
async fn who_is_registered_by_number_is_answered_when_whatsapp_names_the_lid_alone() -> Result<()> {
    // M9
    let mut scene = Scene::begin("lid_alone").await?;
    let (owner, alice) = people(&scene).await?;
    let bob = scene.phone("4915110000003", "Bob").await?;
    scene.start_linked_to(&owner).await?;
    scene.whatsapp.fault(&owner, "hide-number", json!({"times": 4})).await?;
    for person in [&alice, &bob] {
        person.writes_to(&owner, "hello").await?;
        let lid = json!({"jid": format!("9{}@lid", person.pn), "name": person.name, "isRegistered": false});
        until_met(&scene, &lid).await?;
    }
    // Alice is registered while the link is connected, and Bob while it is not.
    let known = |person: &Phone| json!({"jid": person.jid(), "name": person.name, "isRegistered": true});
    scene.register(&alice.jid(), "Alice", "main").await?;
    until_met(&scene, &known(&alice)).await?;
    scene.whatsapp.fault(&owner, "fail-login", json!({"code": 503, "times": 1000})).await?;
    scene.whatsapp.drop_connection(&owner).await?;
    scene.until("it is offline", |status| status["whatsapp"]["state"] == "offline").await?;
    scene.register(&bob.jid(), "Bob", "bob").await?;
    scene.whatsapp.fault(&owner, "fail-login", json!({"code": 503, "times": 0})).await?;
    scene.ctl(&["whatsapp", "reconnect"]).await?;
    until_met(&scene, &known(&bob)).await?;
    for (person, text) in [(&alice, "are you there?"), (&bob, "@Andy and for me?")] {
        person.writes_to(&owner, text).await?;
        person.hears(&format!("Andy: echo: {text}")).await?;
    }
    scene.end().await
}

/// Waits until a person has one chat, and this one.
async fn until_met(scene: &Scene, expect: &Value) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let chats = scene.ctl(&["chats"]).await?;
        let of = |chat: &&Value| chat["name"] == expect["name"];
        let met: Vec<Value> = chats
            .as_array()
            .into_iter()
            .flatten()
            .filter(of)
            .map(|chat| json!({"jid": chat["jid"], "name": chat["name"], "isRegistered": chat["isRegistered"]}))
            .collect();
        if met == [expect.clone()] {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not {expect}: {chats:#}");
    }
}

#[tokio::test]
async fn in_a_group_untriggered_messages_are_context() -> Result<()> {
    // M1, M3, M4
    let mut scene = Scene::begin("group_context").await?;
    let (owner, alice) = people(&scene).await?;
    scene.whatsapp.group(FAMILY, "Family", &[&owner, &alice]).await?;
    scene.kiro().plays(&json!({"turns": [
        {"match": "(?s)we need milk.*and bread.*@andy", "parts": ["Milk ", "and bread."]},
        {"match": "", "parts": ["<internal>no context</internal>What?"]}
    ]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(FAMILY, "Family", "family").await?;
    for text in ["we need milk", "and bread", "@andy what do we need?"] {
        alice.writes_in(FAMILY, text).await?;
    }
    alice.hears("Andy: Milk and bread.").await?;
    // M6, Q5: the next turn has only what is new, and nothing internal goes out.
    alice.writes_in(FAMILY, "@Andy and else?").await?;
    alice.hears("Andy: What?").await?;
    // M3: nothing else wakes it, and goes along with what does.
    alice.writes_in(FAMILY, "Andy, not you").await?;
    alice.writes_in(FAMILY, "@andy but you").await?;
    alice.hears("Andy: What?").await?;
    assert_eq!(alice.texts().await?, ["Andy: Milk and bread.", "Andy: What?", "Andy: What?"]);
    let chats = scene.ctl(&["chats"]).await?;
    let family = chats.as_array().and_then(|all| all.iter().find(|chat| chat["jid"] == FAMILY)).context("no family")?;
    assert_eq!((&family["isGroup"], &family["isRegistered"]), (&json!(true), &json!(true)));
    // What it takes of the computer is measured for those who look.
    let deadline = Instant::now() + PATIENCE;
    let runs = loop {
        let runs = scene.ctl(&["containers", "list"]).await?;
        // A busy engine takes its time to look.
        if runs[0]["cpuPercent"].is_number() || Instant::now() > deadline {
            break runs;
        }
    };
    assert!(runs[0]["memoryBytes"].as_u64().is_some_and(|bytes| bytes > 100_000), "{runs}");
    assert!(runs[0]["cpuPercent"].as_f64().is_some_and(|percent| (0.0..1000.0).contains(&percent)), "{runs}");
    // R2: another group than main sees less.
    let access: Vec<_> = runs[0]["mounts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|m| (m["container"].clone(), m["readOnly"].clone()))
        .collect();
    assert!(access.contains(&(json!("/home/node/.kiro"), json!(true))), "{access:?}");
    assert!(access.iter().all(|(container, _)| container != "/home/node/.aws"), "{access:?}");
    scene.end().await
}

#[tokio::test]
async fn a_kill_loses_nothing_and_answers_nothing_twice() -> Result<()> {
    // C1, C3, M12, M13
    let mut scene = Scene::begin("kills").await?;
    let (owner, alice) = people(&scene).await?;
    scene.kiro().plays(&json!({"turns": [{"match": "slow", "delayMs": 3000, "parts": ["slow answer"]}]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;

    // While Kiro thinks.
    alice.writes_to(&owner, "slow one").await?;
    scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
    scene.kill().await?;
    alice.writes_to(&owner, "meanwhile").await?;
    scene.start().await?;
    alice.hears("Andy: slow answer").await?;

    // Right after an answer: it must not come again.
    alice.writes_to(&owner, "quick one").await?;
    alice.hears("Andy: echo: quick one").await?;
    scene.kill().await?;
    scene.start().await?;
    scene.until_connected().await?;
    alice.writes_to(&owner, "last one").await?;
    alice.hears("Andy: echo: last one").await?;
    // "meanwhile" goes with the slow one, whose answer is for both then, or follows it.
    let mut texts = alice.texts().await?;
    if texts.get(1).is_some_and(|text| text == "Andy: echo: meanwhile") {
        texts.remove(1);
    }
    assert_eq!(texts, ["Andy: slow answer", "Andy: echo: quick one", "Andy: echo: last one"]);
    scene.end().await
}

#[tokio::test]
async fn without_a_network_answers_wait_in_the_outbox() -> Result<()> {
    // M13, T7
    let mut scene = Scene::begin("outbox").await?;
    let (owner, alice) = people(&scene).await?;
    scene.kiro().plays(&json!({"turns": [{"match": "", "delayMs": 5000, "parts": ["late answer"]}]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "question").await?;
    let status = scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
    let run = status["runs"][0]["id"].as_str().context("no run")?.to_owned();
    scene.whatsapp.fault(&owner, "fail-login", json!({"code": 503, "times": 3})).await?;
    scene.whatsapp.drop_connection(&owner).await?;
    scene.until("the answer waits", |status| status["whatsapp"]["queuedOut"] == 1).await?;
    alice.hears("Andy: late answer").await?;
    scene.until("nothing waits", |status| status["whatsapp"]["queuedOut"] == 0).await?;
    assert_eq!(alice.texts().await?, ["Andy: late answer"]);
    // R7: the run has left a log, and it is found by its name.
    scene.ctl(&["containers", "stop", "main"]).await?;
    scene.containers.until("none is left", <[_]>::is_empty).await?;
    scene.until("the run is over", |status| status["runs"] == json!([])).await?;
    let (code, stdout, stderr) = scene.ctl_raw(&["logs", "--run", &run]).await?;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("main"), "{stdout}");
    let runs = scene.ctl(&["logs", "--runs", "--chat", "main"]).await?;
    assert_eq!((&runs[0]["run"], &runs[0]["atWork"]), (&json!(run), &json!(false)), "{runs}");
    let found = scene.ctl(&["logs", "--run", &run, "--text", "EXIT CODE"]).await?;
    assert_eq!(found["lines"].as_array().map(Vec::len), Some(1), "{found}");
    // T4, T7: the one log tells of it, of its chat alone.
    let found = scene.ctl(&["logs", "--chat", &alice.jid(), "--level", "info", "--text", "spawning"]).await?;
    assert!(found["lines"].to_string().contains(&run), "{found}");
    scene.end().await
}

#[tokio::test]
async fn a_long_answer_comes_whole_in_parts() -> Result<()> {
    // C4, M13: WhatsApp takes 65,536 characters at once.
    let mut scene = Scene::begin("long_answer").await?;
    let (owner, alice) = people(&scene).await?;
    let answer = "word ".repeat(20_000) + "end";
    scene.kiro().plays(&json!({"turns": [{"match": "", "parts": [answer]}]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "tell me all").await?;
    alice.hears_of("end").await?;
    let texts = alice.texts().await?;
    let heard: Vec<&str> = texts.iter().filter_map(|text| text.strip_prefix("Andy: ")).collect();
    assert_eq!((heard.len(), heard.concat() == answer), (2, true));
    scene.end().await
}
