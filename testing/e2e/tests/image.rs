//! The agent's image, built by the app itself from what it carries, with stand-ins for what it would fetch.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use nanoclaw_e2e::{Scene, built};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

const BASE: [&str; 4] =
    ["--build-arg", "BASE_IMAGE=nanoclaw-test-base:latest", "--build-arg", "RUNNER_IMAGE=nanoclaw-test-base:latest"];

/// A scene with an image of its own that is not there yet, and beside its context a runner and fake-kiro.
async fn without_image(name: &str) -> Result<Scene> {
    let mut scene = Scene::begin(name).await?;
    scene.set("AGENT_IMAGE", &image(name));
    let machine = std::env::consts::ARCH;
    let program = built("kiro-cli")?;
    let target = program.parent().and_then(Path::parent).context("no target folder")?;
    let container = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../container");
    let image = scene.home().join("image");
    for (given, name) in [
        (target.join(format!("{machine}-unknown-linux-gnu/debug/kiro-cli")), "kiro-cli/kiro-cli".to_owned()),
        (container.join(format!("prebuilt/nanoclaw-agent-{machine}")), format!("prebuilt/nanoclaw-agent-{machine}")),
    ] {
        let copy = image.join(name);
        fs::create_dir_all(copy.parent().context("no folder")?)?;
        fs::copy(&given, copy).with_context(|| format!("{}: `cargo xtask image --test`", given.display()))?;
    }
    Ok(scene)
}

fn image(name: &str) -> String {
    format!("nanoclaw-e2e-{name}:{}", std::process::id())
}

async fn end(scene: Scene, name: &str) -> Result<()> {
    scene.containers.remove_image(&image(name)).await?;
    scene.end().await
}

fn codes(status: &Value) -> Vec<&str> {
    let problems = status["problems"].as_array().map_or(&[][..], Vec::as_slice);
    problems.iter().filter_map(|problem| problem["code"].as_str()).collect()
}

// Q7: a message waits for the image; the image is built, told step by step, and the message answered by itself.
#[tokio::test]
async fn a_message_waits_for_the_image_that_is_built() -> Result<()> {
    let name = "image_built";
    let mut scene = without_image(name).await?;
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    alice.writes_to(&owner, "hello").await?;
    let status = scene.until("it waits", |status| status["queue"][0]["messages"] == 1).await?;
    assert_eq!(
        (&status["headline"]["level"], &status["engine"]["image"]["state"]),
        (&json!("needs-you"), &json!("missing"))
    );
    let offered =
        status["problems"].as_array().into_iter().flatten().find(|problem| problem["code"] == "image-missing");
    assert_eq!(offered.context("no problem")?["command"]["command"], "image.build");

    let building = |status: &Value| status["engine"]["image"]["progress"]["step"].as_u64() > Some(3);
    let words = [&["image", "build"][..], &BASE].concat();
    let (built, status) = tokio::join!(scene.ctl_raw(&words), scene.until("it is being built", building));
    let (status, (code, stdout, stderr)) = (status?, built?);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.starts_with("Step ") && stdout.contains("copying files"), "{stdout}");
    assert!(stdout.ends_with("The agent's image is ready.\n"), "{stdout}");
    let headline = status["headline"]["text"].as_str().unwrap_or_default();
    assert!(headline.starts_with("Building the agent's image ("), "{headline}");
    assert_eq!((&status["headline"]["level"], &status["queue"][0]["attempt"]), (&json!("working"), &json!(0)));

    alice.hears("Andy: echo: hello").await?;
    let status = scene.until("all is well", |status| status["engine"]["image"]["state"] == "ready").await?;
    assert!(!codes(&status).iter().any(|code| code.starts_with("image")), "{status}");
    assert_eq!(scene.ctl(&["image", "status"]).await?, status["engine"]["image"]);
    assert!(fs::read_to_string(scene.home().join("logs/image-build.log"))?.ends_with("Built.\n"));
    end(scene, name).await
}

#[tokio::test]
async fn it_is_built_without_a_running_nanoclaw() -> Result<()> {
    let name = "image_alone";
    let scene = without_image(name).await?;
    assert_eq!(scene.ctl(&["image", "status"]).await?["state"], "missing");
    let failed =
        [&["image", "build", "--json"][..], &BASE, &["--build-arg", "BASE_IMAGE=localhost:1/no-such"]].concat();
    let (code, stdout, stderr) = scene.ctl_raw(&failed).await?;
    let answer: Value = serde_json::from_str(&stdout).with_context(|| format!("{stdout}{stderr}"))?;
    assert_eq!((code, &answer["error"]["code"]), (Some(1), &json!("image-not-built")), "{answer}");

    let built = scene.ctl(&[&["image", "build"][..], &BASE].concat()).await?;
    assert_eq!(built["state"], "ready");
    assert_eq!(scene.ctl(&["image", "status"]).await?, built);
    let (_, stdout, _) = scene.ctl_raw(&["image", "status"]).await?;
    assert!(stdout.starts_with("The agent's image is ready ("), "{stdout}");
    let (code, _, stderr) = scene.ctl_raw(&["image", "cancel"]).await?;
    assert_eq!(code, Some(1), "{stderr}");
    let (code, ..) = scene.ctl_raw(&["image", "build", "--build-arg", "nonsense"]).await?;
    assert_eq!(code, Some(2));
    end(scene, name).await
}

/// Makes the step that tries kiro-cli last for ever, and the build another than all before.
fn endless(scene: &Scene, name: &str) -> Result<()> {
    let script = format!("#!/bin/sh\n# {name} {}\nsleep 600\n", std::process::id());
    Ok(fs::write(scene.home().join("image/kiro-cli/kiro-cli"), script)?)
}

fn at_kiro(status: &Value) -> bool {
    status["engine"]["image"]["progress"]["text"] == "fetching kiro-cli"
}

// A second build is refused, a build is cancelled, a failed one is told, and each leaves what there was.
#[tokio::test]
async fn a_build_is_cancelled_and_another_fails() -> Result<()> {
    let name = "image_cancelled";
    let mut scene = without_image(name).await?;
    endless(&scene, name)?;
    scene.start().await?;
    scene.until("it is missing", |status| codes(status).contains(&"image-missing")).await?;
    let build = [&["image", "build", "--json"][..], &BASE].concat();
    let cancelled = async {
        scene.until("it is at kiro-cli", at_kiro).await?;
        let (_, refused, _) = scene.ctl_raw(&build).await?;
        scene.ctl(&["image", "cancel"]).await?;
        anyhow::Ok(refused)
    };
    let (built, refused) = tokio::join!(scene.ctl_raw(&build), cancelled);
    let (code, stdout, stderr) = built?;
    assert!(refused?.contains("image-is-being-built"));
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("image-build-cancelled"), "{stdout}");
    scene.until("it is as before", |status| codes(status).contains(&"image-missing")).await?;
    assert!(scene.ctl(&["image", "cancel"]).await.is_err(), "there is nothing to cancel");

    let (code, ..) = scene.ctl_raw(&["image", "build", "--build-arg", "BASE_IMAGE=localhost:1/no-such"]).await?;
    assert_eq!(code, Some(1));
    let status = scene.until("it failed", |status| codes(status).contains(&"image-not-built")).await?;
    let (state, level) = (&status["engine"]["image"]["state"], &status["headline"]["level"]);
    assert_eq!((state, level), (&json!("failed"), &json!("needs-you")));
    assert!(!codes(&status).contains(&"image-missing"), "one trouble is not told twice");

    // Q6: quitting waits for no build.
    let mut asker = scene.ctl_program(&build)?.stdout(Stdio::piped()).spawn()?;
    scene.until("it is at kiro-cli again", at_kiro).await?;
    scene.quit().await?;
    assert_eq!(asker.wait().await?.code(), Some(1));
    end(scene, name).await
}

// Ctrl-C ends a build, and an image that another version made is told of and serves.
#[tokio::test]
async fn ctrl_c_ends_it_and_an_old_image_serves() -> Result<()> {
    let name = "image_interrupted";
    let mut scene = without_image(name).await?;
    let kiro = scene.home().join("image/kiro-cli/kiro-cli");
    let kept = fs::read(&kiro)?;
    endless(&scene, name)?;
    let mut program = scene.ctl_program(&[&["image", "build"][..], &BASE].concat())?;
    let mut process = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(process.stdout.take().context("no stdout")?).lines();
    while !lines.next_line().await?.context("it ended")?.ends_with("fetching kiro-cli") {}
    let pid = process.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).context("it ended")?;
    kill_process(pid, Signal::INT)?;
    let ended = process.wait_with_output().await?;
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("was cancelled"), "{ended:?}");

    fs::write(&kiro, kept)?;
    scene.ctl(&[&["image", "build"][..], &BASE].concat()).await?;
    scene.containers.relabel(&image(name), &[("com.nanoclaw.context", "another")]).await?;
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    let status = scene.until("it is old", |status| codes(status).contains(&"image-stale")).await?;
    assert_eq!((&status["engine"]["image"]["state"], &status["headline"]["level"]), (&json!("stale"), &json!("ready")));
    alice.writes_to(&owner, "hello").await?;
    alice.hears("Andy: echo: hello").await?;
    end(scene, name).await
}
