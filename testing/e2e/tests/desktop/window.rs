//! The window's pages at work: the assistant of the first start, chats, tasks, settings and the log, in the real WebKit.

use anyhow::{Context, Result};
use nanoclaw_e2e::{
    Scene,
    desktop::{Page, no_process_has},
};
use serde_json::{Value, json};

use crate::{people, picture, shows};

#[tokio::test]
async fn from_a_first_start_to_a_first_answer() -> Result<()> {
    // W1, T4: Docker, image and Kiro are there: begin, scan, choose, write.
    let mut scene = Scene::begin("desktop_first").await?;
    let desktop = scene.desktop().await?;
    let (owner, _) = people(&scene).await?;
    scene.start_desktop(&desktop, &[]).await?;
    let page = desktop.page().await?;
    page.reads("Meet Andy").await?;
    picture(&scene, &page, "setup-welcome").await?;
    page.press("Begin").await?;
    let code = page.qr().await?;
    picture(&scene, &page, "setup-whatsapp").await?;
    owner.scans(&code).await?;
    page.reads("Choose your private channel").await?;
    page.reads("You (message yourself)").await?;
    picture(&scene, &page, "setup-chat").await?;
    page.press("Use this chat").await?;
    page.reads("Waiting for your message").await?;
    picture(&scene, &page, "setup-hello").await?;
    owner.writes_as_owner(&owner.jid(), "hello").await?;
    page.reads("Andy is ready").await?;
    picture(&scene, &page, "setup-ready").await?;
    page.press("Open NanoClaw").await?;
    page.reads("Running now").await?;
    let groups = scene.ctl(&["groups", "list"]).await?;
    assert_eq!((&groups[0]["folder"], &groups[0]["jid"]), (&json!("main"), &json!(owner.jid())));
    scene.end().await
}

#[tokio::test]
async fn chats_tasks_settings_and_the_rest_in_the_window() -> Result<()> {
    // T4
    let mut scene = Scene::begin("desktop_pages").await?;
    let desktop = scene.desktop().await?;
    let (owner, alice) = people(&scene).await?;
    scene.start_desktop(&desktop, &["--show"]).await?;
    let status = scene.until("a code is there", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
    owner.scans(status["whatsapp"]["qr"]["data"].as_str().context("no code")?).await?;
    scene.until_connected().await?;
    alice.writes_to(&owner, "hi").await?;
    let page = desktop.page().await?;

    // A chat is registered from those that are known.
    shows(&page, "chats").await?;
    page.press_with("Alice").await?;
    page.press("Let Andy listen here").await?;
    page.reads("Stop listening here").await?;
    picture(&scene, &page, "chats").await?;
    let group = scene.ctl(&["groups", "list"]).await?[0].clone();
    assert_eq!((&group["jid"], &group["folder"]), (&json!(alice.jid()), &json!("alice")));
    page.press_it("document.querySelector('input[value=every]')").await?;
    until_listed(&scene, &["groups", "list"], |all| all[0]["requiresTrigger"] == false).await?;

    // A task is planned, with its next times before.
    shows(&page, "tasks").await?;
    page.press("New task").await?;
    page.reads("Next times").await?;
    fill(&page, "#prompt", "List what is open").await?;
    picture(&scene, &page, "tasks-new").await?;
    page.press("Create the task").await?;
    page.reads("Mon–Fri at 08:00").await?;
    let task = scene.ctl(&["tasks", "list"]).await?[0].clone();
    assert_eq!((&task["prompt"], &task["value"]), (&json!("List what is open"), &json!("0 8 * * 1,2,3,4,5")));

    // A setting is refused on the spot, and kept.
    shows(&page, "settings").await?;
    page.reads("Containers at once").await?;
    fill(&page, "#MAX_CONCURRENT_CONTAINERS", "0").await?;
    page.reads("from 1 to 1000").await?;
    fill(&page, "#MAX_CONCURRENT_CONTAINERS", "7").await?;
    page.reads("Restart NanoClaw").await?;
    assert_eq!(scene.ctl(&["settings", "get", "MAX_CONCURRENT_CONTAINERS"]).await?["value"], 7);
    // Also to who comes later.
    page.reload().await?;
    shows(&page, "settings").await?;
    page.reads("Restart NanoClaw").await?;
    picture(&scene, &page, "settings").await?;

    // The log as it grows.
    shows(&page, "logs").await?;
    page.reads("Connected to WhatsApp").await?;
    fill(&page, ".logbar .search input", "nobody says this").await?;
    page.reads("Nothing in the log says so").await?;
    fill(&page, ".logbar .search input", "SCHEDULER loop").await?;
    page.reads("Scheduler loop started").await?;
    picture(&scene, &page, "logs").await?;
    shows(&page, "about").await?;
    page.press("Check all").await?;
    page.reads("All settings can be used.").await?;
    picture(&scene, &page, "about").await?;
    page.press("Pack a bundle").await?;
    page.reads("nanoclaw-diagnostics-").await?;
    shows(&page, "kiro").await?;
    page.reads("Who is signed in").await?;
    picture(&scene, &page, "kiro").await?;
    scene.end().await
}

/// Types into a field and leaves it.
pub(crate) async fn fill(page: &Page, field: &str, text: &str) -> Result<()> {
    let (field, text) = (json!(field), json!(text));
    page.until(&format!("document.querySelector({field}) && true")).await?;
    let done = page
        .run(&format!(
            "const field = document.querySelector({field}); field.focus(); field.value = {text};
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); field.dispatchEvent(new Event('change', {{ bubbles: true }}));"
        ))
        .await?;
    anyhow::ensure!(done["error"].is_null(), "{done}");
    Ok(())
}

pub(crate) async fn until_listed(scene: &Scene, words: &[&str], holds: impl Fn(&Value) -> bool) -> Result<()> {
    let deadline = tokio::time::Instant::now() + nanoclaw_e2e::PATIENCE;
    while !holds(&scene.ctl(words).await?) {
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "never so: {words:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_restart_from_the_window_uses_what_was_set() -> Result<()> {
    let mut scene = Scene::begin("desktop_restart").await?;
    let desktop = scene.desktop().await?;
    scene.start_desktop(&desktop, &["--login"]).await?;
    desktop.tray().await?.choose(&["Open NanoClaw"]).await?;
    let page = desktop.page().await?;
    page.reads("Meet Andy").await?;
    shows(&page, "settings").await?;
    page.reads("Containers at once").await?;
    fill(&page, "#ASSISTANT_NAME", "Zoë").await?;
    page.reads("Restart NanoClaw").await?;
    // Pressed a moment later: the page is gone before it could answer.
    page.run("setTimeout(() => document.querySelector('.banner .btn').click(), 100)").await?;
    scene.ended().await?;
    drop(page);
    // Another process takes its place; until then the old one's tray is what is known.
    let deadline = tokio::time::Instant::now() + nanoclaw_e2e::PATIENCE;
    while desktop.tray().await?.shown().await.is_err() {
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "it does not come back");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let tray = desktop.tray().await?;
    tray.until("it needs a person", |shown| shown.icon == "needs-you").await?;
    assert_eq!(scene.ctl(&["status"]).await?["assistant"], "Zoë");
    // Though this start was one at login, the window that it was asked for in is there again.
    desktop.page().await?.reads("Zoë").await?;
    tray.choose(&["Quit NanoClaw"]).await?;
    no_process_has(&format!("NANOCLAW_HOME={}", scene.home().display())).await?;
    scene.end().await
}
