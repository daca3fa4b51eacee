//! NanoClaw in the computer's own places: what chats may be given, start at login, and how it goes.

use std::fs;

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::{Container, PATIENCE, Scene, built};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn folders_are_allowed_with_and_without_a_nanoclaw() -> Result<()> {
    // X1, X2
    let mut scene = Scene::begin("allowlist").await?;
    fs::create_dir_all(scene.user().join("recipes"))?;
    fs::create_dir_all(scene.user().join(".ssh"))?;
    let none = scene.ctl(&["allowlist", "show"]).await?;
    assert!(none["allowlist"].is_null() && none["problem"].is_null(), "{none}");
    scene.ctl(&["allowlist", "allow", "~/recipes"]).await?;
    scene.start().await?;
    let shown = scene.ctl(&["allowlist", "allow", "~/recipes", "--write"]).await?;
    let root = json!([{"path": "~/recipes", "allowReadWrite": true}]);
    assert_eq!((&shown["allowlist"]["allowedRoots"], &shown["allowlist"]["nonMainReadOnly"]), (&root, &json!(true)));
    for (path, why) in [("~/.ssh", "blocked"), ("recipes", "begin with / or ~"), ("~/gone", "no folder")] {
        let (code, _, said) = scene.ctl_raw(&["allowlist", "allow", path]).await?;
        assert!(code == Some(1) && said.contains(why), "{path}: {said}");
    }
    scene.ctl(&["allowlist", "block", "taxes"]).await?;
    let shown = scene.ctl(&["allowlist", "others", "write"]).await?;
    assert_eq!(
        shown["allowlist"],
        json!({"allowedRoots": root, "blockedPatterns": ["taxes"], "nonMainReadOnly": false})
    );
    let file: Value = serde_json::from_slice(&fs::read(scene.user().join(".config/nanoclaw/mount-allowlist.json"))?)?;
    assert_eq!(file, shown["allowlist"]);
    scene.ctl(&["allowlist", "disallow", "~/recipes"]).await?;
    scene.end().await
}

#[tokio::test]
async fn it_leaves_nothing_but_what_is_the_persons() -> Result<()> {
    // T5, Q6
    let mut scene = Scene::begin("uninstall").await?;
    let image = format!("nanoclaw-agent-uninstall-{}:latest", std::process::id());
    scene.containers.name_image(&std::env::var("NANOCLAW_TEST_IMAGE")?, &image).await?;
    scene.set("AGENT_IMAGE", &image);
    let owner = scene.phone("4915110000001", "Owner").await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&owner.jid(), "Owner", "main").await?;
    scene.ctl(&["containers", "start", "main"]).await?;
    scene.containers.until("one runs", |all| all.iter().any(Container::is_running)).await?;

    let entry = scene.user().join(".config/autostart/com.nanoclaw.desktop");
    assert_eq!(scene.ctl(&["autostart", "status"]).await?["state"], "off");
    let on = scene.ctl(&["autostart", "on"]).await?;
    assert_eq!((&on["state"], &on["program"]), (&json!("on"), &json!(built("nanoclaw")?)));
    assert!(fs::read_to_string(&entry)?.contains("--login"));
    assert_eq!(scene.ctl(&["autostart", "off"]).await?["state"], "off");
    assert!(!entry.exists());
    scene.ctl(&["autostart", "on"]).await?;

    let (code, _, said) = scene.ctl_raw(&["uninstall"]).await?;
    assert!(code == Some(1) && said.contains("--yes") && entry.exists(), "{said}");
    let done = scene.ctl(&["uninstall", "--yes"]).await?;
    scene.ended().await?;
    assert_eq!(
        (&done["autostart"], &done["engine"]["image"], &done["data"]),
        (&json!(true), &json!("removed"), &json!(false))
    );
    assert!(!entry.exists() && scene.home().join("store/messages.db").exists());
    let left = done["left"].as_array().context("what is left")?;
    assert!(left.iter().any(|one| one.as_str().is_some_and(|one| one.contains("uninstall --data"))), "{done}");
    assert_eq!(scene.containers.list().await?.len(), 0);

    let done = scene.ctl(&["uninstall", "--yes", "--data"]).await?;
    assert_eq!((&done["engine"]["image"], &done["data"]), (&json!("none"), &json!(true)));
    assert!(!scene.home().exists() && scene.user().join(".kiro").exists());
    scene.end().await
}

#[tokio::test]
async fn a_restart_uses_what_was_set() -> Result<()> {
    let mut scene = Scene::begin("restart").await?;
    let owner = scene.phone("4915110000001", "Owner").await?;
    scene.start_linked_to(&owner).await?;
    scene.ctl(&["settings", "set", "ASSISTANT_NAME", "Zoë"]).await?;
    let (_, listed, _) = scene.ctl_raw(&["settings", "get"]).await?;
    assert!(listed.contains("settings.json, after a restart"), "{listed}");
    scene.ctl(&["restart"]).await?;
    // Nobody tells when the new one answers: until then there is none to be asked, or still the old one.
    let deadline = Instant::now() + PATIENCE;
    while !scene.ctl(&["status"]).await.is_ok_and(|status| status["assistant"] == "Zoë") {
        ensure!(Instant::now() < deadline, "it does not come back");
        sleep(std::time::Duration::from_millis(50)).await;
    }
    while scene.ctl(&["status"]).await?["whatsapp"]["state"] != "connected" {
        ensure!(Instant::now() < deadline, "it does not connect");
        sleep(std::time::Duration::from_millis(50)).await;
    }
    let found = scene.ctl(&["logs", "--text", "connected TO whatsapp"]).await?;
    // Once in each life, and once more wherever it lost the connection.
    assert!(found["lines"].as_array().is_some_and(|lines| lines.len() >= 2), "{found}");
    assert_eq!(scene.ctl(&["settings", "reset", "ASSISTANT_NAME"]).await?["value"], "Andy");
    scene.ctl(&["quit"]).await?;
    scene.ended().await?;
    scene.end().await
}
