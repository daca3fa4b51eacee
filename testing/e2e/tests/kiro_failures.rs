//! Kiro fails, each time in a real container: the chat gets the right sentence, the status the right problem and cure, and all
//! goes on without a restart when Kiro does.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use nanoclaw_e2e::{Phone, Scene};
use serde_json::{Value, json};

/// Five waits of 155 s in all, six runs, and a busy machine.
const ALL_RETRIES: Duration = Duration::from_secs(300);

/// Chat, what Kiro does, problem's code, sentence, whether it is given up at once, the headline's level.
const CASES: [(&str, &str, &str, &str, &str, bool, &str); 6] = [
    (
        "model",
        "error",
        "Invalid model ID: x",
        "kiro-model",
        "Kiro can't use the model. Check the setting KIRO_MODEL.",
        true,
        "needs-you",
    ),
    (
        "quota",
        "error",
        "ThrottlingException: Rate exceeded",
        "kiro-limit",
        "Kiro's limit is used up. Wait, or raise the limit.",
        false,
        "offline",
    ),
    (
        "network",
        "stderr",
        "error: dispatch failure: dns error",
        "kiro-unreachable",
        "Kiro can't be reached. Check the computer's network.",
        false,
        "offline",
    ),
    (
        "server",
        "stderr",
        "error: MCP server shop failed to start",
        "kiro-mcp",
        "one of Kiro's tools did not start. Check the agent's MCP servers.",
        false,
        "needs-you",
    ),
    (
        "disk",
        "stderr",
        "error: No space left on device (os error 28)",
        "agent-disk-full",
        "the disk is full. Make room on it.",
        false,
        "needs-you",
    ),
    // Nobody knows why: it stands in the problems alone.
    ("crash", "stderr", "out of luck", "run-failed", "the agent failed. The log of its run says more.", false, ""),
];

fn problem<'a>(status: &'a Value, code: &str) -> Option<&'a Value> {
    status["problems"].as_array()?.iter().find(|problem| problem["code"] == code)
}

/// A turn for fake-kiro to play.
fn fails(word: &str, how: &str, text: &str) -> Value {
    let mut turn = json!({"match": format!("@Andy {word}"), "parts": []});
    turn[how] = json!(text);
    if how == "stderr" {
        turn["exit"] = json!(1);
    }
    turn
}

/// What the chat is told in the end.
fn given_up_with(sentence: &str) -> String {
    format!("Andy: I could not answer: {sentence} Your messages are kept; write again to have me try once more.")
}

/// A person whose chat is registered; the first has the main chat.
async fn person(scene: &Scene, number: u64, folder: &str) -> Result<Phone> {
    let phone = scene.phone(&format!("49151100000{number:02}"), folder).await?;
    scene.register(&phone.jid(), folder, folder).await?;
    Ok(phone)
}

/// Nothing is wrong with Kiro, and nothing waits for it.
fn is_well(status: &Value) -> bool {
    let wrong = |problem: &Value| {
        let code = problem["code"].as_str().unwrap_or_default();
        code.starts_with("kiro-") || code.starts_with("agent-") || code == "run-failed"
    };
    status["kiro"]["parked"] == 0 && !status["problems"].as_array().into_iter().flatten().any(wrong)
}

/// In a terminal of the person's.
async fn sign_in(scene: &Scene) -> Result<()> {
    let output = scene.program("kiro-cli")?.args(["login", "--use-device-flow"]).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Another chat's answer shows that Kiro is signed in. Its run is started by hand, since messages alone start none now.
async fn kiro_works_for(scene: &Scene, other: &Phone, owner: &Phone) -> Result<()> {
    scene.ctl(&["containers", "start", &other.name]).await?;
    other.writes_to(owner, "@Andy are you there").await?;
    other.hears("Andy: echo: @Andy are you there").await?;
    Ok(())
}

#[tokio::test]
async fn each_failure_is_said_with_its_cure_and_heals() -> Result<()> {
    // C4, Q4, A5
    let mut scene = Scene::begin("kiro_failures").await?;
    let owner = scene.phone("4915110000099", "Owner").await?;
    scene.set("MAX_CONCURRENT_CONTAINERS", "8");
    scene.start_linked_to(&owner).await?;
    let mut people = Vec::new();
    for (number, (word, how, text, code, sentence, given_up, level)) in CASES.into_iter().enumerate() {
        scene.kiro().plays(&json!({"turns": [fails(word, how, text)]}))?;
        let person = person(&scene, number as u64, word).await?;
        person.writes_to(&owner, &format!("@Andy {word}")).await?;
        let status = scene.until(code, |status| problem(status, code).is_some()).await?;
        let said = problem(&status, code).context("no problem")?;
        assert_eq!(said["text"], format!("The agent could not answer in {word}: {sentence}"));
        let (headline, wrong) = (&status["headline"], sentence.split_inclusive('.').next().unwrap_or_default());
        if level.is_empty() {
            assert!(headline["level"] == "ready" || headline["level"] == "working", "{headline}");
        } else {
            assert_eq!(headline["level"], level, "{headline}");
            assert_eq!(headline["text"].as_str().map(str::to_lowercase), Some(wrong.to_lowercase()));
        }
        if given_up {
            person.hears(&given_up_with(sentence)).await?;
        }
        scene.kiro().plays(&json!({}))?;
        if given_up {
            person.writes_to(&owner, &format!("@Andy {word}")).await?;
        }
        person.hears(&format!("Andy: echo: @Andy {word}")).await?;
        scene.until("all is well", is_well).await?;
        people.push(person);
    }

    // An agent that is not there and a kiro-cli that knows nothing are every chat's.
    let (person, bare) = (&people[0], json!({"acp": false, "streamJson": false, "noInteractive": false}));
    for (script, code, sentence, offer) in [
        (
            json!({"agents": []}),
            "kiro-agent",
            "Kiro can't use its agent configuration. Check KIRO_AGENT_NAME and ~/.kiro/agents.",
            Value::Null,
        ),
        (
            json!({"capabilities": bare}),
            "agent-with-old-kiro",
            "the kiro-cli in the agent's image is too old. Build the image again with a newer one.",
            json!("image.build"),
        ),
    ] {
        scene.ctl(&["containers", "stop", "model"]).await.ok();
        scene.until("its run has ended", |status| !status["runs"].to_string().contains("\"model\"")).await?;
        scene.kiro().plays(&script)?;
        person.writes_to(&owner, "@Andy again").await?;
        let status = scene.until(code, |status| problem(status, code).is_some()).await?;
        let said = problem(&status, code).context("no problem")?;
        assert_eq!(said["command"]["command"], offer, "{said}");
        assert_eq!(status["headline"]["level"], "needs-you");
        person.hears(&given_up_with(sentence)).await?;
        scene.kiro().plays(&json!({}))?;
        person.writes_to(&owner, "@Andy again").await?;
        person.hears("Andy: echo: @Andy again").await?;
        scene.until("all is well", is_well).await?;
    }
    scene.end().await
}

#[tokio::test]
async fn what_is_tried_in_vain_ends_with_its_cause_in_the_chat() -> Result<()> {
    // C4, Q4
    let mut scene = Scene::begin("kiro_in_vain").await?;
    let owner = scene.phone("4915110000099", "Owner").await?;
    scene.set("MAX_CONCURRENT_CONTAINERS", "8");
    let turns: Vec<_> = CASES.into_iter().map(|(word, how, text, ..)| fails(word, how, text)).collect();
    scene.kiro().plays(&json!({"turns": turns}))?;
    scene.start_linked_to(&owner).await?;
    let mut people = Vec::new();
    for (number, (word, ..)) in CASES.into_iter().enumerate() {
        let person = person(&scene, number as u64, word).await?;
        person.writes_to(&owner, &format!("@Andy {word}")).await?;
        people.push(person);
    }
    for (person, (_, _, _, _, sentence, ..)) in people.iter().zip(CASES) {
        person.hears_within(ALL_RETRIES, &given_up_with(sentence)).await?;
    }
    scene.until("nothing is tried any more", |status| status["queue"] == json!([])).await?;
    scene.kiro().plays(&json!({}))?;
    for (person, (word, ..)) in people.iter().zip(CASES) {
        person.writes_to(&owner, &format!("@Andy {word}")).await?;
        person.hears(&format!("Andy: echo: @Andy {word}")).await?;
    }
    scene.until("all is well", is_well).await?;
    scene.end().await
}

#[tokio::test]
async fn signed_out_messages_wait_are_said_once_and_go_on() -> Result<()> {
    // K3, A5
    let mut scene = Scene::begin("kiro_signed_out").await?;
    let owner = scene.phone("4915110000099", "Owner").await?;
    scene.start_linked_to(&owner).await?;
    let (alice, bob) = (person(&scene, 1, "main").await?, person(&scene, 2, "bob").await?);
    scene.until("Kiro was asked", |status| !status["kiro"]["host"]["at"].is_null()).await?;
    let mut heard = Vec::new();
    for (state, sentence) in [
        ("signed-out", "Kiro is signed out."),
        ("expired", "Kiro's sign-in has expired."),
        ("browser", "Kiro is signed out and found no browser."),
    ] {
        scene.kiro().plays(&json!({"auth": {"state": state}}))?;
        alice.writes_to(&owner, state).await?;
        let waits = format!(
            "Andy: I can't answer now: {sentence} Sign in on the computer that I run on. Your messages wait until then."
        );
        alice.hears(&waits).await?;
        let status = scene.until("it waits", |status| status["kiro"]["parked"] == 1).await?;
        assert_eq!(status["headline"], json!({"level": "needs-you", "text": "Kiro is signed out."}));
        assert_eq!(problem(&status, "kiro-signed-out").context("no problem")?["command"]["command"], "kiro.login");
        assert_eq!((&status["queue"][0]["parked"], &status["queue"][0]["retryAt"]), (&json!(true), &Value::Null));
        if state == "signed-out" {
            // What comes next waits too, a task as well, and a restart changes nothing of it.
            alice.writes_to(&owner, "more").await?;
            let soon = (Timestamp::now() + SignedDuration::from_secs(6)).strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let plan = ["tasks", "add", "--group", "main", "--prompt", "water", "--schedule", "once", "--value", &soon];
            scene.ctl(&plan).await?;
            scene.until("all three wait", |status| status["kiro"]["parked"] == 3).await?;
            scene.quit().await?;
            scene.start().await?;
            scene.until_connected().await?;
            scene.until("all three wait", |status| status["kiro"]["parked"] == 3).await?;
        }
        scene.kiro().plays(&json!({}))?;
        kiro_works_for(&scene, &bob, &owner).await?;
        scene.until("all is well", is_well).await?;
        heard.extend([waits, "Andy: Kiro is signed in again, and I go on.".to_owned()]);
        if state == "signed-out" {
            heard.extend(["Andy: echo: water", "Andy: echo: more"].map(str::to_owned));
        } else {
            heard.push(format!("Andy: echo: {state}"));
        }
        let last = heard.last().context("nothing")?.clone();
        alice.hears(&last).await?;
        let texts = alice.texts().await?.into_iter().map(|text| {
            // A1: the task's prompt has a line before it.
            if text.ends_with("\nwater") { "Andy: echo: water".to_owned() } else { text }
        });
        assert_eq!(texts.collect::<Vec<_>>(), heard);
        // The next state meets a new process.
        scene.ctl(&["containers", "stop", "main"]).await.ok();
        scene.until("its run has ended", |status| !status["runs"].to_string().contains("\"main\"")).await?;
    }
    scene.end().await
}

#[tokio::test]
async fn a_key_that_kiro_refuses_is_said_and_heals() -> Result<()> {
    // K3, K4
    let mut scene = Scene::begin("kiro_key").await?;
    scene.set("KIRO_MODE", "api-key");
    scene.set("KIRO_API_KEY", "ksk-planted-9876543210");
    // No key store answers here: the environment is the way.
    scene.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
    let folder = scene.home().join("kiro/kiro");
    fs::create_dir_all(&folder)?;
    let refuses = |keys: bool| -> Result<()> {
        let (new, script) = (folder.join("new"), json!({"auth": {"state": "signed-out", "refusesKeys": keys}}));
        fs::write(&new, script.to_string())?;
        Ok(fs::rename(new, folder.join("fake-kiro.json"))?)
    };
    refuses(true)?;
    let owner = scene.phone("4915110000099", "Owner").await?;
    scene.start_linked_to(&owner).await?;
    let alice = person(&scene, 1, "main").await?;
    let wrong = "Kiro does not take the API key.";
    let mut heard = Vec::new();
    // Seen by a look, then by a run that lives.
    for text in ["one", "two"] {
        refuses(true)?;
        if text == "one" {
            scene.until("it is seen", |status| problem(status, "kiro-key-refused").is_some()).await?;
        }
        alice.writes_to(&owner, text).await?;
        let status = scene.until("it waits", |status| status["kiro"]["parked"] == 1).await?;
        assert_eq!(status["headline"], json!({"level": "needs-you", "text": wrong}));
        let said = problem(&status, "kiro-key-refused").context("no problem")?;
        assert!(said["cure"].to_string().contains("kiro key set"), "{said}");
        let (_, told, _) = scene.ctl_raw(&["kiro", "status"]).await?;
        assert!(told.contains(wrong) && told.contains("kiro key set"), "{told}");
        heard.push(format!(
            "Andy: I can't answer now: {wrong} Give another one on the computer that I run on. Your messages wait until then."
        ));
        refuses(false)?;
        scene.ctl(&["kiro", "status"]).await?;
        heard.extend(["Andy: Kiro takes the API key, and I go on.".to_owned(), format!("Andy: echo: {text}")]);
        alice.hears(&format!("Andy: echo: {text}")).await?;
        scene.until("all is well", is_well).await?;
        assert_eq!(alice.texts().await?, heard);
    }
    scene.end().await
}

#[tokio::test]
async fn a_race_on_the_token_waits_for_one_sign_in() -> Result<()> {
    // K3: two containers refresh one token at the same moment; the older client that comes second deletes it.
    let mut scene = Scene::begin("kiro_race").await?;
    let owner = scene.phone("4915110000099", "Owner").await?;
    let plays = |live_ms: u64, refresh_ms: u64, older: bool| {
        let tokens = json!({"liveMs": live_ms, "refreshMs": refresh_ms, "olderClient": older});
        scene.kiro().plays(&json!({"auth": {"state": "stored", "tokens": tokens}, "login": {"afterMs": 0}}))
    };
    // No token is good for longer than its use.
    plays(0, 0, false)?;
    sign_in(&scene).await?;
    let kiro = scene.kiro();
    scene.start_linked_to(&owner).await?;
    let (alice, bob) = (person(&scene, 1, "main").await?, person(&scene, 2, "bob").await?);
    for person in [&alice, &bob] {
        person.writes_to(&owner, "@Andy one").await?;
        person.hears("Andy: echo: @Andy one").await?;
    }
    let racing = json!({"liveMs": 3_600_000, "refreshMs": 2000, "olderClient": true});
    kiro.plays(&json!({"auth": {"state": "stored", "tokens": racing}, "login": {"afterMs": 0}}))?;
    tokio::try_join!(alice.writes_to(&owner, "@Andy two"), bob.writes_to(&owner, "@Andy two"))?;
    let status = scene.until("one waits", |status| status["kiro"]["parked"] == 1).await?;
    assert_eq!(status["headline"], json!({"level": "needs-you", "text": "Kiro is signed out."}));
    let (loser, winner) = if status["queue"][0]["group"] == "main" { (&alice, &bob) } else { (&bob, &alice) };
    winner.hears("Andy: echo: @Andy two").await?;
    loser.hears_of("I can't answer now: Kiro is signed out.").await?;

    // A check that still refreshes what the race has left would race with the sign-in in its turn.
    scene
        .until("it was seen", |status| {
            status["kiro"]["host"]["state"] == "signed-out" && status["kiro"]["checking"] == false
        })
        .await?;
    sign_in(&scene).await?;
    kiro_works_for(&scene, winner, &owner).await?;
    loser.hears("Andy: echo: @Andy two").await?;
    scene.until("all is well", is_well).await?;
    let told = loser.texts().await?.iter().filter(|text| text.contains("signed")).count();
    assert_eq!(told, 2, "once that it waits, once that it goes on");
    scene.end().await
}

#[tokio::test]
async fn an_image_without_kiro_is_said_with_its_cure_and_heals() -> Result<()> {
    // C4, A5, K1
    let mut scene = Scene::begin("kiro_missing").await?;
    let name = format!("nanoclaw-e2e-kiro-missing:{}", std::process::id());
    let whole = std::env::var("NANOCLAW_TEST_IMAGE")?;
    scene.containers.without("/usr/local/bin/kiro-cli", &whole, &name).await?;
    scene.set("AGENT_IMAGE", &name);
    let owner = scene.phone("4915110000099", "Owner").await?;
    scene.start_linked_to(&owner).await?;
    let alice = person(&scene, 1, "main").await?;
    let told =
        |status: &Value| status["kiro"]["container"]["text"].to_string().contains("missing in the agent's image");
    let status = scene.until("who is signed in can't be told", told).await?;
    assert_eq!(status["kiro"]["container"]["state"], "unknown");
    alice.writes_to(&owner, "hello").await?;
    alice.hears_of("I could not answer: there is no kiro-cli in the agent's image. Build the image again.").await?;
    let code = "agent-without-kiro";
    let status = scene.until(code, |status| problem(status, code).is_some()).await?;
    let said = problem(&status, code).context("no problem")?;
    assert_eq!(said["command"]["command"], "image.build");
    assert_eq!(status["headline"], json!({"level": "needs-you", "text": "There is no kiro-cli in the agent's image."}));
    // It is built again.
    scene.containers.rename(&whole, &name).await?;
    alice.writes_to(&owner, "and now?").await?;
    alice.hears_of("echo: and now?").await?;
    scene.until("all is well", is_well).await?;
    scene.containers.remove_image(&name).await?;
    scene.end().await
}
