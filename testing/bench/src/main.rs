//! NanoClaw's figures (`cargo xtask bench`), each a ratio against a floor measured in the same run, where there is one.
//!
//! The programs are those of profile `measure`, seen from outside as in a story; machines are shared and noisy, so NanoClaw
//! and its floor take turns, and medians are told.

#![allow(clippy::print_stdout, reason = "the figures are the answer")]

mod flood;
mod floor;
mod full;
mod idle;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nanoclaw_e2e::{Phone, Scene};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Cold starts, each with one of the floor's.
const COLD: usize = 20;
/// Follow-ups into a live run.
const WARM: usize = 300;
const STARTS: usize = 10;

/// Without words all figures, otherwise those named: `B1`…
#[tokio::main]
async fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if asked == [flood::FLOOR] {
        return flood::take_and_forget().await;
    }
    println!("| id | what | measured | floor | target |");
    println!("|---|---|---|---|---|");
    for figure in ["B1", "B2", "B3", "B4", "B5", "B6"] {
        if asked.is_empty() || asked.iter().any(|one| one == figure) {
            measure(figure).await?;
        }
    }
    Ok(())
}

async fn measure(figure: &str) -> Result<()> {
    match figure {
        "B1" => cold().await,
        "B2" => warm().await,
        "B3" => flood::measure().await,
        "B4" => idle::measure().await,
        "B5" => full::measure().await,
        _ => {
            starts().await?;
            trays().await
        }
    }
}

/// A scene with a contact registered as main.
async fn linked(name: &str) -> Result<(Scene, Phone, Phone)> {
    let mut scene = Scene::begin(name).await?;
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.start_linked_to(&owner).await?;
    scene.until("the image is there", |status| status["engine"]["image"]["state"] == "ready").await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    Ok((scene, owner, alice))
}

/// From a contact's message to the reply at the contact.
async fn answered(owner: &Phone, alice: &Phone, text: &str) -> Result<Duration> {
    let began = Instant::now();
    alice.writes_to(owner, text).await?;
    alice.hears(&format!("Andy: echo: {text}")).await?;
    Ok(began.elapsed())
}

/// B1: with no container up.
async fn cold() -> Result<()> {
    let (scene, owner, alice) = linked("bench_cold").await?;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for n in 0..=COLD {
        let took = answered(&owner, &alice, &format!("cold {n}")).await?;
        let ran = scene.containers.list().await?;
        let inspected = scene.containers.inspect(&ran.first().context("no container")?.name).await?;
        scene.ctl(&["containers", "stop", "main"]).await?;
        scene.containers.until("none is left", <[_]>::is_empty).await?;
        let raw = floor::first_byte(&inspected).await?;
        // The first of each warms the caches.
        if n > 0 {
            ours.push(took);
            floor.push(raw);
        }
    }
    let ratio = median(&mut ours).as_secs_f64() / median(&mut floor).as_secs_f64();
    println!(
        "| B1 | cold: message → reply, {COLD} times | {} ms, {ratio:.2} × floor | {} ms: create + attach + start → first byte | ≤ 1.25 × |",
        ms(median(&mut ours)),
        ms(median(&mut floor)),
    );
    scene.end().await
}

/// B2: into a run that is up.
async fn warm() -> Result<()> {
    let (scene, owner, alice) = linked("bench_warm").await?;
    answered(&owner, &alice, "warm up").await?;
    let mut took = Vec::new();
    for n in 0..WARM {
        took.push(answered(&owner, &alice, &format!("warm {n}")).await?);
    }
    let ran = scene.containers.list().await?;
    anyhow::ensure!(ran.len() == 1, "one container was to answer all, not {}", ran.len());
    took.sort();
    let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
    println!(
        "| B2 | warm: follow-up → reply, {WARM} times | median {} ms, p99 {} ms | | ≤ 30 ms, ≤ 100 ms |",
        ms(median(&mut took)),
        ms(p99)
    );
    scene.end().await
}

/// SIGTERM.
fn terminate(program: &tokio::process::Child) -> Result<()> {
    let pid = program.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).context("it has ended")?;
    Ok(kill_process(pid, Signal::TERM)?)
}

/// B6, headless: start → connected with a kept session.
async fn starts() -> Result<()> {
    let (mut scene, _owner, _alice) = linked("bench_starts").await?;
    let mut took = Vec::new();
    for _ in 0..STARTS {
        scene.quit().await?;
        let began = Instant::now();
        scene.start().await?;
        scene.until("it is connected", |status: &Value| status["whatsapp"]["state"] == "connected").await?;
        took.push(began.elapsed());
    }
    println!(
        "| B6 | start → connected, kept session, {STARTS} times | median {} ms | | ≤ 1,500 ms |",
        ms(median(&mut took))
    );
    scene.end().await
}

/// B6, desktop: start → the tray's icon is in the panel.
async fn trays() -> Result<()> {
    let mut took = Vec::new();
    for n in 0..=STARTS {
        let scene = Scene::begin("bench_trays").await?;
        let desktop = scene.desktop().await?;
        let mut program = scene.desktop_program(&desktop)?;
        let began = Instant::now();
        let mut app = program.arg("--login").spawn()?;
        let tray = desktop.tray().await?;
        // The first reads the libraries from the disk.
        took.extend((n > 0).then(|| began.elapsed()));
        tray.until("it has a menu", |shown| shown.row(&["Quit"]).is_some()).await?;
        tray.choose(&["Quit"]).await?;
        app.wait().await?;
        scene.end().await?;
    }
    println!("| B6 | start → tray ready, {STARTS} times | median {} ms | | ≤ 500 ms |", ms(median(&mut took)));
    Ok(())
}

fn median(all: &mut [Duration]) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 100.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}
