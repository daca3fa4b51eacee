//! B3: a backlog of texts over many groups, taken in as fast as the server sends. The floor is the same client with an intake
//! that keeps nothing.

use std::{
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use nanoclaw_core::{
    chat::{Inbound, Jid},
    trigger::Trigger,
};
use nanoclaw_e2e::{Phone, Scene};
use nanoclaw_host::{
    channel::whatsapp::{self, Config},
    ports::{Intake, ToChannel},
    store::{Store, messages},
};
use tokio::{
    process::Child,
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{linked, median, terminate};

const GROUPS: usize = 200;
const TEXTS: usize = 5_000;
/// Of NanoClaw and of the floor each, in turns.
const ROUNDS: usize = 3;
const LONGEST: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);

/// The word that makes this program the floor.
pub const FLOOR: &str = "take-and-forget";

pub async fn measure() -> Result<()> {
    let (mut scene, owner, alice) = linked("bench_flood").await?;
    for n in 0..GROUPS {
        scene.whatsapp.group(&jid(n), &format!("Group {n}"), &[&owner, &alice]).await?;
        scene.register(&jid(n), &format!("Group {n}"), &format!("group-{n}")).await?;
    }
    scene.quit().await?;

    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        write(&scene, &alice, &format!("forgotten {round}")).await?;
        floor.push(drained(&scene, scene.program("nanoclaw-bench")?.arg(FLOOR).spawn()?).await?);
        write(&scene, &alice, &format!("kept {round}")).await?;
        let mut program = scene.ctl_program(&["run"])?;
        ours.push(drained(&scene, program.stdout(Stdio::null()).spawn()?).await?);
    }
    nothing_is_lost(&scene.home()).await?;

    let rate = |took: &mut Vec<Duration>| TEXTS as f64 / median(took).as_secs_f64();
    let (ours, floor) = (rate(&mut ours), rate(&mut floor));
    println!(
        "| B3 | {TEXTS} waiting texts over {GROUPS} groups, {ROUNDS} times | {ours:.0} a second, {:.2} × floor; none lost or doubled | {floor:.0} a second: an intake that keeps nothing | ≥ 0.8 × |",
        ours / floor
    );
    scene.end().await
}

/// The texts of a round, while nobody takes them.
async fn write(scene: &Scene, alice: &Phone, what: &str) -> Result<()> {
    for n in 0..TEXTS {
        alice.writes_in(&jid(n % GROUPS), &format!("{what}: {n}")).await?;
    }
    let waiting = queued(scene).await?;
    ensure!(waiting >= TEXTS as u64, "only {waiting} texts wait");
    Ok(())
}

/// From the program's start until the server has no text left.
async fn drained(scene: &Scene, mut program: Child) -> Result<Duration> {
    let began = Instant::now();
    let all = async {
        while queued(scene).await? > 0 {
            sleep(LOOK).await;
        }
        anyhow::Ok(began.elapsed())
    };
    let took = timeout(LONGEST, all).await.context("not all was taken")??;
    terminate(&program)?;
    ensure!(program.wait().await?.success(), "it ended badly");
    Ok(took)
}

async fn queued(scene: &Scene) -> Result<u64> {
    let state = scene.whatsapp.state().await?;
    let queued = state["queued"].as_object().context("no queues")?;
    Ok(queued.values().filter_map(serde_json::Value::as_u64).sum())
}

/// Each text that was to be kept is there once, in its order.
async fn nothing_is_lost(home: &Path) -> Result<()> {
    let store = Store::open(&home.join("store/messages.db")).map_err(|trouble| anyhow::anyhow!("{trouble:?}"))?;
    for group in 0..GROUPS {
        let kept = store.read(move |db| messages::unseen(db, &Jid::new(jid(group)), 0, &Trigger::word("Andy"))).await?;
        let expect = (0..ROUNDS).flat_map(|round| {
            (0..TEXTS).filter(move |n| n % GROUPS == group).map(move |n| format!("kept {round}: {n}"))
        });
        ensure!(kept.iter().map(|message| message.content.clone()).eq(expect), "group {group} has other texts");
    }
    Ok(())
}

fn jid(group: usize) -> String {
    format!("12036300001{group:07}@g.us")
}

struct Forget;

#[async_trait]
impl Intake for Forget {
    async fn accept(&self, _batch: Vec<Inbound>) -> Result<()> {
        Ok(())
    }
}

/// The floor itself: the channel on the sign-in of the Home, and nothing behind it. Ends with SIGTERM.
pub async fn take_and_forget() -> Result<()> {
    let home = std::env::var_os("NANOCLAW_HOME").context("no Home")?;
    let (events, mut told) = mpsc::unbounded_channel();
    let (channel, task) = whatsapp::start(Config::new(Path::new(&home).join("store/auth")), Arc::new(Forget), events);
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    loop {
        tokio::select! {
            Some(_) = told.recv() => {}
            _ = ended.recv() => break,
        }
    }
    channel.send(ToChannel::Shutdown)?;
    task.await?;
    Ok(())
}
