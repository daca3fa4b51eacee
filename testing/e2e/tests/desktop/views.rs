//! What is read and set on single pages, in the real WebKit: a message's way, mounts, the allowlist, who is main, what
//! came of a task, the licences.

use anyhow::{Context, Result};
use nanoclaw_e2e::{Scene, desktop::Page};
use serde_json::{Value, json};

use crate::{
    people, picture, shows,
    window::{fill, until_listed},
};

#[tokio::test]
async fn ways_folders_the_private_channel_histories_and_licences() -> Result<()> {
    // T4, X1
    let mut scene = Scene::begin("desktop_views").await?;
    let desktop = scene.desktop().await?;
    let (owner, alice) = people(&scene).await?;
    let bob = scene.phone("4915110000003", "Bob").await?;
    scene.kiro().plays(&json!({"turns": [{"match": "slow", "delayMs": 60_000, "parts": ["too late"]}]}))?;
    scene.start_desktop(&desktop, &["--show"]).await?;
    let status = scene.until("a code is there", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
    owner.scans(status["whatsapp"]["qr"]["data"].as_str().context("no code")?).await?;
    scene.until_connected().await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    scene.register(&bob.jid(), "Bob", "bob").await?;
    alice.writes_to(&owner, "hi").await?;
    alice.hears("Andy: echo: hi").await?;
    let page = desktop.page().await?;

    // The way of a message, step by step.
    shows(&page, "chats").await?;
    page.press_with("Alice").await?;
    page.press_with("A message came in").await?;
    page.reads("Kept, before WhatsApp was told so").await?;
    page.reads("Given to a container").await?;
    picture(&scene, &page, "chats-trace").await?;

    // The longest work is set in minutes, and a bad one refused on the spot.
    fill(&page, "#limit", "2000").await?;
    page.press("Save the longest work").await?;
    page.reads("It must be empty, or from 1 to 1440 minutes.").await?;
    fill(&page, "#limit", "90").await?;
    page.press("Save the longest work").await?;
    until_listed(&scene, &["groups", "list"], |all| of(all, &alice.jid())["timeout"] == 5_400_000).await?;

    // What its container sees of this computer.
    shows(&page, "containers").await?;
    page.press("Container and folders of Alice").await?;
    page.reads("/workspace/group, read and write").await?;
    page.reads("nanoclaw-agent").await?;
    picture(&scene, &page, "containers-mounts").await?;
    // And what it works on.
    alice.writes_to(&owner, "slow and steady").await?;
    page.until("/Answers .*slow and steady/.test(document.querySelector('main').innerText)").await?;
    scene.ctl(&["containers", "stop", "main"]).await?;
    alice.hears_of("I was stopped before I could answer.").await?;

    // A folder is allowed, then given to a chat.
    std::fs::create_dir_all(scene.user().join("notes"))?;
    shows(&page, "settings").await?;
    page.press("Allow a folder…").await?;
    typed(&page, "#allowPath", "~/notes", "Allow it").await?;
    page.reads("Agents may only read").await?;
    picture(&scene, &page, "settings-allowlist").await?;
    shows(&page, "chats").await?;
    page.press_with("Bob").await?;
    page.press("Add a folder…").await?;
    typed(&page, "#hostPath", "~/notes", "Add").await?;
    page.reads("Only read").await?;
    until_listed(&scene, &["groups", "list"], |all| of(all, &bob.jid())["mounts"][0]["hostPath"] == "~/notes").await?;

    // What came of a task.
    let schedule = ["--schedule", "cron", "--value", "0 8 * * *"];
    scene.ctl(&[&["tasks", "add", "--group", "main", "--prompt", "Count the stars"], &schedule[..]].concat()).await?;
    shows(&page, "tasks").await?;
    page.press_with("Count the stars").await?;
    page.reads("It has not run yet.").await?;
    page.press("Run now").await?;
    page.reads("done in").await?;
    picture(&scene, &page, "tasks-history").await?;

    // Another chat becomes the private channel, after a question.
    shows(&page, "chats").await?;
    page.press("Make this my private channel…").await?;
    page.press("Move").await?;
    page.until("document.querySelector('.chathead').innerText.includes('Your private channel')").await?;
    assert_eq!(of(&scene.ctl(&["groups", "list"]).await?, &bob.jid())["isMain"], true);

    shows(&page, "about").await?;
    page.reads("WebKit").await?;
    page.press("Show all").await?;
    page.reads("whatsapp-rust").await?;
    picture(&scene, &page, "about-licences").await?;
    scene.end().await
}

#[tokio::test]
async fn no_to_start_at_login_is_kept_and_the_greeting_come_back_to() -> Result<()> {
    // T5
    let mut scene = Scene::begin("desktop_no_login").await?;
    let desktop = scene.desktop().await?;
    let (owner, _) = people(&scene).await?;
    scene.start_desktop(&desktop, &[]).await?;
    let page = desktop.page().await?;
    let tick = |on: bool| format!("document.querySelector('[aria-label=\"Start at login\"]')?.ariaChecked === '{on}'");
    page.press("Begin").await?;
    owner.scans(&page.qr().await?).await?;
    page.reads("You (message yourself)").await?;
    page.until(&tick(true)).await?;
    page.press("Start at login").await?;
    page.until(&tick(false)).await?;
    page.press("Use this chat").await?;
    page.reads("Waiting for your message").await?;

    // A window that knows nothing of what was pressed in the one before.
    page.reload().await?;
    page.reads("It goes on with: Say hello to Andy.").await?;
    page.press("Go on").await?;
    page.until(&tick(false)).await?;
    assert_eq!(scene.ctl(&["status"]).await?["autostart"], false);
    page.press("Start at login").await?;
    page.until(&tick(true)).await?;
    scene.until("it starts at login", |status| status["autostart"] == true).await?;
    owner.writes_as_owner(&owner.jid(), "hello").await?;
    page.reads("Andy is ready").await?;
    scene.end().await
}

/// A chat in a list of them.
fn of<'a>(all: &'a Value, jid: &str) -> &'a Value {
    let chat = all.as_array().and_then(|all| all.iter().find(|one| one["jid"] == jid));
    chat.unwrap_or(&Value::Null)
}

/// Types into a form, and sends it.
async fn typed(page: &Page, field: &str, text: &str, send: &str) -> Result<()> {
    page.until(&format!("document.querySelector({}) && true", json!(field))).await?;
    fill(page, field, text).await?;
    page.press(send).await
}
