//! Output without end: rubbish, lines, half frames, bad ones, good ones that nobody asked for.

use std::fs;

use anyhow::{Result, ensure};
use nanoclaw_e2e::{PATIENCE, Scene};
use tokio::time::Instant;

use crate::Town;

/// Writes past its runner, as everything in the container may.
const SPILL: &str = r##"
import json, os, time
out, err = os.open("/proc/1/fd/1", os.O_WRONLY), os.open("/proc/1/fd/2", os.O_WRONLY)
START, END = b"---NANOCLAW_OUTPUT_START---\n", b"\n---NANOCLAW_OUTPUT_END---\n"
def write(fd, data):
    while data:
        data = data[os.write(fd, data):]
def spilled():
    os.close(os.open("/workspace/group/spilled", os.O_CREAT))
def frame(**output):
    return START + json.dumps({"status": "success", "result": None} | output).encode() + END
"##;

const PROGRAMS: [(&str, &str); 5] = [
    (
        "rubbish",
        r##"
for _ in range(100):
    write(out, b"x" * (1 << 20))
write(out, b"\n")
for _ in range(100):
    write(out, (b"y" * 99 + b"\n") * 10000)
    write(err, b"z" * (1 << 20))
spilled()
"##,
    ),
    (
        "halves",
        r##"
for _ in range(20000):
    write(out, START)
for _ in range(20000):
    write(out, END)
for _ in range(20000):
    write(out, START + b'{"status":"dance"}' + END)
for text in ['{"result":' * 100000, "[" * 1000000, '{"status":"success","result":"\\ud800"}', '{"status":"success","turn":-1}', "\0"]:
    write(out, START + text.encode() + END)
spilled()
"##,
    ),
    (
        "answers",
        r##"
until = time.monotonic() + 4
n = 0
if os.fork() == 0:
    while time.monotonic() < until:
        n += 1
        write(out, frame(result=f"unasked {n}", turn=n) * 100)
    os._exit(0)
time.sleep(4)
spilled()
"##,
    ),
    (
        "asks",
        r##"
def put(folder, name, request):
    path = f"/workspace/ipc/{folder}/{name}"
    with open(path + ".tmp", "w") as file:
        json.dump(request, file)
    os.rename(path + ".tmp", path + ".json")
for n in range(300):
    put("messages", f"m{n}", {"type": "message", "chatJid": "120363000000000001@g.us", "text": "v" * 60000})
    put("tasks", f"t{n}", {"type": "schedule_task", "prompt": "u" * 15000, "schedule_type": "once", "schedule_value": "2099-01-01T00:00:00"})
time.sleep(6)
spilled()
"##,
    ),
    (
        "long",
        r##"
until = time.monotonic() + 4
if os.fork() == 0:
    text = "w" * (19 << 16)
    while time.monotonic() < until:
        write(out, frame(result=text, newSessionId="../" * 100000))
    os._exit(0)
time.sleep(4)
spilled()
"##,
    ),
];

#[tokio::test]
async fn no_output_fills_the_memory_or_holds_others_up() -> Result<()> {
    // R4, R6, C1
    let town = Town::begin(Scene::begin("hostile_floods").await?).await?;
    let programs: Vec<_> = PROGRAMS.iter().map(|(word, program)| (*word, format!("{SPILL}\n{program}"))).collect();
    town.main_answers().await?;
    for (word, program) in &programs {
        eprintln!("{word}:");
        town.plays(&[(word, program.as_str())])?;
        let memory = town.memory()?;
        town.attack(word).await?;
        let spilled = town.scene.home().join("groups/family/spilled");
        let deadline = Instant::now() + PATIENCE;
        while !spilled.exists() {
            ensure!(Instant::now() < deadline, "{word} does not end");
            town.main_is_unharmed().await?;
        }
        fs::remove_file(spilled)?;
        // Its own answer may come behind all that.
        // It may have ended by itself, to be tried again: that does no harm any more.
        town.plays(&[])?;
        town.scene.ctl_raw(&["containers", "stop", "family"]).await?;
        town.main_is_unharmed().await?;
        town.scene.containers.until("main's alone is left", |all| all.len() == 1).await?;
        town.main_is_unharmed().await?;
        memory.has_stayed()?;
    }
    let log = town.scene.log();
    eprintln!("the log has {} bytes", log.len());
    assert!(log.len() < 1 << 20, "the log has {} bytes", log.len());
    for told in ["can't be used", "too many results"] {
        assert!(log.contains(told), "{told} is not in the log");
    }
    town.scene.end().await
}
