//! Scheduled tasks, end to end: planned, run at their time in a container, their result in the chat.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use nanoclaw_e2e::Scene;
use serde_json::json;

#[tokio::test]
async fn a_task_runs_at_its_time_and_its_result_comes() -> Result<()> {
    let mut scene = Scene::begin("tasks").await?;
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.kiro().plays(&json!({"turns": [
        {"match": "(?s)Scheduled task.*water the plants", "parts": ["<internal>thinking</internal>Water them ({count})."]},
    ]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;

    // I5: a bad value is refused with its reason.
    let (code, _, stderr) = scene
        .ctl_raw(&["tasks", "add", "--group", "main", "--prompt", "x", "--schedule", "cron", "--value", "9 9"])
        .await?;
    assert_eq!((code, stderr.contains("five fields")), (Some(1), true), "{stderr}");

    // Q2, Q3: the idle run of the same group gives way; S1: it starts at its time; A1, M6, M8.
    alice.writes_to(&owner, "hello").await?;
    alice.hears("Andy: echo: hello").await?;
    let add = |value, context| {
        [
            "tasks",
            "add",
            "--group",
            "main",
            "--prompt",
            "water the plants",
            "--schedule",
            "interval",
            "--value",
            value,
            "--context",
            context,
        ]
    };
    let task = scene.ctl(&add("5000", "isolated")).await?;
    let id = task["id"].as_str().context("no id")?;
    let status = scene.until("it is planned", |status| status["scheduler"]["next"]["taskId"] == id).await?;
    assert_eq!(status["scheduler"]["next"]["at"], task["nextRun"]);
    // S3: isolated starts fresh, so its count is 1 each time; S4: it comes again.
    alice.hears("Andy: Water them (1).").await?;
    scene.until("its run has ended", |status| status["runs"] == json!([])).await?;
    alice.hears("Andy: Water them (1).").await?;
    let (code, ..) = scene.ctl_raw(&["tasks", "pause", id]).await?;
    assert_eq!(code, Some(0));
    scene.until("all is done", |status| status["runs"] == json!([]) && status["scheduler"]["next"].is_null()).await?;
    let history = scene.ctl(&["tasks", "history", id]).await?;
    let newest = &history[0];
    assert_eq!((&newest["status"], &newest["result"]), (&json!("success"), &json!("Water them (1).")), "{history}");
    let listed = scene.ctl(&["tasks", "list"]).await?;
    assert_eq!((&listed[0]["status"], &listed[0]["lastResult"]), (&json!("paused"), &json!("Water them (1).")));

    // S3: context group goes on with the chat's conversation; run by hand.
    let task = scene.ctl(&add("3600000", "group")).await?;
    let id = task["id"].as_str().context("no id")?;
    scene.ctl(&["tasks", "run", id]).await?;
    alice.hears("Andy: Water them (2).").await?;

    // S2, S5: claimed, but not run before it is killed: the next start makes up for it, once.
    scene.ctl(&["tasks", "cancel", id, "--yes"]).await?;
    scene.until("its run has ended", |status| status["runs"] == json!([])).await?;
    scene.ctl(&["pause"]).await?;
    let soon = (Timestamp::now() + SignedDuration::from_secs(6)).strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let add =
        ["tasks", "add", "--group", "main", "--prompt", "water the plants", "--schedule", "once", "--value", &soon];
    let task = scene.ctl(&add).await?;
    let id = task["id"].as_str().context("no id")?;
    scene.until("it is due", |status| status["queue"][0]["tasks"] == 1).await?;
    let before = alice.texts().await?.len();
    scene.kill().await?;
    scene.start().await?;
    scene.ctl(&["resume"]).await?;
    alice.hears("Andy: Water them (1).").await?;
    scene.until("its run has ended", |status| status["runs"] == json!([])).await?;
    let listed = scene.ctl(&["tasks", "list"]).await?;
    let once = listed.as_array().and_then(|all| all.iter().find(|task| task["id"] == id)).context("no task")?;
    assert_eq!((&once["status"], &once["nextRun"]), (&json!("completed"), &json!(null)));
    assert_eq!(alice.texts().await?.len(), before + 1);
    scene.end().await
}
