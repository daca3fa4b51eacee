//! AGENT_RUNTIME=host: the agent as a process of this computer, for those who chose that.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nanoclaw_e2e::{PATIENCE, Phone, Scene, built};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The runner that was compiled for the agent's image.
fn runner() -> Result<PathBuf> {
    let name = format!("../../container/prebuilt/nanoclaw-agent-{}", std::env::consts::ARCH);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    path.canonicalize().with_context(|| format!("{} is not built: `cargo xtask image --test`", path.display()))
}

async fn linked(name: &str) -> Result<(Scene, Phone, Phone)> {
    let mut scene = Scene::begin(name).await?;
    scene.set("AGENT_RUNTIME", "host");
    scene.set("NANOCLAW_AGENT_PATH", &runner()?.display().to_string());
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.kiro().plays(&json!({"turns": [{"match": "slow", "delayMs": 60000, "parts": ["too late"]}]}))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    Ok((scene, owner, alice))
}

/// The processes whose environment names the scene's user: the agents of the scene, and what they started.
fn agents(scene: &Scene) -> Vec<(u32, String)> {
    let home = format!("HOME={}", scene.user().display());
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(process.path().join(name)).unwrap_or_default();
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let command = read("cmdline").replace('\0', " ");
        if (command.contains("nanoclaw-agent") || command.contains("kiro-cli acp"))
            && read("environ").split('\0').any(|variable| variable == home)
        {
            found.push((pid, command));
        }
    }
    found
}

/// A process that is no child of ours tells nobody here of its end.
async fn until_no_agent(scene: &Scene) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match agents(scene).as_slice() {
            [] => return Ok(()),
            left if Instant::now() > deadline => bail!("they go on: {left:?}"),
            _ => sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test]
async fn a_chat_is_answered_by_a_process_of_this_computer() -> Result<()> {
    // R3–R5, R7, Q5
    let (mut scene, owner, alice) = linked("host_runtime").await?;
    let status = scene.app()?.status();
    assert_eq!((&status["runtime"], &status["engine"]["name"]), (&json!("host"), &json!("This computer")));
    assert_eq!(status["problems"][0]["code"], "unprotected", "{status:#}");
    assert_eq!(status["headline"]["level"], "ready", "it is as the person chose");

    alice.writes_to(&owner, "hello").await?;
    alice.hears("Andy: echo: hello").await?;
    let first = agents(&scene);
    assert_eq!(first.len(), 2, "the runner and kiro-cli: {first:?}");
    alice.writes_to(&owner, "and now?").await?;
    alice.hears("Andy: echo: and now?").await?;
    assert_eq!(agents(&scene), first, "the same run");
    assert!(scene.containers.list().await?.is_empty());

    // The run is stopped from outside, with what it works on and all that it started.
    alice.writes_to(&owner, "slow").await?;
    scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
    scene.ctl(&["containers", "stop", "main"]).await?;
    scene.until("it is gone", |status| status["runs"] == json!([])).await?;
    until_no_agent(&scene).await?;
    alice.hears("Andy: I was stopped before I could answer.").await?;

    // Idle, it ends by itself.
    scene.quit().await?;
    scene.set("IDLE_TIMEOUT", "500");
    scene.start().await?;
    scene.until_connected().await?;
    alice.writes_to(&owner, "again").await?;
    alice.hears("Andy: echo: again").await?;
    scene.until("it ended", |status| status["runs"] == json!([])).await?;
    until_no_agent(&scene).await?;

    let logs = scene.home().join("groups/main/logs");
    let logs: Vec<String> =
        fs::read_dir(logs)?.flatten().filter_map(|log| fs::read_to_string(log.path()).ok()).collect();
    assert_eq!(logs.len(), 2);
    assert!(
        logs.iter().any(|log| log.contains("exit code: 143")) && logs.iter().any(|log| log.contains("exit code: 0"))
    );
    assert!(scene.log().contains("Spawning agent process runtime: \"host\""), "{}", scene.log());
    scene.end().await
}

#[tokio::test]
async fn a_killed_app_leaves_no_process() -> Result<()> {
    // Q6, C1
    let (mut scene, owner, alice) = linked("host_runtime_killed").await?;
    alice.writes_to(&owner, "slow").await?;
    scene.until("it works", |status| status["runs"][0]["state"] == "working").await?;
    let deadline = Instant::now() + PATIENCE;
    while agents(&scene).len() < 2 {
        ensure!(Instant::now() < deadline, "there is no agent");
        sleep(std::time::Duration::from_millis(20)).await;
    }
    scene.kill().await?;
    until_no_agent(&scene).await?;
    scene.kiro().plays(&json!({}))?;
    scene.start().await?;
    alice.hears("Andy: echo: slow").await?;
    scene.end().await
}

#[tokio::test]
async fn a_kiro_cli_that_is_installed_later_is_found() -> Result<()> {
    // A5, C4
    let (mut scene, owner, alice) = linked("host_runtime_installs").await?;
    scene.quit().await?;
    let program = scene.user().join("bin/kiro-cli");
    scene.set("NANOCLAW_KIRO_CLI_PATH", &program.display().to_string());
    scene.start().await?;
    scene.until_connected().await?;
    alice.writes_to(&owner, "hello").await?;
    alice.hears_of("I could not answer: kiro-cli was not found. Install it on the computer that I run on.").await?;
    fs::create_dir(scene.user().join("bin"))?;
    fs::copy(built("kiro-cli")?, &program)?;
    alice.writes_to(&owner, "and now?").await?;
    alice.hears_of("echo: and now?").await?;
    scene.end().await
}

#[tokio::test]
async fn without_the_runner_messages_wait() -> Result<()> {
    // Q7
    let (mut scene, owner, alice) = linked("host_runtime_no_runner").await?;
    scene.quit().await?;
    scene.set("NANOCLAW_AGENT_PATH", "/nonexistent/nanoclaw-agent");
    scene.start().await?;
    scene.until_connected().await?;
    alice.writes_to(&owner, "hello").await?;
    let status = scene.until("it waits", |status: &Value| status["queue"][0]["messages"] == 1).await?;
    assert_eq!(status["headline"]["level"], "needs-you");
    assert!(status["problems"].to_string().contains("runner-missing"), "{status:#}");
    scene.end().await
}
