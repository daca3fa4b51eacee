//! What a container sees beside its own folders, and what agents start from: asked for, judged, mounted, shown.

use std::fs;

use anyhow::{Context, Result};
use nanoclaw_e2e::{Container, Phone, Scene};
use serde_json::{Value, json};

const FAMILY: &str = "120363000000000001@g.us";
const ALLOWLIST: &str = ".config/nanoclaw/mount-allowlist.json";

async fn people(scene: &Scene) -> Result<(Phone, Phone)> {
    Ok((scene.phone("4915110000001", "Owner").await?, scene.phone("4915110000002", "Alice").await?))
}

/// The codes of the problems that are shown.
fn codes(status: &Value) -> Vec<&str> {
    status["problems"].as_array().into_iter().flatten().filter_map(|problem| problem["code"].as_str()).collect()
}

/// `place → folder ro|rw` of each extra mount, as the engine has it.
async fn extra(scene: &Scene, container: &str) -> Result<Vec<String>> {
    let inspected = scene.containers.inspect(container).await?;
    let user = scene.user().canonicalize()?;
    let mut mounts: Vec<String> = inspected["Mounts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|mount| {
            let place = mount["Destination"].as_str()?.strip_prefix("/workspace/extra/")?;
            let folder = mount["Source"].as_str()?.replace(&*user.to_string_lossy(), "~");
            Some(format!("{place} → {folder} {}", if mount["RW"] == true { "rw" } else { "ro" }))
        })
        .collect();
    mounts.sort();
    Ok(mounts)
}

/// The one container that runs, once it is there.
async fn up(scene: &Scene) -> Result<Container> {
    let all = scene.containers.until("one runs", |all| all.iter().any(Container::is_running)).await?;
    all.into_iter().find(Container::is_running).context("none runs")
}

async fn group(scene: &Scene, folder: &str) -> Result<Value> {
    let groups = scene.ctl(&["groups", "list"]).await?;
    groups.as_array().into_iter().flatten().find(|group| group["folder"] == folder).cloned().context("no such group")
}

#[tokio::test]
async fn extra_mounts_are_what_the_allowlist_says() -> Result<()> {
    // X1, X2, X3, X4, R2, I3
    let mut scene = Scene::begin("mounts").await?;
    scene.set("IDLE_TIMEOUT", "60000");
    let (owner, alice) = people(&scene).await?;
    scene.whatsapp.group(FAMILY, "Family", &[&owner, &alice]).await?;
    for folder in ["projects", "reading", "private", ".ssh", ".config/nanoclaw"] {
        fs::create_dir_all(scene.user().join(folder))?;
    }
    fs::write(scene.user().join("reading/book"), "once upon a time")?;
    let ask = json!({"type": "register_group", "id": "reg", "jid": FAMILY, "name": "Family", "folder": "family", "trigger": "@Andy",
        "requiresTrigger": false, "containerConfig": {"additionalMounts": [{"hostPath": "~/projects", "readonly": false}]}});
    let register = format!(
        "cd /workspace/ipc/tasks && echo '{ask}' > f.tmp && mv f.tmp f.json; \
         for n in $(seq 200); do [ -e ../results/reg.json ] && break; sleep 0.05; done; cat ../results/reg.json"
    );
    scene.kiro().plays(&json!({"turns": [
        {"match": "look", "run": "cd /workspace/extra; cat reading/book; echo; touch reading/x 2>/dev/null && echo wrote-reading; touch code/made && echo wrote-code; ls"},
        {"match": "register", "run": register},
    ]}))?;
    scene.start_linked_to(&owner).await?;

    // X1: without an allowlist nothing extra is mounted, and it is said at once; the chat works all the same.
    let mounts =
        ["--mount", "~/projects:code:rw", "--mount", "~/reading:rw", "--mount", "~/.ssh:keys", "--mount", "~/private"];
    let jid = alice.jid();
    let words = ["groups", "register", "--jid", &jid, "--name", "Alice", "--folder", "main"];
    scene.ctl(&[&words[..], &mounts].concat()).await?;
    scene.until("it is missed", |status| codes(status).contains(&"mount-allowlist-missing")).await?;
    scene.ctl(&["containers", "start", "main"]).await?;
    assert_eq!(extra(&scene, &up(&scene).await?.name).await?, [""; 0]);

    // Mended, it counts from the next container on.
    fs::write(
        scene.user().join(ALLOWLIST),
        r#"{"allowedRoots": [{"path": "~", "allowReadWrite": false}, {"path": "~/projects", "allowReadWrite": true}],
            "blockedPatterns": ["private"], "nonMainReadOnly": true}"#,
    )?;
    let before = up(&scene).await?.id;
    scene.ctl(&["containers", "restart", "main"]).await?;
    let anew = |all: &[Container]| all.iter().any(|one| one.is_running() && one.id != before);
    let all = scene.containers.until("another runs", anew).await?;
    let main = &all.iter().find(|one| one.is_running()).context("none runs")?.name;
    assert_eq!(extra(&scene, main).await?, ["code → ~/projects rw", "reading → ~/reading ro"]);
    let status = scene.until("it is told", |status| codes(status).contains(&"mount-refused")).await?;
    assert!(!codes(&status).contains(&"mount-allowlist-missing"), "{:?}", codes(&status));
    assert_eq!(codes(&status).iter().filter(|code| **code == "mount-refused").count(), 2, "{}", status["problems"]);
    let seen = &scene.ctl(&["containers", "list"]).await?[0]["mounts"];
    let code = json!({"host": scene.user().canonicalize()?.join("projects"), "container": "/workspace/extra/code", "readOnly": false});
    assert!(seen.as_array().is_some_and(|seen| seen.contains(&code)), "{seen}");

    // The agent sees them so.
    alice.writes_to(&owner, "look").await?;
    alice.hears("Andy: once upon a time\nwrote-code\ncode\nreading").await?;
    assert!(scene.user().join("projects/made").exists() && !scene.user().join("reading/x").exists());

    // I3, X4: main's agent registers a chat that is to see a folder; it gets it read-only.
    alice.writes_to(&owner, "register").await?;
    alice.hears_of("\"ok\":true").await?;
    let family = group(&scene, "family").await?;
    assert_eq!(family["requiresTrigger"], false);
    assert_eq!(family["mounts"], json!([{"hostPath": "~/projects", "readonly": false}]));
    scene.ctl(&["containers", "stop", "main"]).await?;
    scene.containers.until("none is left", <[_]>::is_empty).await?;
    scene.ctl(&["containers", "start", "family"]).await?;
    assert_eq!(extra(&scene, &up(&scene).await?.name).await?, ["projects → ~/projects ro"]);

    // Set anew, the refused ones are gone, and the trouble with them. Bad ones are refused with a sentence.
    scene
        .ctl(&["groups", "set", "main", "--mount", "~/reading:books", "--timeout", "60000", "--tool", "fs_read"])
        .await?;
    scene.until("all is well", |status| !codes(status).contains(&"mount-refused")).await?;
    let (code, _, said) = scene.ctl_raw(&["groups", "set", "main", "--mount", "~/reading:../x"]).await?;
    assert_eq!(code, Some(1));
    assert!(said.contains("can't be its place"), "{said}");
    let main = group(&scene, "main").await?;
    assert_eq!(main["mounts"], json!([{"hostPath": "~/reading", "containerPath": "books", "readonly": true}]));
    assert_eq!((&main["timeout"], &main["tools"]), (&json!(60000), &json!(["fs_read"])));
    scene.end().await
}

#[tokio::test]
async fn agents_have_what_they_start_from_and_one_server_of_our_name() -> Result<()> {
    // R9, R10
    let mut scene = Scene::begin("bootstrap").await?;
    let (owner, alice) = people(&scene).await?;
    let stale =
        r#"{"mcpServers": {"mine": {"command": "x"}, "nanoclaw": {"command": "node", "args": ["/old/mcp.js"]}}}"#;
    fs::create_dir_all(scene.user().join(".kiro/settings"))?;
    let file = scene.user().join(".kiro/settings/mcp.json");
    fs::write(&file, stale)?;
    scene.kiro().plays(&json!({"turns": [
        {"match": "say", "tool": {"server": "nanoclaw", "name": "send_message", "args": {"text": "by our own"}}, "parts": ["said: {output}"]},
        {"match": "read", "run": "head -1 /workspace/group/.kiro/steering/Agents.md /workspace/global/.kiro/steering/Agents.md; echo $KIRO_AGENT_NAME"},
    ]}))?;
    scene.start_linked_to(&owner).await?;
    let status = scene.until("the clash is told", |status| codes(status).contains(&"mcp-clash")).await?;
    let clash = status["problems"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["code"] == "mcp-clash")
        .context("no clash")?;
    assert_eq!(clash["command"]["command"], "kiro.remove-entry");

    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "say").await?;
    alice.hears("Andy: by our own").await?;
    alice.writes_to(&owner, "read").await?;
    alice.hears_of("# How to work here").await?;
    assert!(scene.user().join(".kiro/agents/agent_config.json").is_file());

    let removed = scene.ctl(&["kiro", "remove-entry"]).await?;
    assert_eq!(fs::read_to_string(&file)?, r#"{"mcpServers": {"mine": {"command": "x"}}}"#);
    let backup = removed[0]["backup"].as_str().context("no backup")?;
    assert_eq!(fs::read_to_string(backup)?, stale);
    scene.until("the clash is gone", |status| !codes(status).contains(&"mcp-clash")).await?;
    scene.end().await
}
