//! How it starts: at login, by hand, twice; and what it may be asked for by its own page.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::{
    Desktop, PATIENCE, Scene, built,
    desktop::{Tray, no_process_is},
};
use tokio::time::{Instant, timeout};

use crate::picture;

async fn needs_you(desktop: &Desktop) -> Result<Tray> {
    let tray = desktop.tray().await?;
    tray.until("it needs a person", |shown| shown.icon == "needs-you").await?;
    Ok(tray)
}

#[tokio::test]
async fn at_login_no_window_opens() -> Result<()> {
    // T5
    let mut scene = Scene::begin("desktop_login").await?;
    let desktop = scene.desktop().await?;
    scene.start_desktop(&desktop, &["--login"]).await?;
    let tray = needs_you(&desktop).await?;
    assert_eq!(desktop.windows()?.len(), 0);

    // The window is made on demand and destroyed when it is closed; the app goes on.
    tray.choose(&["Open NanoClaw"]).await?;
    let page = desktop.page().await?;
    page.reads("Meet Andy").await?;
    assert_eq!(desktop.windows()?, ["NanoClaw"]);
    drop(page);
    desktop.close_windows().await?;
    let of_this_scene = format!("NANOCLAW_HOME={}", scene.home().display());
    no_process_is("WebKitWebProcess", &of_this_scene).await?;
    tray.choose(&["Pause"]).await?;
    tray.until("it goes on without a window", |shown| shown.row(&["Resume"]).is_some()).await?;
    scene.end().await
}

#[tokio::test]
async fn the_window_opens_where_it_was_closed() -> Result<()> {
    let mut scene = Scene::begin("desktop_place").await?;
    let desktop = scene.desktop().await?;
    scene.start_desktop(&desktop, &["--show"]).await?;
    desktop.page().await?.reads("Meet Andy").await?;
    desktop.put_window((40, 30, 700, 520))?;
    // It has heard of it once its page has the size.
    desktop.page().await?.until("innerWidth === 700 && innerHeight === 520").await?;
    desktop.close_windows().await?;
    let tray = desktop.tray().await?;
    tray.choose(&["Open NanoClaw"]).await?;
    desktop.window_is((40, 30, 700, 520)).await?;
    scene.quit().await?;
    scene.start_desktop(&desktop, &["--show"]).await?;
    desktop.window_is((40, 30, 700, 520)).await?;
    scene.end().await
}

#[tokio::test]
async fn the_login_entry_is_read_from_the_system() -> Result<()> {
    // T5
    let mut scene = Scene::begin("desktop_autostart").await?;
    let desktop = scene.desktop().await?;
    let entry = scene.user().join(".config/autostart/com.nanoclaw.desktop");
    fs::create_dir_all(entry.parent().context("a folder")?)?;
    fs::write(&entry, "[Desktop Entry]\nType=Application\nName=com.nanoclaw\nExec=/usr/bin/node /opt/old/index.js\n")?;

    // Another program's entry counts as off, and is a problem.
    scene.start_desktop(&desktop, &["--login"]).await?;
    let tray = needs_you(&desktop).await?;
    let ticked = |shown: &nanoclaw_e2e::desktop::Shown| shown.row(&["Start at login"]).and_then(|row| row.ticked);
    let shown =
        tray.until("the entry was read", |shown| shown.row(&["Start at login"]).is_some_and(|row| row.enabled)).await?;
    assert_eq!(ticked(&shown), Some(false));
    let has_problem = |status: &serde_json::Value| {
        status["problems"].as_array().is_some_and(|all| all.iter().any(|problem| problem["code"] == "old-service"))
    };
    scene.until("the old entry is a problem", |status| status["autostart"] == false && has_problem(status)).await?;

    // On: it is replaced by ours.
    tray.choose(&["Start at login"]).await?;
    tray.until("it is on", |shown| ticked(shown) == Some(true)).await?;
    scene.until("the problem is gone", |status| status["autostart"] == true && !has_problem(status)).await?;
    let text = fs::read_to_string(&entry)?;
    let exec = format!("Exec=\"{}\" --login\n", built("nanoclaw")?.display());
    assert!(text.contains(&exec), "{exec} in {text}");

    // Off: it is gone. The desktop turns a tick over by itself, so that the row may still be the one that turns it on.
    let deadline = Instant::now() + PATIENCE;
    while scene.ctl(&["status"]).await?["autostart"] == true {
        ensure!(Instant::now() < deadline, "it stays on");
        tray.choose(&["Start at login"]).await?;
        let off = scene.until("it is off", |status| status["autostart"] == false);
        let _ = timeout(Duration::from_secs(2), off).await;
    }
    tray.until("it is off", |shown| ticked(shown) == Some(false)).await?;
    assert!(!entry.exists());
    scene.end().await
}

#[tokio::test]
async fn a_second_start_shows_the_firsts_window() -> Result<()> {
    // T5
    let mut scene = Scene::begin("desktop_twice").await?;
    let desktop = scene.desktop().await?;
    // The default Home: the one that the plugin serves.
    let home = scene.user().join(".local/share/com.nanoclaw");
    scene.set("NANOCLAW_HOME", &home.display().to_string());
    scene.start_desktop(&desktop, &["--login"]).await?;
    needs_you(&desktop).await?;
    assert_eq!(desktop.windows()?.len(), 0);
    // By the system, which may start it after a person has: no window. By a person: the window.
    let second = scene.desktop_program(&desktop)?.arg("--login").status().await?;
    assert!(second.success(), "{second}");
    assert_eq!(desktop.windows()?.len(), 0);
    let third = scene.desktop_program(&desktop)?.status().await?;
    assert!(third.success(), "{third}");
    desktop.page().await?.reads("Meet Andy").await?;
    assert_eq!(desktop.windows()?, ["NanoClaw"]);
    scene.end().await
}

#[tokio::test]
async fn a_home_that_is_in_use_is_refused_in_a_window() -> Result<()> {
    // T5: held by a headless one.
    let mut scene = Scene::begin("desktop_in_use").await?;
    scene.start().await?;
    let desktop = scene.desktop().await?;
    let mut second = scene.desktop_program(&desktop)?.spawn()?;
    let page = desktop.page().await?;
    page.reads("already running").await?;
    picture(&scene, &page, "home-in-use").await?;
    desktop.close_windows().await?;
    let ended = second.wait().await?;
    assert_eq!(ended.code(), Some(1));
    // The one that has it goes on.
    scene.ctl(&["status"]).await?;
    scene.end().await
}

#[tokio::test]
async fn a_home_that_cant_be_used_is_told_in_a_window() -> Result<()> {
    // T5
    let mut scene = Scene::begin("desktop_no_home").await?;
    let desktop = scene.desktop().await?;
    let file = scene.user().join("a file");
    fs::write(&file, "")?;
    scene.set("NANOCLAW_HOME", &file.display().to_string());
    let mut started = scene.desktop_program(&desktop)?.spawn()?;
    let page = desktop.page().await?;
    page.reads("NanoClaw's folder can't be used").await?;
    page.reads("NANOCLAW_HOME").await?;
    picture(&scene, &page, "home-unusable").await?;
    desktop.close_windows().await?;
    assert_eq!(started.wait().await?.code(), Some(1));
    Ok(())
}

#[tokio::test]
async fn without_a_display_it_says_what_works_without_one() -> Result<()> {
    let scene = Scene::begin("desktop_no_display").await?;
    let desktop = scene.desktop().await?;
    for display in ["", ":4242"] {
        let mut program = scene.desktop_program(&desktop)?;
        let output = program.env("DISPLAY", display).stderr(Stdio::piped()).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("there is no display here. `nanoclawctl run` is") && !said.contains("panicked"),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_page_can_call_no_more_than_its_commands() -> Result<()> {
    let mut scene = Scene::begin("desktop_page").await?;
    let desktop = scene.desktop().await?;
    scene.start_desktop(&desktop, &["--show"]).await?;
    needs_you(&desktop).await?;
    let page = desktop.page().await?;
    page.reads("Meet Andy").await?;
    let check = async |body: &str, refusal: &str| -> Result<()> {
        let answer = page.run(body).await?;
        let error = answer["error"].as_str().with_context(|| format!("{body} was not refused: {answer}"))?;
        assert!(error.contains(refusal), "{body}: {error}");
        Ok(())
    };
    let invoke = |command: &str| format!("return window.__TAURI__.core.invoke({command})");
    assert!(page.run(&invoke("'status'")).await?["ok"]["headline"].is_object());
    for command in
        ["'plugin:autostart|enable'", "'plugin:opener|open_path', {path: '/etc'}", "'plugin:window|create', {}"]
    {
        check(&invoke(command), "not allowed").await?;
    }
    for name in ["quit", "send", "groups.register", "settings.set"] {
        check(&invoke(&format!("'command', {{name: '{name}', args: {{}}}}")), "bad-command").await?;
    }
    // What goes wrong in the page is in the one log.
    page.run(&invoke("'plugin:log|log', {level: 4, message: 'the page stumbled'}")).await?;
    assert!(scene.log().contains("WARN the page stumbled"), "{}", scene.log());
    // The strict CSP: nothing from elsewhere, no code from text.
    check("return (0, eval)('1')", "").await?;
    check("return fetch('http://127.0.0.1:9/')", "").await?;
    // Nor does it leave its own page.
    page.run("location.href = 'https://example.org/'").await?;
    assert_eq!(page.run("return location.protocol").await?["ok"], "tauri:");
    scene.end().await
}
