//! A first day: linked by the window's QR, at work, steered from the menu, and over.

use anyhow::{Context, Result};
use nanoclaw_e2e::{
    Container, Scene,
    desktop::{Shown, no_process_has},
};
use serde_json::json;

use crate::{keep, people, picture};

#[tokio::test]
async fn from_the_first_code_to_quit() -> Result<()> {
    let mut scene = Scene::begin("desktop_day").await?;
    let desktop = scene.desktop().await?;
    let (owner, alice) = people(&scene).await?;
    scene.kiro().plays(&json!({"turns": [{"match": "slow", "delayMs": 60_000, "parts": ["too late"]}]}))?;
    scene.start_desktop(&desktop, &[]).await?;

    // T1, T2: what is wanted of the person; T5: the window opens by itself, because something is.
    let tray = desktop.tray().await?;
    let scan = "Scan the code with your phone to link WhatsApp";
    let shown = tray.until("it needs a person", |shown| shown.says("needs-you", "Needs you", scan)).await?;
    assert!(shown.row(&["WhatsApp: not linked"]).is_some(), "{shown:?}");
    let quit = |shown: &Shown| shown.row(&["Quit NanoClaw"]).map(|row| row.id);
    let the_row = quit(&shown);
    let page = desktop.page().await?;
    page.reads("Meet Andy").await?;

    // W1: the code is seen in the window, from the menu's own entry, and a phone can read it there.
    tray.choose(&["Link WhatsApp"]).await?;
    let code = page.qr().await?;
    picture(&scene, &page, "whatsapp-code").await?;
    owner.scans(&code).await?;
    // Kiro's sign-in may not be known yet when all else is well.
    let vitals = ["WhatsApp: connected as Owner", "Kiro: signed in", "Docker: running", "Tasks: none planned"];
    let shown = tray
        .until("it is well", |shown| {
            shown.says("ready", "", "All is well")
                && vitals.iter().all(|row| shown.row(&[row]).is_some_and(|row| row.enabled))
        })
        .await?;
    assert!(shown.row(&["No containers running"]).is_some_and(|row| !row.enabled), "{shown:?}");
    page.until("!document.querySelector('.qr')").await?;
    picture(&scene, &page, "whatsapp-connected").await?;

    // T2: a run is a row of the menu and of the window.
    scene.register(&alice.jid(), "Alice & Bob_s chat", "main").await?;
    alice.writes_to(&owner, "slow one").await?;
    let shown = tray
        .until("it works", |shown| {
            shown.says("working", "", "Working in one chat")
                && shown.row(&["Alice & Bob_s chat, under 1 min"]).is_some()
        })
        .await?;
    // The menu is the same one, so that it stays open while rows come and go.
    assert!(the_row.is_some() && quit(&shown) == the_row, "{shown:?}");
    for action in ["Stop", "Restart", "Show log"] {
        assert!(shown.row(&["Alice", action]).is_some_and(|row| row.enabled), "{action} in {shown:?}");
    }
    // A run's own log is there at its end: until then the one log is shown.
    tray.choose(&["Alice", "Show log"]).await?;
    assert_eq!(desktop.opened().await?, scene.home().join("logs/nanoclaw.log"));
    tray.choose(&["Docker: running"]).await?;
    page.reads("Alice & Bob_s chat").await?;
    picture(&scene, &page, "containers-working").await?;
    scene.containers.until("one runs", |all| all.iter().any(Container::is_running)).await?;

    // T3: stopped from the menu, it is stopped at the engine.
    tray.choose(&["Alice", "Stop"]).await?;
    scene.containers.until("none is left", <[_]>::is_empty).await?;
    alice.hears_of("I was stopped before I could answer.").await?;
    tray.until("it is well again", |shown| shown.icon == "ready" && shown.row(&["No containers running"]).is_some())
        .await?;

    // T3, R3: started from the menu, it waits warm, and answers the next message.
    tray.choose(&["Start a container", "Alice"]).await?;
    let up = scene.containers.until("one runs", |all| all.iter().any(Container::is_running)).await?;
    let shown =
        tray.until("it waits for messages", |shown| shown.row(&["Alice & Bob_s chat, ready"]).is_some()).await?;
    assert_eq!(quit(&shown), the_row, "{shown:?}");
    assert!(shown.row(&["Start a container"]).is_none(), "no chat is left without one: {shown:?}");
    assert_eq!(scene.ctl(&["containers", "list"]).await?[0]["kind"], "kept-warm");
    alice.writes_to(&owner, "quick one").await?;
    alice.hears("Andy: echo: quick one").await?;
    let now = scene.containers.list().await?;
    assert_eq!(now.iter().map(|one| &one.id).collect::<Vec<_>>(), [&up[0].id], "the same container");

    // T3: restarted from the menu, another one takes its place.
    tray.choose(&["Alice", "Restart"]).await?;
    scene
        .containers
        .until("another one runs", |all| all.iter().any(|one| one.is_running() && one.id != up[0].id))
        .await?;
    tray.until("it waits again", |shown| shown.row(&["Alice & Bob_s chat, ready"]).is_some()).await?;

    // Q6: quitting is asked about while an agent is at work, in the window and on the command line.
    alice.writes_to(&owner, "slow two").await?;
    tray.until("it works again", |shown| shown.icon == "working").await?;
    tray.choose(&["Quit NanoClaw"]).await?;
    page.reads("Quit while Andy is at work?").await?;
    picture(&scene, &page, "quit").await?;
    page.press("Cancel").await?;
    page.until("!document.querySelector('dialog[open]')").await?;
    let (code, _, said) = scene.ctl_raw(&["quit"]).await?;
    assert!(code == Some(1) && said.contains("--yes"), "{said}");
    tray.choose(&["Alice", "Stop"]).await?;
    tray.until("it was not ended", |shown| shown.icon == "ready").await?;

    // T2: paused and resumed.
    tray.choose(&["Pause"]).await?;
    tray.until("it is paused", |shown| shown.says("paused", "Paused", "Paused")).await?;
    page.reads("Resume").await?;
    picture(&scene, &page, "paused").await?;
    tray.choose(&["Resume"]).await?;
    tray.until("it goes on", |shown| shown.icon == "ready").await?;

    // Q6: the end leaves nothing behind.
    let home = scene.home();
    tray.choose(&["Quit NanoClaw"]).await?;
    scene.ended().await?;
    assert_eq!(scene.containers.list().await?.len(), 0);
    assert!(!home.join("control.sock").exists(), "the socket is gone");
    assert_eq!(std::fs::read_dir(home.join("tray"))?.count(), 0, "the tray's picture is gone");
    let home = home.to_str().context("a path of text")?;
    no_process_has(&format!("NANOCLAW_HOME={home}")).await?;
    scene.end().await
}

#[tokio::test]
async fn a_real_panel_shows_it() -> Result<()> {
    // T1, T2
    let mut scene = Scene::begin("desktop_panel").await?;
    let desktop = scene.desktop().await?;
    let (owner, alice) = people(&scene).await?;
    scene.kiro().plays(&json!({"turns": [{"match": "slow", "delayMs": 60_000, "parts": ["too late"]}]}))?;
    scene.start_desktop(&desktop, &["--login"]).await?;
    let tray = desktop.tray().await?;
    tray.until("it needs a person", |shown| shown.icon == "needs-you").await?;
    keep(&scene, "tray-needs-you", &desktop.picture_of_menu("light").await?)?;
    let status = scene.until("a code is there", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
    owner.scans(status["whatsapp"]["qr"]["data"].as_str().context("no code")?).await?;
    scene.until_connected().await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "slow one").await?;
    tray.until("it works", |shown| shown.icon == "working" && shown.row(&["Alice, under"]).is_some()).await?;
    keep(&scene, "tray-working", &desktop.picture_of_menu("dark").await?)?;
    scene.end().await
}

/// The README's picture is of this one: it needs no container, so that it can be taken as nobody in particular.
#[tokio::test]
async fn a_real_panel_shows_that_all_is_well() -> Result<()> {
    // T1, T2
    let mut scene = Scene::begin("desktop_well").await?;
    let desktop = scene.desktop().await?;
    let (owner, alice) = people(&scene).await?;
    scene.start_desktop(&desktop, &["--login"]).await?;
    let status = scene.until("a code is there", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
    owner.scans(status["whatsapp"]["qr"]["data"].as_str().context("no code")?).await?;
    scene.until_connected().await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    let tray = desktop.tray().await?;
    tray.until("all is well", |shown| shown.icon == "ready" && shown.row(&["Start a container"]).is_some()).await?;
    for theme in ["light", "dark"] {
        keep(&scene, &format!("tray-ready-{theme}"), &desktop.picture_of_menu(theme).await?)?;
    }
    scene.end().await
}
