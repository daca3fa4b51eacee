//! The machine's own: processes, memory, time to end.

use std::time::Duration;

use anyhow::{Result, ensure};
use nanoclaw_e2e::{PATIENCE, Scene};
use tokio::time::{Instant, sleep};

use crate::Town;

/// In the background, out of reach of whoever ends Kiro's process group.
const BOMBS: [(&str, &str); 3] = [
    (
        "forks",
        r##"
import os, signal
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    for fd in range(3):
        os.close(fd)
    while True:
        try:
            os.fork()
        except OSError:
            pass
import time
until = time.monotonic() + 60
while time.monotonic() < until:
    try:
        os.fork() or os._exit(0)
    except OSError as error:
        print("no more:", error.strerror)
        break
"##,
    ),
    (
        "memory",
        r##"
import os, time
if os.fork() == 0:
    held = []
    while True:
        held.append(bytearray(os.urandom(1 << 20)))
time.sleep(3)
print("outlived it")
"##,
    ),
    (
        "freeze",
        r##"
import glob, os, signal, time
for path in glob.glob("/proc/[0-9]*/comm"):
    pid = int(path.split("/")[2])
    if pid not in (1, os.getpid()):
        try:
            os.kill(pid, signal.SIGSTOP)
        except OSError:
            pass
open("/workspace/group/frozen", "w")
time.sleep(600)
"##,
    ),
];

#[tokio::test]
async fn no_bomb_and_no_stubbornness_outlives_a_stop() -> Result<()> {
    // R1, R5, Q1
    let mut scene = Scene::begin("hostile_machine").await?;
    scene.set("CONTAINER_MEMORY", "268435456");
    scene.set("PIDS_LIMIT", "100");
    let town = Town::begin(scene).await?;
    town.plays(&BOMBS)?;
    town.main_answers().await?;
    let memory = town.memory()?;

    town.attack("memory").await?;
    town.main_is_unharmed().await?;
    town.bob.gets("an answer, or that there is none", |item| item.kind == "text").await?;
    town.attack("forks").await?;
    town.main_is_unharmed().await?;
    town.bob.hears_of("no more:").await?;
    town.main_is_unharmed().await?;
    town.attack("freeze").await?;
    let frozen = town.scene.home().join("groups/family/frozen");
    let deadline = Instant::now() + PATIENCE;
    while !frozen.exists() {
        ensure!(Instant::now() < deadline, "it never froze");
        sleep(Duration::from_millis(20)).await;
    }
    town.main_is_unharmed().await?;
    let asked = Instant::now();
    town.scene.ctl(&["containers", "stop", "family"]).await?;
    town.main_is_unharmed().await?;
    town.bob.hears_of("I was stopped").await?;
    eprintln!("stopped in {:?}", asked.elapsed());
    town.scene.containers.until("main's alone is left", |all| all.len() == 1).await?;
    memory.has_stayed()?;

    town.attack("and now?").await?;
    town.bob.hears("Andy: echo: @andy and now?").await?;
    town.scene.end().await
}
