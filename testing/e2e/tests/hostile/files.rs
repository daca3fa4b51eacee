//! Files for the host: what they pretend to be, whose they say they are, how many there are, and what they turn into while
//! they are looked at.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use nanoclaw_e2e::Scene;
use serde_json::json;

use crate::{Town, problems};

const LITTER: &str = r##"
import json, os, socket, subprocess, time
given = json.loads('''GIVEN''')
ipc = "/workspace/ipc"
messages, tasks = ipc + "/messages", ipc + "/tasks"
def put(folder, name, request):
    with open(f"{folder}/{name}.tmp", "w") as file:
        file.write(request if isinstance(request, str) else json.dumps(request))
    os.rename(f"{folder}/{name}.tmp", f"{folder}/{name}.json")
def answer(name):
    for _ in range(400):
        try:
            return json.load(open(f"{ipc}/results/{name}.json"))
        except (OSError, ValueError):
            time.sleep(0.05)
    return "no answer"
"##;

/// Speaks with others' voices.
const VOICES: &str = r##"
jid = given["main"]
digits = jid.split("@")[0]
forms = [jid, jid + "\u200b", "\u202e" + jid, jid.upper(), " " + jid, jid + "\n", jid + "\u0000", "".join(chr(ord(c) + 0xfee0) for c in digits) + "@s.whatsapp.net",
         digits + ":1@s.whatsapp.net", "9" + digits + "@lid", "status@broadcast", "../main", "main", given["family"] + "\u200d", given["family"].replace("g", "\u0261")]
said = []
for n, form in enumerate(forms):
    put(messages, f"voice{n}", {"type": "message", "id": f"voice{n}", "chatJid": form, "groupFolder": "main", "isMain": True, "text": "FORGED"})
    put(tasks, f"plan{n}", {"type": "schedule_task", "id": f"plan{n}", "prompt": "FORGED", "schedule_type": "interval", "schedule_value": "60000", "targetJid": form})
folders = ["..", "../main", "f\u0430mily", "family\u200b", "e\u0301t\u00e9", "main", "global", "errors", "con/../x", "x\u0000", "", "x" * 300]
for n, folder in enumerate(folders):
    put(tasks, f"reg{n}", {"type": "register_group", "id": f"reg{n}", "jid": f"{n}@g.us", "name": "\u202egnp.exe", "folder": folder, "trigger": "x"})
put(tasks, "refresh", {"type": "refresh_groups", "id": "refresh"})
names = [f"{kind}{n}" for kind, all in [("voice", forms), ("plan", forms), ("reg", folders)] for n in range(len(all))] + ["refresh"]
print(sorted({"error" if "error" in answer(name) else f"{name}: {answer(name)}" for name in names}))
"##;

/// Puts there what is no request.
const THINGS: &str = r##"
for n in range(20):
    os.symlink(given["secret"], f"{messages}/link{n}.json")
    os.mkfifo(f"{messages}/pipe{n}.json")
    socket.socket(socket.AF_UNIX).bind(f"{messages}/socket{n}.json")
    with open(f"{messages}/sparse{n}.tmp", "w") as file:
        file.truncate(10 << 30)
    os.rename(f"{messages}/sparse{n}.tmp", f"{messages}/sparse{n}.json")
    put(tasks, f"deep{n}", "[" * 60000)
    put(tasks, f"long{n}", '{"type":"' + "x" * 60000 + '"}')
    put(messages, f"bytes{n}", "\0" * 60000)
with open(f"{messages}/first", "w") as file:
    file.write("{}")
os.link(f"{messages}/first", f"{messages}/second.json")
for n in range(700):
    os.makedirs(f"{tasks}/folder{n}.json/deeper/still")
# What the host writes itself.
for name in ["current_tasks.json", "available_groups.json", ".new-from-host"]:
    subprocess.run(["rm", "-rf", f"{ipc}/{name}"])
    # The host may have written it anew.
    os.symlink(given["secret"], f"{ipc}/lnk")
    os.rename(f"{ipc}/lnk", f"{ipc}/{name}")
subprocess.run(["rm", "-rf", "/workspace/group/logs", "/workspace/group/.kiro"])
for name in ["logs", ".kiro"]:
    os.symlink(given["elsewhere"], f"/workspace/group/{name}")
print("littered")
"##;

/// Files, and folders, that turn into links and back while they are read.
const RACE: &str = r##"
request = json.dumps({"type": "message", "chatJid": given["family"], "text": "mine"})
until = time.monotonic() + 3
n = 0
while time.monotonic() < until:
    n += 1
    name = f"{messages}/race{n % 50}"
    try:
        with open(name + ".tmp", "w") as file:
            file.write("{" if n % 2 else request[:-1])
        os.rename(name + ".tmp", name + ".json")
        os.symlink(given["secret"], name + ".lnk")
        os.rename(name + ".lnk", name + ".json")
        if n % 20 == 0:
            os.rename(messages, ipc + "/was")
            os.symlink(given["elsewhere"], messages)
            os.symlink(given["elsewhere"], ipc + "/results.lnk")
            os.rename(ipc + "/results", ipc + "/results.was")
            os.rename(ipc + "/results.lnk", ipc + "/results")
            put(tasks, f"ask{n}", {"type": "refresh_groups", "id": f"ask{n}"})
            os.unlink(messages)
            os.rename(ipc + "/was", messages)
            os.unlink(ipc + "/results")
            os.rename(ipc + "/results.was", ipc + "/results")
    except OSError:
        pass
# The host makes folders anew that it misses, so that a turn back may have failed.
for name in ["messages", "results"]:
    if os.path.islink(f"{ipc}/{name}"):
        os.unlink(f"{ipc}/{name}")
    os.makedirs(f"{ipc}/{name}", exist_ok=True)
print("raced")
"##;

const MANY: &str = r##"
for n in range(40_000):
    os.close(os.open(f"{messages}/none{n}", os.O_CREAT | os.O_WRONLY))
for n in range(20_000):
    os.close(os.open(f"{tasks}/empty{n}.json", os.O_CREAT | os.O_WRONLY))
print("many")
"##;

#[tokio::test]
async fn no_file_speaks_for_another_or_leads_the_host_astray() -> Result<()> {
    // I2, I3, I4, I6, R2, R7, R8
    let town = Town::begin(Scene::begin("hostile_files").await?).await?;
    let scene = &town.scene;
    let elsewhere = scene.user().join("elsewhere");
    fs::create_dir_all(&elsewhere)?;
    let secret = elsewhere.join("secret.json");
    let text = json!({"type": "message", "chatJid": crate::FAMILY, "text": "SECRET"}).to_string();
    fs::write(&secret, &text)?;
    let given = json!({"main": town.alice.jid(), "family": crate::FAMILY, "secret": secret, "elsewhere": elsewhere});
    let litter = LITTER.replace("GIVEN", &given.to_string());
    let programs = [("voices", VOICES), ("things", THINGS), ("race", RACE), ("many", MANY)];
    let programs: Vec<_> = programs.iter().map(|(word, program)| (*word, format!("{litter}\n{program}"))).collect();
    town.plays(&programs.iter().map(|(word, program)| (*word, program.as_str())).collect::<Vec<_>>())?;
    town.main_answers().await?;
    let memory = town.memory()?;

    town.attack("voices").await?;
    town.bob.hears("Andy: ['error']").await?;
    scene.until("it is shown", |status| !problems(status, "agent-refused").is_empty()).await?;
    for (word, done) in [("things", "littered"), ("race", "raced"), ("many", "many")] {
        let (begun, cpu) = (tokio::time::Instant::now(), town.cpu()?);
        town.attack(word).await?;
        town.main_is_unharmed().await?;
        town.bob.hears(&format!("Andy: {done}")).await?;
        town.main_is_unharmed().await?;
        memory.has_stayed()?;
        eprintln!("{word}: {:?}, {:?} of CPU", begun.elapsed(), town.cpu()? - cpu);
    }
    let log = scene.log().len();
    eprintln!("the log has {log} bytes");
    assert!(log < 1 << 20, "the log has {log} bytes");
    let refused = problems(&scene.app()?.status(), "agent-refused");
    assert!(refused.len() == 1 && refused[0].len() < 500, "{refused:?}");

    // What it left costs next to nothing once it is gone.
    scene.ctl(&["containers", "stop", "family"]).await?;
    scene.containers.until("main's alone is left", |all| all.len() == 1).await?;
    let before = town.cpu()?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let idle = town.cpu()? - before;
    eprintln!("in 3 s without it: {idle:?} of CPU");
    assert!(idle < Duration::from_millis(600), "it still costs {idle:?} in 3 s");

    let all = [town.alice.texts().await?, town.bob.texts().await?].concat();
    assert!(all.iter().all(|text| !text.contains("FORGED") && !text.contains("SECRET")), "{all:?}");
    assert_eq!(fs::read_to_string(&secret)?, text);
    assert_eq!(fs::read_dir(&elsewhere)?.count(), 1, "nothing was written there");
    let groups = scene.ctl(&["groups", "list"]).await?;
    assert_eq!(groups.as_array().map(Vec::len), Some(2), "{groups}");
    assert_eq!(scene.ctl(&["tasks", "list"]).await?, json!([]));
    town.scene.end().await
}

/// Main's agent, which may write in more places.
const MAINS: &str = r##"
import os, subprocess
given = json.loads('''GIVEN''')
elsewhere = given["elsewhere"]
def instead(path, make):
    subprocess.run(["rm", "-rf", path])
    make(path)
def link(path):
    os.symlink(elsewhere, path)
instead("/home/node/.kiro/agents/agent_config.json", os.mkfifo)
instead("/home/node/.kiro/settings", link)
for path in ["/workspace/group/.kiro", "/workspace/group/logs", "/workspace/global/.kiro", "/workspace/ipc/messages",
             "/workspace/ipc/tasks", "/workspace/ipc/results", "/workspace/extra/reading", "/home/node/.kiro/sessions"]:
    instead(path, link)
os.symlink(elsewhere, "/workspace/extra/reading/x") if os.path.isdir("/workspace/extra/reading") else None
print("replaced")
"##;

#[tokio::test]
async fn mains_own_places_lead_nowhere_either() -> Result<()> {
    // R2, R7, R8, R9, X3
    let mut town = Town::begin(Scene::begin("hostile_main").await?).await?;
    let user = town.scene.user().canonicalize()?;
    let elsewhere = user.join("elsewhere");
    for folder in ["elsewhere", "reading", ".config/nanoclaw"] {
        fs::create_dir_all(user.join(folder))?;
    }
    fs::write(user.join("reading/book"), "once upon a time")?;
    let allowed = json!({"allowedRoots": [{"path": "~/reading", "allowReadWrite": false}], "blockedPatterns": [], "nonMainReadOnly": true});
    fs::write(user.join(".config/nanoclaw/mount-allowlist.json"), allowed.to_string())?;
    let given = json!({"elsewhere": elsewhere});
    let mains = format!("import json\n{}", MAINS.replace("GIVEN", &given.to_string()));
    town.plays(&[("replace", &mains), ("read", "print(open('/workspace/extra/reading/book').read())")])?;
    town.main_answers().await?;
    town.alice.writes_to(&town.owner, "replace").await?;
    town.alice.hears("Andy: replaced").await?;
    town.scene.ctl(&["groups", "set", "family", "--mount", "~/reading"]).await?;

    // What the host writes at a run's end, and at its own start.
    let begun = tokio::time::Instant::now();
    town.scene.quit().await?;
    town.scene.start().await?;
    town.scene.until_connected().await?;
    eprintln!("back after {:?}", begun.elapsed());
    town.attack("read").await?;
    let said = town.bob.gets("what it could read", |item| item.kind == "text").await?.text;
    assert!(said.contains("No such file"), "{said}");
    let refused = problems(&town.scene.app()?.status(), "mount-refused");
    assert!(refused.iter().any(|text| text.contains("is taken by something")), "{refused:?}");
    town.main_answers().await?;
    assert_eq!(fs::read_dir(&elsewhere)?.count(), 0, "something was written there");
    let log = town.scene.log();
    for told in ["A run's log can't be written", "What an agent starts from can't be written"] {
        assert!(log.contains(told), "{told} is not in the log");
    }
    town.scene.end().await
}
