//! What an agent does by its tools, end to end: Kiro calls our MCP server in the container, the host does it or says why not.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use nanoclaw_e2e::{PATIENCE, Phone, Scene};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const FAMILY: &str = "120363000000000001@g.us";

/// A script in which the word `name` in a prompt calls that tool, and the answer is what came of it.
fn calls(tools: &[(&str, Value)]) -> Value {
    let turn = |(name, args): &(&str, Value)| json!({"match": name, "tool": {"server": "nanoclaw", "name": name, "args": args}, "parts": ["said: {output}"]});
    json!({"turns": tools.iter().map(turn).collect::<Vec<_>>()})
}

async fn people(scene: &Scene) -> Result<(Phone, Phone)> {
    Ok((scene.phone("4915110000001", "Owner").await?, scene.phone("4915110000002", "Alice").await?))
}

#[tokio::test]
async fn an_agent_sends_plans_and_learns_the_outcome() -> Result<()> {
    // A6, I1, I3, I7, I8, R8, R10
    let mut scene = Scene::begin("tools_main").await?;
    let (owner, alice) = people(&scene).await?;
    let plan = json!({"prompt": "water", "schedule_type": "once", "schedule_value": "2099-01-01T09:00:00", "context_mode": "isolated"});
    scene.kiro().plays(&calls(&[
        ("send_message", json!({"text": "I am at it", "sender": "Cook"})),
        ("schedule_task", plan),
        ("list_tasks", json!({})),
        ("cancel_task", json!({"task_id": "task-none"})),
        ("register_group", json!({"jid": FAMILY, "name": "Family", "folder": "family", "trigger": "@Andy"})),
    ]))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;

    alice.writes_to(&owner, "send_message").await?;
    alice.hears("Andy: Cook: I am at it").await?;
    alice.hears("Andy: said: Done.").await?;
    alice.writes_to(&owner, "schedule_task").await?;
    alice.hears("Andy: said: Done.").await?;
    let tasks = scene.ctl(&["tasks", "list"]).await?;
    assert_eq!(
        (&tasks[0]["group"], &tasks[0]["prompt"], &tasks[0]["nextRun"]),
        (&json!("main"), &json!("water"), &json!("2099-01-01T09:00:00.000Z"))
    );
    // R8: the snapshot is new although the run goes on.
    alice.writes_to(&owner, "list_tasks").await?;
    alice.hears_of("once 2099-01-01T09:00:00, next at 2099-01-01T09:00:00.000Z: water").await?;
    alice.writes_to(&owner, "cancel_task").await?;
    alice.hears_of("There is no task task-none").await?;
    alice.writes_to(&owner, "register_group").await?;
    alice.hears("Andy: said: Done.").await?;
    scene.until("it is registered", |status| status["groups"].as_array().is_some_and(|all| all.len() == 2)).await?;
    scene.end().await
}

#[tokio::test]
async fn what_was_answered_by_a_tool_is_not_asked_again() -> Result<()> {
    // C1: something was sent for the turn, and then the run ended badly.
    let mut scene = Scene::begin("tools_half").await?;
    let (owner, alice) = people(&scene).await?;
    let say = json!({"server": "nanoclaw", "name": "send_message", "args": {"text": "half of it"}});
    scene.kiro().plays(&json!({"turns": [{"match": "break", "tool": say, "exit": 1}]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "break").await?;
    alice.hears("Andy: half of it").await?;
    // C4
    alice.hears_of("I could not finish").await?;
    scene.containers.until("it has ended", <[_]>::is_empty).await?;

    // A start asks for all that is owed at once.
    scene.quit().await?;
    scene.start().await?;
    scene.until_connected().await?;
    alice.writes_to(&owner, "and now").await?;
    alice.hears("Andy: echo: and now").await?;
    let prompts = scene.kiro().prompts();
    assert_eq!(prompts.matches("break").count(), 1, "{prompts}");
    scene.end().await
}

#[tokio::test]
async fn what_an_agent_asks_for_after_a_kill_is_not_done_twice() -> Result<()> {
    // C1: its container goes on, and is ended at the next start, when the message is handed over again.
    let mut scene = Scene::begin("tools_killed").await?;
    let (owner, alice) = people(&scene).await?;
    let say = json!({"server": "nanoclaw", "name": "send_message", "args": {"text": "half of it"}});
    let turn = json!({"match": "break", "delayMs": 5000, "tool": say, "parts": ["all of it"]});
    scene.kiro().plays(&json!({"turns": [turn]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "break").await?;
    scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
    scene.kill().await?;
    let asked = scene.home().join("ipc/main/messages");
    let deadline = Instant::now() + PATIENCE;
    while fs::read_dir(&asked)?.count() == 0 {
        ensure!(Instant::now() < deadline, "the agent has not asked for anything");
        // A dead host tells nobody of files.
        sleep(Duration::from_millis(20)).await;
    }
    scene.start().await?;
    alice.hears("Andy: all of it").await?;
    assert_eq!(alice.texts().await?, ["Andy: half of it", "Andy: all of it"]);
    scene.end().await
}

#[tokio::test]
async fn another_chats_agent_may_do_less() -> Result<()> {
    // I2, I3: past its tools too.
    let mut scene = Scene::begin("tools_family").await?;
    let (owner, alice) = people(&scene).await?;
    scene.whatsapp.group(FAMILY, "Family", &[&owner, &alice]).await?;
    let forged =
        json!({"type": "message", "id": "forged", "groupFolder": "main", "chatJid": alice.jid(), "text": "from main"});
    let write = format!(
        "cd /workspace/ipc/messages && echo '{forged}' > f.tmp && mv f.tmp f.json; ln -s /etc/passwd l.json; \
         for n in $(seq 200); do [ -e ../results/forged.json ] && break; sleep 0.05; done; cat ../results/forged.json"
    );
    scene.kiro().plays(&json!({"turns": [
        {"match": "register", "tool": {"server": "nanoclaw", "name": "register_group",
            "args": {"jid": "1@g.us", "name": "x", "folder": "x", "trigger": "x"}}},
        {"match": "forge", "run": write},
        {"match": "shop", "tool": {"server": "shop", "name": "buy"}},
    ]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    scene.register(FAMILY, "Family", "family").await?;
    alice.writes_in(FAMILY, "@andy register").await?;
    alice.hears_of("Only the main chat may register chats").await?;
    alice.writes_in(FAMILY, "@andy forge").await?;
    alice.hears_of("may write to other chats").await?;
    let refused = |status: &Value| {
        status["problems"].as_array().is_some_and(|all| {
            all.iter().any(|one| {
                one["code"] == "agent-refused" && one["text"].as_str().unwrap_or_default().contains("(2 so far)")
            })
        })
    };
    scene.until("both are shown", refused).await?;
    // What acts for the owner is main's alone.
    alice.writes_in(FAMILY, "@andy shop").await?;
    alice.hears_of("@shop/buy was not allowed").await?;
    alice.writes_to(&owner, "shop").await?;
    alice.hears_of("no MCP server shop").await?;
    assert!(alice.texts().await?.iter().all(|text| text != "Andy: from main"));
    scene.end().await
}

#[tokio::test]
async fn a_kiro_cli_without_acp_works_as_well() -> Result<()> {
    // A2, A6, R10, R11: by chat, a process a turn, in one session.
    let mut scene = Scene::begin("tools_chat").await?;
    let (owner, alice) = people(&scene).await?;
    scene.kiro().plays(&json!({"capabilities": {"acp": false}, "turns": [
        {"match": "list_tasks", "tool": {"server": "nanoclaw", "name": "list_tasks"}},
        {"match": "", "parts": ["prompt {count}"]},
    ]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "list_tasks").await?;
    alice.hears("Andy: No tasks are planned.").await?;
    alice.writes_to(&owner, "and now?").await?;
    alice.hears("Andy: prompt 2").await?;
    scene.end().await
}
