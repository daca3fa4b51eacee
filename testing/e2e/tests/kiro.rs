//! Kiro's sign-in: seen on the host and in containers, made and ended, and whose it is.

use std::fs;

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::Scene;
use serde_json::{Value, json};

const CODE: &str = "WXYZ-QRST";
const URL: &str = "https://view.awsapps.com/start/#/device?user_code=WXYZ-QRST";

fn state<'a>(status: &'a Value, place: &str) -> &'a str {
    status["kiro"][place]["state"].as_str().unwrap_or_default()
}

/// A sign-in that is kept in the data folder, as kiro-cli does it.
fn kept(after_ms: u64) -> Value {
    json!({
        "auth": {"state": "stored", "accountType": "BuilderId", "email": "maya@example.org", "tokens": {"liveMs": 3_600_000}},
        "login": {"code": CODE, "url": URL, "afterMs": after_ms},
    })
}

#[tokio::test]
async fn the_sign_in_is_seen_made_and_ended() -> Result<()> {
    // K1, K2
    let mut scene = Scene::begin("kiro").await?;
    scene.kiro().plays(&kept(8000))?;
    scene.start().await?;
    let signed_out =
        |status: &Value| state(status, "host") == "signed-out" && state(status, "container") == "signed-out";
    let status = scene.until("signed out, on the host and in a container", signed_out).await?;
    ensure!(status["headline"]["level"] == "needs-you", "{status}");
    ensure!(status["runs"] == json!([]) && status["kiro"]["mode"] == "shared", "{status}");

    scene.ctl(&["kiro", "status"]).await?;
    let mut login = scene.ctl_program(&["kiro", "login", "--json"])?;
    let ended = login.stdout(std::process::Stdio::piped()).spawn()?;
    let waiting =
        |status: &Value| status["kiro"]["login"]["state"] == "waiting" && status["kiro"]["login"]["url"] == URL;
    let status = scene.until("code and address", waiting).await?;
    ensure!(status["kiro"]["login"]["code"] == CODE && status["kiro"]["login"]["expiresAt"].is_string(), "{status}");
    let (code, _, stderr) = scene.ctl_raw(&["kiro", "login"]).await?;
    ensure!(code == Some(1) && stderr.contains("under way"), "{stderr}");
    let ended = ended.wait_with_output().await?;
    let last: Value = serde_json::from_slice(&ended.stdout)?;
    ensure!(ended.status.success() && last["state"] == "succeeded" && last["code"].is_null(), "{last}");

    let both = |status: &Value| state(status, "host") == "signed-in" && state(status, "container") == "signed-in";
    let status = scene.until("signed in, on the host and in a container", both).await?;
    for place in ["host", "container"] {
        ensure!(status["kiro"][place]["account"] == "Builder ID, maya@example.org", "{status}");
    }
    let (code, _, stderr) = scene.ctl_raw(&["kiro", "login"]).await?;
    ensure!(code == Some(1) && stderr.contains("signed in already: Builder ID, maya@example.org"), "{stderr}");

    // Somebody signs out elsewhere: kiro-cli's data changes.
    fs::remove_file(scene.user().join(".local/share/kiro-cli/data.sqlite3"))?;
    scene.until("it is seen", signed_out).await?;

    let (code, _, stderr) = scene.ctl_raw(&["kiro", "logout"]).await?;
    ensure!(code == Some(1) && stderr.contains("your own terminals too"), "{stderr}");
    let answer = scene.ctl(&["kiro", "logout", "--yes"]).await?;
    ensure!(answer["host"]["state"] == "signed-out", "{answer}");

    // What ends badly is told, and begun again.
    for (outcome, state, says) in [("expired", "expired", "has expired"), ("access_denied", "failed", "access_denied")]
    {
        let mut script = kept(100);
        script["login"]["outcome"] = json!(outcome);
        scene.kiro().plays(&script)?;
        let (code, _, stderr) = scene.ctl_raw(&["kiro", "login"]).await?;
        ensure!(code == Some(1) && stderr.contains(says), "{stderr}");
        ensure!(scene.ctl(&["status"]).await?["kiro"]["login"]["state"] == state);
    }
    scene.kiro().plays(&kept(60_000))?;
    let login = scene.ctl_program(&["kiro", "login"])?.spawn()?;
    scene.until("a code", waiting).await?;
    scene.ctl(&["kiro", "login", "--cancel"]).await?;
    ensure!(!login.wait_with_output().await?.status.success());
    ensure!(scene.ctl(&["status"]).await?["kiro"]["login"]["state"] == "cancelled");
    ensure!(scene.ctl_raw(&["kiro", "login", "--cancel"]).await?.2.contains("No sign-in"));

    // Identity Center asks at a terminal for what it was told already.
    scene.kiro().plays(&kept(3000))?;
    let acme =
        ["--method", "identity-center", "--start-url", "https://acme.awsapps.com/start", "--region", "eu-west-1"];
    let (code, stdout, stderr) = scene.ctl_raw(&[&["kiro", "login"], &acme[..]].concat()).await?;
    ensure!(code == Some(0) && stdout.contains(CODE), "{stdout}{stderr}");
    let status = scene.until("signed in", both).await?;
    let account = "Identity Center, maya@example.org, https://acme.awsapps.com/start, eu-west-1";
    ensure!(status["kiro"]["host"]["account"] == account, "{status}");
    ensure!(status["kiro"]["usual"]["method"] == "identity-center", "{status}");
    scene.end().await
}

#[tokio::test]
async fn what_cannot_be_told_is_not_signed_out() -> Result<()> {
    // K1
    let mut scene = Scene::begin("kiro-unknown").await?;
    scene.kiro().plays(&json!({"auth": {"state": "unreachable"}}))?;
    scene.start().await?;
    let unknown = |status: &Value| state(status, "host") == "unknown" && state(status, "container") == "unknown";
    let status = scene.until("can't tell, twice", unknown).await?;
    ensure!(status["kiro"]["host"]["text"].as_str().is_some_and(|text| text.contains("dispatch failure")), "{status}");
    ensure!(status["problems"].as_array().is_some_and(|all| all.iter().all(|one| one["code"] != "kiro-signed-out")));
    scene.end().await
}

#[tokio::test]
async fn the_agents_own_sign_in() -> Result<()> {
    // K4, R2, R11
    let mut scene = Scene::begin("kiro-own").await?;
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "alice").await?;
    alice.writes_to(&owner, "@Andy one").await?;
    alice.hears("Andy: echo: @Andy one").await?;

    let (code, _, stderr) = scene.ctl_raw(&["kiro", "mode", "own"]).await?;
    ensure!(code == Some(1) && stderr.contains("Chats and messages stay"), "{stderr}");
    // The script lies where the agents' own ~/.kiro is.
    let own = scene.home().join("kiro/kiro");
    fs::create_dir_all(&own)?;
    fs::write(own.join("fake-kiro.json"), kept(3000).to_string())?;
    scene.ctl(&["kiro", "mode", "own", "--yes"]).await?;
    let out = |status: &Value| status["kiro"]["mode"] == "own" && state(status, "container") == "signed-out";
    scene.until("the agents are signed out", out).await?;

    let (code, stdout, stderr) = scene.ctl_raw(&["kiro", "login"]).await?;
    ensure!(code == Some(0) && stdout.contains(CODE) && stdout.contains(URL), "{stdout}{stderr}");
    let signed_in = |status: &Value| state(status, "container") == "signed-in" && status["kiro"]["checking"] == false;
    scene.until("the agents are signed in", signed_in).await?;
    ensure!(!scene.user().join(".local/share/kiro-cli/data.sqlite3").exists(), "nothing of the host's is used");

    alice.writes_to(&owner, "@Andy two").await?;
    alice.hears("Andy: echo: @Andy two").await?;
    let container = scene.containers.list().await?.into_iter().find(|one| one.group() == "alice").context("a run")?;
    let mounts = scene.containers.inspect(&container.name).await?["Mounts"].to_string();
    ensure!(!mounts.contains(&scene.user().display().to_string()), "{mounts}");
    scene.ctl(&["kiro", "logout", "--yes"]).await?;
    ensure!(state(&scene.ctl(&["status"]).await?, "container") == "signed-out");

    // It is kept over a restart, and chats with it.
    scene.quit().await?;
    scene.start().await?;
    scene.until("the agents are signed out", out).await?;
    ensure!(scene.ctl(&["groups", "list"]).await?.as_array().is_some_and(|groups| groups.len() == 1));
    scene.end().await
}
