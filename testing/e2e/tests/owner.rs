//! What the owner asks of NanoClaw itself in the main chat, and the way of each message.

use std::fs;

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::{PATIENCE, Phone, Scene};
use serde_json::{Value, json};
use tokio::time::Instant;

async fn begin(scene: &mut Scene) -> Result<(Phone, Phone)> {
    let (owner, alice) = (scene.phone("4915110000001", "Owner").await?, scene.phone("4915110000002", "Alice").await?);
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    Ok((owner, alice))
}

/// The steps that a message has taken, once the last of them is this one.
async fn way(scene: &Scene, id: &str, last: &str) -> Result<(Vec<String>, Value)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let way = scene.ctl(&["chats", "trace", id]).await?;
        let steps = way["steps"].as_array().into_iter().flatten();
        let steps: Vec<_> = steps.filter_map(|step| Some(step["step"].as_str()?.to_owned())).collect();
        if steps.last().is_some_and(|step| step == last) {
            return Ok((steps, way));
        }
        ensure!(Instant::now() < deadline, "the last step is not {last}: {way:#}");
    }
}

#[tokio::test]
async fn the_owner_is_answered_where_no_agent_can() -> Result<()> {
    // M8, M13: paused, and without an engine
    let mut scene = Scene::begin("owner").await?;
    scene.set("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let (owner, alice) = begin(&mut scene).await?;
    scene.until("there is no engine", |status| status["engine"]["state"] == "absent").await?;
    scene.ctl(&["pause"]).await?;
    let asked = alice.writes_to(&owner, " /Status ").await?;
    let told = alice.hears_of("Docker").await?;
    assert!(told.text.starts_with("Andy: "), "{}", told.text);
    alice.writes_to(&owner, "/stop").await?;
    alice.hears("Andy: Nothing runs for this chat.").await?;
    let (steps, way) = way(&scene, &asked, "acked").await?;
    assert_eq!(steps, ["received", "stored", "outbox", "sent", "acked"], "{way:#}");
    assert_eq!(
        (&way["state"], &way["direction"], &way["sender"]),
        (&json!("acked"), &json!("in"), &json!(alice.jid()))
    );
    let listed = scene.ctl(&["chats", "trace", "--chat", "main"]).await?;
    assert_eq!(listed.as_array().map(Vec::len), Some(4), "{listed:#}");
    assert!(!listed.to_string().contains("Docker"), "no text is in it: {listed:#}");

    // Once, whatever was killed; and nothing of it waits for an agent.
    scene.kill().await?;
    scene.start().await?;
    scene.until_connected().await?;
    let status = scene.until("it is settled", |status| status["whatsapp"]["queuedOut"] == 0).await?;
    assert_eq!((&status["queue"], alice.texts().await?.len()), (&json!([]), 2));
    scene.end().await
}

#[tokio::test]
async fn a_message_is_said_to_be_tried_again_only_while_it_is() -> Result<()> {
    // C4
    let mut scene = Scene::begin("owner_removes").await?;
    scene.kiro().plays(&json!({"turns": [
        {"match": "slow", "delayMs": 60000, "parts": ["too late"]},
        {"match": "", "parts": [], "exit": 1},
    ]}))?;
    let (owner, alice) = begin(&mut scene).await?;
    for (text, state) in [("broken", "failed"), ("slow", "stopped")] {
        let asked = alice.writes_to(&owner, text).await?;
        if text == "broken" {
            scene.until("it is to be tried again", |status| status["queue"][0]["retryAt"].is_string()).await?;
            way(&scene, &asked, "retried").await?;
        } else {
            scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
        }
        scene.ctl(&["groups", "remove", "main", "--yes"]).await?;
        scene
            .until("nothing is under way", |status| status["runs"] == json!([]) && status["queue"] == json!([]))
            .await?;
        let (steps, told) = way(&scene, &asked, state).await?;
        assert_eq!(told["state"], state, "{told:#}");
        assert!(!steps.contains(&"retried".to_owned()), "{told:#}");
        scene.register(&alice.jid(), "Alice", "main").await?;
    }
    scene.end().await
}

#[tokio::test]
async fn the_owner_stops_what_runs_for_main() -> Result<()> {
    // C1, Q5
    let mut scene = Scene::begin("owner_stops").await?;
    scene.kiro().plays(&json!({"turns": [{"match": "slow", "delayMs": 60000, "parts": ["too late"]}]}))?;
    let (owner, alice) = begin(&mut scene).await?;
    let slow = alice.writes_to(&owner, "slow").await?;
    scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
    alice.writes_to(&owner, "/STOP").await?;
    alice.hears_of("Andy: I stop what I was at in this chat (nanoclaw-main-").await?;
    alice.hears("Andy: I was stopped before I could answer.").await?;
    let (steps, told) = way(&scene, &slow, "stopped").await?;
    assert_eq!(steps, ["received", "stored", "queued", "run", "stopped"], "{told:#}");
    assert!(told["steps"][3]["detail"].to_string().starts_with("\"nanoclaw-main-"), "{told:#}");

    let hello = alice.writes_to(&owner, "hello").await?;
    alice.hears("Andy: echo: hello").await?;
    let (steps, told) = way(&scene, &hello, "acked").await?;
    let whole = ["received", "stored", "queued", "run", "result", "outbox", "sent", "acked"];
    assert_eq!(steps, whole, "{told:#}");
    let prompts = fs::read_to_string(scene.user().join(".kiro/fake-kiro.log"))?;
    assert!(prompts.contains("hello") && !prompts.to_lowercase().contains("/stop"), "{prompts}");
    scene.end().await
}

#[tokio::test]
async fn what_waits_behind_a_task_is_stopped_with_it() -> Result<()> {
    // C1, S6
    let mut scene = Scene::begin("owner_stops_a_task").await?;
    scene.kiro().plays(&json!({"turns": [{"match": "water", "delayMs": 60000, "parts": ["too late"]}]}))?;
    let (owner, alice) = begin(&mut scene).await?;
    let add = ["tasks", "add", "--group", "main", "--prompt", "water", "--schedule", "interval", "--value", "3600000"];
    let task = scene.ctl(&add).await?;
    scene.ctl(&["tasks", "run", task["id"].as_str().context("no id")?]).await?;
    scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
    let waits = alice.writes_to(&owner, "and this?").await?;
    scene.until("it waits", |status| status["queue"][0]["messages"] == 1).await?;
    assert_eq!(way(&scene, &waits, "queued").await?.0, ["received", "stored", "queued"]);

    alice.writes_to(&owner, "/stop").await?;
    alice.hears_of(", and drop what waited.").await?;
    scene.until("nothing is under way", |status| status["runs"] == json!([]) && status["queue"] == json!([])).await?;
    let (steps, told) = way(&scene, &waits, "stopped").await?;
    assert_eq!(steps, ["received", "stored", "stopped"], "{told:#}");
    alice.writes_to(&owner, "hello").await?;
    alice.hears("Andy: echo: hello").await?;
    let prompts = fs::read_to_string(scene.user().join(".kiro/fake-kiro.log"))?;
    assert!(!prompts.contains("and this?"), "{prompts}");
    scene.end().await
}
