//! An agent that owns its container tries what it can: to read and write beyond its mounts, to speak for others, to stop the
//! host or another chat's work, to make the host grow. It is hostile in the chat Family; Alice's chat is main and goes on.
//!
//! What single functions hold is tested beside them (`ipc`, `folders`, `run_log`, `files`, `extra`); here the whole stands.

mod disk;
mod files;
mod floods;
mod machine;
mod walls;

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nanoclaw_e2e::{Phone, Scene};
use serde_json::{Value, json};
use tokio::time::Instant;

const FAMILY: &str = "120363000000000001@g.us";
/// What a chat may wait for an answer while another one's agent does its worst.
const PROMPT: Duration = Duration::from_secs(5);
/// KiB that NanoClaw may grow by, at any moment.
const GROWTH: u64 = 30 << 10;

struct Town {
    scene: Scene,
    owner: Phone,
    /// Main.
    alice: Phone,
    /// Of Family, where the agent is hostile.
    bob: Phone,
    asked: AtomicU32,
}

impl Town {
    /// NanoClaw runs, both chats are registered, nothing was asked yet.
    async fn begin(mut scene: Scene) -> Result<Town> {
        let owner = scene.phone("4915110000001", "Owner").await?;
        let alice = scene.phone("4915110000002", "Alice").await?;
        let bob = scene.phone("4915110000003", "Bob").await?;
        scene.whatsapp.group(FAMILY, "Family", &[&owner, &bob]).await?;
        scene.start_linked_to(&owner).await?;
        scene.register(&alice.jid(), "Alice", "main").await?;
        scene.register(FAMILY, "Family", "family").await?;
        Ok(Town { scene, owner, alice, bob, asked: AtomicU32::new(0) })
    }

    /// Sets what agents do when a message has the word: a program in Python, whose output is the answer.
    fn plays(&self, programs: &[(&str, &str)]) -> Result<()> {
        let turn = |(word, program): &(&str, &str)| json!({"match": word, "run": format!("python3 - 2>&1 <<'END'\n{program}\nEND")});
        self.scene.kiro().plays(&json!({"turns": programs.iter().map(turn).collect::<Vec<_>>()}))
    }

    /// Tells Family's agent the word.
    async fn attack(&self, word: &str) -> Result<()> {
        self.bob.writes_in(FAMILY, &format!("@andy {word}")).await?;
        Ok(())
    }

    /// Main is answered; how long that took.
    async fn main_answers(&self) -> Result<Duration> {
        let text = format!("are you there {}?", self.asked.fetch_add(1, Ordering::Relaxed));
        let asked = Instant::now();
        self.alice.writes_to(&self.owner, &text).await?;
        self.alice.hears(&format!("Andy: echo: {text}")).await?;
        Ok(asked.elapsed())
    }

    /// As [`Self::main_answers`], which may not take long.
    async fn main_is_unharmed(&self) -> Result<()> {
        let took = self.main_answers().await?;
        eprintln!("main was answered in {took:?}");
        assert!(took < PROMPT, "main waited for {took:?}");
        Ok(())
    }

    fn memory(&self) -> Result<Memory> {
        Memory::of(self.scene.app()?.pid().context("NanoClaw has ended")?)
    }

    /// CPU time that NanoClaw took so far.
    fn cpu(&self) -> Result<Duration> {
        let pid = self.scene.app()?.pid().context("NanoClaw has ended")?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 =
            fields.get(11..13).context("no times")?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

/// What the process has in memory, in KiB.
struct Memory {
    pid: u32,
    before: u64,
}

impl Memory {
    /// Reckons the peak anew from now on.
    fn of(pid: u32) -> Result<Memory> {
        fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        Ok(Memory { pid, before: value(pid, "VmRSS:")? })
    }

    fn has_stayed(&self) -> Result<()> {
        let peak = value(self.pid, "VmHWM:")?.saturating_sub(self.before);
        let now = value(self.pid, "VmRSS:")?.saturating_sub(self.before);
        eprintln!("memory: {} KiB before, at most {peak} KiB more, now {now} KiB more", self.before);
        assert!(peak < GROWTH, "it grew by {peak} KiB");
        Ok(())
    }
}

fn value(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let Some(value) = status.lines().find_map(|line| line.strip_prefix(name)) else { bail!("no {name}") };
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}

/// The texts of the problems with this code.
fn problems(status: &Value, code: &str) -> Vec<String> {
    let all = status["problems"].as_array().into_iter().flatten().filter(|problem| problem["code"] == code);
    all.map(|problem| problem["text"].as_str().unwrap_or_default().to_owned()).collect()
}
