//! Faults in NanoClaw itself: a part that panics is started again and shown, and nothing is lost by it.

use anyhow::{Context, Result};
use nanoclaw_e2e::Scene;
use serde_json::Value;

/// The problem that says that a part was started again.
fn said(status: &Value) -> Option<&str> {
    let problems = status["problems"].as_array()?;
    problems.iter().find(|problem| problem["code"] == "internal-restart")?["text"].as_str()
}

#[tokio::test]
async fn a_part_that_fails_is_started_again_and_shown() -> Result<()> {
    // M12, M13, C3
    let mut scene = Scene::begin("failures").await?;
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    scene.quit().await?;
    for (moment, part) in [
        ("sending", "the link to WhatsApp"),
        ("engine", "the link to Docker"),
        ("reading", "the agents' requests"),
        ("keeping", "the database"),
    ] {
        scene.set("NANOCLAW_PANIC_AT", &format!("{moment}:1"));
        scene.start().await?;
        alice.writes_to(&owner, moment).await?;
        alice.hears(&format!("Andy: echo: {moment}")).await?;
        let status = scene.until("it is said", |status| said(status).is_some()).await?;
        assert!(said(&status).context("no problem")?.contains(part), "{moment}: {status}");
        scene.quit().await?;
    }

    // The loop can't be started again in place: NanoClaw ends, and says so.
    scene.set("NANOCLAW_PANIC_AT", "result:1");
    scene.start().await?;
    alice.writes_to(&owner, "result").await?;
    let end = scene.ended().await.err().context("it ended as if all were well")?.to_string();
    assert!(end.contains("exit status: 1") && end.contains("the loop failed"), "{end}");
    assert!(scene.log().contains("NanoClaw ends because of a failure"), "{}", scene.log());
    scene.set("NANOCLAW_PANIC_AT", "");
    scene.start().await?;
    alice.hears("Andy: echo: result").await?;
    let expect = ["sending", "engine", "reading", "keeping", "result"].map(|text| format!("Andy: echo: {text}"));
    assert_eq!(alice.texts().await?, expect);
    scene.end().await
}
