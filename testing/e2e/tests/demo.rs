//! `cargo xtask run --demo`, as somebody without an account sees it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nanoclaw_e2e::{App, Desktop, Phone, Setting, desktop::no_process_has};
use tokio::process::Command;

#[tokio::test]
async fn a_message_of_the_panels_is_answered() -> Result<()> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let folder = tempfile::Builder::new().prefix("nc-").tempdir()?;
    let desktop = Desktop::begin(folder.path()).await?;
    let home = checkout.join("target/demo/home").display().to_string();
    let setting =
        Setting { folder: folder.path().to_owned(), environment: vec![("NANOCLAW_HOME".into(), home.clone())] };
    let mut command = Command::new("cargo");
    command.args(["xtask", "run", "--demo"]).current_dir(&checkout).envs(desktop.environment()).kill_on_drop(true);
    let app = App::start(setting, command).await?;

    // The window and the tray are there, and the panel's page opens where people look at it.
    let tray = desktop.tray().await?;
    tray.until("it waits for a scan", |shown| shown.icon == "needs-you").await?;
    let status = app.until("a code is shown", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
    let said = fs::read_to_string(folder.path().join("run.stderr"))?;
    let panel = said.lines().find_map(|line| line.strip_prefix("The phones: ")).context("no panel")?;
    assert_eq!(desktop.opened().await?, Path::new(panel));

    let you = Phone::at(panel, "4915110000001", "You")?;
    let alice = Phone::at(panel, "4915110000002", "Alice")?;
    you.scans(status["whatsapp"]["qr"]["data"].as_str().context("no code")?).await?;
    app.until("it is linked", |status| status["whatsapp"]["state"] == "connected").await?;
    alice.writes_to(&you, "one two three").await?;
    alice.hears("Andy: You said: one two three").await?;

    // Ctrl-C ends all that it started.
    app.quit().await?;
    no_process_has(&format!("NANOCLAW_HOME={home}")).await
}
