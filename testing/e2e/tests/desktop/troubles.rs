//! What the menu bar says when something is wrong.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nanoclaw_e2e::{Scene, proxy::Proxy};
use serde_json::json;

use crate::people;

#[tokio::test]
async fn without_an_engine_it_says_so_once() -> Result<()> {
    // T1, T2, T6
    let mut scene = Scene::begin("desktop_no_engine").await?;
    let mut engine = Proxy::at(scene.user().join("engine.sock"));
    engine.open()?;
    scene.set("ENGINE_SOCKET", &engine.address());
    let desktop = scene.desktop().await?;
    let (owner, _) = people(&scene).await?;
    scene.start_desktop(&desktop, &["--login"]).await?;
    let status = scene.until("a code is there", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
    owner.scans(status["whatsapp"]["qr"]["data"].as_str().unwrap_or_default()).await?;
    let tray = desktop.tray().await?;
    tray.until("Docker is there", |shown| shown.row(&["Docker: running"]).is_some()).await?;
    engine.cut().await?;
    let missed = "Docker is not running";
    let shown = tray.until("Docker is missed", |shown| shown.says("offline", "Offline", missed)).await?;
    assert!(shown.row(&["Docker: not running"]).is_some(), "{shown:?}");
    assert!(shown.row(&["No containers can run"]).is_some_and(|row| !row.enabled), "{shown:?}");
    assert_eq!(desktop.notifications(1).await?, ["Docker is not running"]);
    // Its button opens the page that helps.
    assert_eq!(desktop.windows()?.len(), 0);
    desktop.press_on_notification("What helps").await?;
    let page = desktop.page().await?;
    page.until("document.querySelector('h1')?.innerText === 'Containers'").await?;
    page.reads("Docker is not running").await?;
    // Well in between, it is told again; and what nobody has answered is taken back.
    engine.open()?;
    tray.until("Docker is back", |shown| shown.row(&["Docker: running"]).is_some()).await?;
    engine.cut().await?;
    assert_eq!(desktop.notifications(2).await?, ["Docker is not running"; 2]);
    engine.open()?;
    desktop.notification_is_taken_back().await?;
    scene.end().await
}

#[tokio::test]
async fn signed_out_by_the_phone_it_needs_the_person() -> Result<()> {
    // T1, T6
    let mut scene = Scene::begin("desktop_logged_out").await?;
    let desktop = scene.desktop().await?;
    let (owner, _) = people(&scene).await?;
    scene.kiro().plays(&json!({"auth": {"state": "signed-out"}}))?;
    scene.start_desktop(&desktop, &["--login"]).await?;
    assert_eq!(desktop.notifications(1).await?, ["Signed out of Kiro"]);
    let status = scene.until("a code is there", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
    owner.scans(status["whatsapp"]["qr"]["data"].as_str().unwrap_or_default()).await?;
    let tray = desktop.tray().await?;
    tray.until("it needs the person", |shown| shown.says("needs-you", "Needs you", "Kiro is signed out")).await?;
    // T1: within a second of the status that has it.
    owner.unlinks().await?;
    scene.until("it is known", |status| status["whatsapp"]["state"] == "logged-out").await?;
    let known = Instant::now();
    tray.until("the phone has unlinked it", |shown| shown.row(&["Link again"]).is_some()).await?;
    assert!(known.elapsed() < Duration::from_secs(1), "{:?}", known.elapsed());
    assert_eq!(desktop.notifications(2).await?, ["Signed out of Kiro", "Signed out of WhatsApp"]);
    desktop.press_on_notification("Link again").await?;
    let page = desktop.page().await?;
    page.until("document.querySelector('h1')?.innerText === 'WhatsApp'").await?;
    scene.end().await
}

#[tokio::test]
async fn a_failure_that_only_a_start_mends_ends_the_app_with_an_exit_code() -> Result<()> {
    // C3
    let mut scene = Scene::begin("desktop_failure").await?;
    let (owner, alice) = people(&scene).await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    scene.quit().await?;
    let desktop = scene.desktop().await?;
    scene.set("NANOCLAW_PANIC_AT", "result:1");
    scene.start_desktop(&desktop, &["--login"]).await?;
    alice.writes_to(&owner, "hello").await?;
    let end = scene.ended().await.err().context("it ended as if all were well")?.to_string();
    assert!(end.contains("exit status: 1"), "{end}");
    assert_eq!(desktop.notifications(1).await?, ["NanoClaw has stopped"]);
    scene.set("NANOCLAW_PANIC_AT", "");
    scene.start_desktop(&desktop, &["--login"]).await?;
    alice.hears("Andy: echo: hello").await?;
    scene.end().await
}
