//! B4: what NanoClaw costs while nothing happens.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::sleep;

use crate::linked;

const GROUPS: usize = 200;
/// Until what follows a start has passed.
const SETTLE: Duration = Duration::from_secs(10);
const WATCHED: Duration = Duration::from_secs(60);

pub async fn measure() -> Result<()> {
    let (mut scene, _owner, _alice) = linked("bench_idle").await?;
    for n in 1..GROUPS {
        scene.register(&format!("1203630000{n:08}@g.us"), &format!("Group {n}"), &format!("group-{n}")).await?;
    }
    scene.quit().await?;
    scene.start().await?;
    scene.until("it is connected", |status: &Value| status["whatsapp"]["state"] == "connected").await?;
    let process = scene.app()?.pid().context("it does not run")?;
    sleep(SETTLE).await;
    let (cpu, woken) = (cpu_ticks(process)?, switches(process)?);
    sleep(WATCHED).await;
    let seconds = WATCHED.as_secs_f64();
    let percent = (cpu_ticks(process)? - cpu) as f64 / TICKS_A_SECOND / seconds * 100.0;
    let wakes = (switches(process)? - woken) as f64 / seconds;
    println!(
        "| B4 | idle headless, {GROUPS} groups, {} s | {percent:.2} % of a core, {:.1} MiB private, {wakes:.1} wake-ups a second | | ≤ 0.1 %, ≤ 60 MiB |",
        WATCHED.as_secs(),
        private_kib(process)? as f64 / 1024.0,
    );
    scene.end().await
}

/// Linux counts process time in hundredths of a second for everybody who asks.
const TICKS_A_SECOND: f64 = 100.0;

fn cpu_ticks(process: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything; user and system time are the 12th and 13th after it.
    let fields: Vec<&str> = stat.rsplit_once(')').context("no stat")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).context("no times");
    Ok(ticks(11)? + ticks(12)?)
}

fn private_kib(process: u32) -> Result<u64> {
    Ok(sum(&fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?, &["Private_Clean:", "Private_Dirty:"]))
}

/// How often its threads waited and were woken.
fn switches(process: u32) -> Result<u64> {
    let mut all = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
        all += sum(&status, &["voluntary_ctxt_switches:"]);
    }
    Ok(all)
}

fn sum(text: &str, names: &[&str]) -> u64 {
    text.lines()
        .filter(|line| names.iter().any(|name| line.starts_with(name)))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}
