//! What goes wrong from outside: each a clear problem, and nothing lost.

use anyhow::{Context, Result};
use nanoclaw_e2e::{Phone, Scene};
use serde_json::{Value, json};

async fn people(scene: &Scene) -> Result<(Phone, Phone)> {
    Ok((scene.phone("4915110000001", "Owner").await?, scene.phone("4915110000002", "Alice").await?))
}

fn problem<'a>(status: &'a Value, code: &str) -> Option<&'a Value> {
    status["problems"].as_array()?.iter().find(|problem| problem["code"] == code)
}

fn has(code: &'static str) -> impl Fn(&Value) -> bool {
    move |status| problem(status, code).is_some()
}

#[tokio::test]
async fn a_missing_image_makes_messages_wait_until_it_is_there() -> Result<()> {
    // Q7, C4
    let mut scene = Scene::begin("image_missing").await?;
    let (owner, alice) = people(&scene).await?;
    scene.set("AGENT_IMAGE", "nanoclaw-no-such-image:latest");
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "hello").await?;
    let status = scene.until("it waits", |status| status["queue"][0]["messages"] == 1).await?;
    let said = problem(&status, "image-missing").context("no problem")?;
    assert!(said["text"].as_str().unwrap_or_default().contains("nanoclaw-no-such-image"), "{said}");
    assert_eq!(status["headline"]["level"], "needs-you");
    assert_eq!(status["queue"][0]["attempt"], 0, "nothing counts as a retry");
    scene.quit().await?;
    let image = std::env::var("NANOCLAW_TEST_IMAGE")?;
    scene.set("AGENT_IMAGE", &image);
    scene.start().await?;
    alice.hears("Andy: echo: hello").await?;
    scene.end().await
}

#[tokio::test]
async fn no_engine_and_no_kiro_are_said_and_hold_nothing_up() -> Result<()> {
    // Q7, K1
    let mut scene = Scene::begin("no_engine").await?;
    let (owner, alice) = people(&scene).await?;
    scene.set("ENGINE_SOCKET", "unix:///nonexistent/docker.sock");
    scene.set("NANOCLAW_KIRO_CLI_PATH", "/nonexistent/kiro-cli");
    scene.start_linked_to(&owner).await?;
    let status =
        scene.until("both are said", |status| has("engine-absent")(status) && has("kiro-missing")(status)).await?;
    // Who has named the engine starts it.
    let (code, _, stderr) = scene.ctl_raw(&["engine", "start"]).await?;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("Docker could not be started"), "{stderr}");
    assert_eq!(status["kiro"]["host"]["state"], "missing");
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "hello").await?;
    scene.until("it waits", |status| status["queue"][0]["messages"] == 1).await?;
    assert_eq!(alice.texts().await?, [""; 0]);
    scene.end().await
}

#[tokio::test]
async fn a_second_orchestrator_on_the_same_home_is_refused() -> Result<()> {
    let mut scene = Scene::begin("second").await?;
    scene.start().await?;
    let (code, _, stderr) = scene.ctl_raw(&["run"]).await?;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("already running"), "{stderr}");
    scene.ctl(&["status"]).await?;
    scene.end().await
}

#[tokio::test]
async fn a_bad_setting_is_named_and_the_default_used() -> Result<()> {
    let mut scene = Scene::begin("bad_setting").await?;
    scene.set("MAX_CONCURRENT_CONTAINERS", "many");
    scene.start().await?;
    let status = scene.until("it is said", has("bad-setting")).await?;
    let said = problem(&status, "bad-setting").context("no problem")?;
    for part in ["MAX_CONCURRENT_CONTAINERS", "many"] {
        assert!(said["text"].as_str().unwrap_or_default().contains(part), "{said}");
    }
    assert_eq!(said["command"]["args"]["value"], "5");
    scene.end().await
}

#[tokio::test]
async fn commands_refuse_what_makes_no_sense() -> Result<()> {
    let mut scene = Scene::begin("refusals").await?;
    let (owner, alice) = people(&scene).await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    for (words, code) in [
        (&["send", "--to", "4915119999999@s.whatsapp.net", "hi"][..], "not-registered"),
        (&["send", "--to", "nobody", "hi"], "unknown-chat"),
        (&["send", "--to", &alice.jid(), " "], "empty-text"),
        (&["groups", "register", "--jid", "x", "--name", "X", "--folder", "x"], "unknown-chat"),
        (&["groups", "register", "--jid", "1@g.us", "--name", "X", "--folder", "../x"], "bad-folder"),
        (&["groups", "register", "--jid", "1@g.us", "--name", "X", "--folder", "main"], "folder-taken"),
        (&["groups", "register", "--jid", &alice.jid(), "--name", "X", "--folder", "x"], "already-registered"),
        (&["groups", "remove", "nobody", "--yes"], "unknown-group"),
        (&["containers", "stop", "nobody"], "unknown-container"),
        (&["pair"], "already-linked"),
        (&["logs", "--run", "../../x-1"], "unknown-run"),
    ] {
        let (exit, stdout, stderr) = scene.ctl_raw(&[words, &["--json"]].concat()).await?;
        assert_eq!(exit, Some(1), "{words:?}: {stdout}{stderr}");
        let answer: Value = serde_json::from_str(&stdout).with_context(|| format!("{words:?}: {stdout}"))?;
        assert_eq!(answer["error"]["code"], code, "{words:?}: {answer}");
    }
    // M8: a text of a person's goes out under the assistant's name.
    scene.ctl(&["send", "--to", &alice.jid(), "from the desk"]).await?;
    alice.hears("Andy: from the desk").await?;
    scene.end().await
}

#[tokio::test]
async fn an_agent_that_fails_is_tried_again_and_then_said() -> Result<()> {
    // Q4, C4: the first retry comes by itself, and the answer comes once; two chats of one name fail each for themselves.
    let mut scene = Scene::begin("retry").await?;
    let (owner, alice) = people(&scene).await?;
    scene
        .kiro()
        .plays(&json!({"turns": [{"match": "", "parts": [], "stderr": "error: the model is gone", "exit": 1}]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "hello").await?;
    let status = scene.until("it waits for its retry", |status| status["queue"][0]["attempt"] == 1).await?;
    assert!(problem(&status, "run-failed").is_some(), "{status}");
    let bob = scene.phone("4915110000003", "Bob").await?;
    scene.register(&bob.jid(), "Alice", "other").await?;
    bob.writes_to(&owner, "@Andy hello").await?;
    let failed = |status: &Value| {
        let problems = status["problems"].as_array().into_iter().flatten();
        problems.filter(|problem| problem["code"] == "run-failed").count()
    };
    scene.until("both are said", |status| failed(status) == 2).await?;
    scene.kiro().plays(&json!({}))?;
    alice.hears("Andy: echo: hello").await?;
    bob.hears("Andy: echo: @Andy hello").await?;
    let status = scene.until("all is well", |status| !has("run-failed")(status)).await?;
    assert_eq!(status["queue"], json!([]));
    assert_eq!(alice.texts().await?, ["Andy: echo: hello"]);
    scene.end().await
}

#[tokio::test]
async fn paused_keeps_messages_and_stop_ends_a_run() -> Result<()> {
    let mut scene = Scene::begin("pause_stop").await?;
    let (owner, alice) = people(&scene).await?;
    scene.kiro().plays(&json!({"turns": [{"match": "forever", "delayMs": 600_000, "parts": ["never"]}]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    scene.ctl(&["pause"]).await?;
    alice.writes_to(&owner, "hello").await?;
    let status = scene.until("it waits", |status| status["queue"][0]["messages"] == 1).await?;
    assert_eq!((&status["wanted"], &status["headline"]["level"]), (&json!("paused"), &json!("paused")));
    // Also after a crash.
    scene.kill().await?;
    scene.start().await?;
    scene.until_connected().await?;
    let status = scene.until("it still waits", |status| status["queue"][0]["messages"] == 1).await?;
    assert_eq!((&status["wanted"], &status["runs"]), (&json!("paused"), &json!([])));
    scene.ctl(&["resume"]).await?;
    alice.hears("Andy: echo: hello").await?;

    alice.writes_to(&owner, "think forever").await?;
    scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
    scene.ctl(&["containers", "stop", "main"]).await?;
    alice.hears_of("stopped").await?;
    scene.containers.until("none is left", <[_]>::is_empty).await?;
    scene.end().await
}

#[tokio::test]
async fn unlinked_by_the_phone_and_linked_again() -> Result<()> {
    // W4
    let mut scene = Scene::begin("unlinked").await?;
    let (owner, alice) = people(&scene).await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    owner.unlinks().await?;
    let status = scene.until("it is logged out", |status| status["whatsapp"]["state"] == "logged-out").await?;
    assert_eq!(status["headline"]["level"], "needs-you");
    scene.ctl(&["pair"]).await?;
    let status = scene.until("a QR is shown", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
    let kept = std::fs::read_dir(scene.home().join("store"))?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("auth.bak."))
        .count();
    assert_eq!(kept, 1, "the old sign-in is moved aside, not deleted");
    owner.scans(status["whatsapp"]["qr"]["data"].as_str().context("no QR")?).await?;
    scene.until_connected().await?;
    alice.writes_to(&owner, "hello again").await?;
    alice.hears("Andy: echo: hello again").await?;
    scene.end().await
}

#[tokio::test]
async fn a_refused_text_is_tried_again_or_said_to_have_failed() -> Result<()> {
    // M13
    let mut scene = Scene::begin("refused").await?;
    let (owner, alice) = people(&scene).await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    scene.whatsapp.fault(&owner, "refuse", json!({"code": 500})).await?;
    alice.writes_to(&owner, "one").await?;
    alice.hears("Andy: echo: one").await?;
    scene.whatsapp.fault(&owner, "refuse", json!({"code": 400})).await?;
    alice.writes_to(&owner, "two").await?;
    let status = scene.until("it failed", |status| status["whatsapp"]["failedOut"] == 1).await?;
    let failed = problem(&status, "send-failed").context("it is not told")?;
    assert!(
        failed["text"].as_str().is_some_and(|text| text.starts_with("A message to Alice could not be sent")),
        "{failed}"
    );
    // It holds up nothing.
    alice.writes_to(&owner, "three").await?;
    alice.hears("Andy: echo: three").await?;
    assert_eq!(alice.texts().await?, ["Andy: echo: one", "Andy: echo: three"]);
    // It is kept, and goes out when a person says so.
    assert_eq!(scene.ctl(&["whatsapp", "resend", "--chat", &alice.jid()]).await?, json!({"count": 1}));
    alice.hears("Andy: echo: two").await?;
    scene.until("nothing is left", |status| status["whatsapp"]["failedOut"] == 0).await?;
    assert_eq!(alice.texts().await?, ["Andy: echo: one", "Andy: echo: three", "Andy: echo: two"]);
    assert_eq!(scene.ctl(&["whatsapp", "resend"]).await?, json!({"count": 0}));
    scene.end().await
}
