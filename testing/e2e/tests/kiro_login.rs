//! Signing in to Kiro in its other forms: without an address, in a browser, with other accounts; at the person's own terminal;
//! and the agents' own sign-in, lost and ended.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nanoclaw_e2e::Scene;
use serde_json::{Value, json};

const CODE: &str = "WXYZ-QRST";

fn is(status: &Value, place: &str, state: &str) -> bool {
    status["kiro"][place]["state"] == state && status["kiro"]["checking"] == false
}

/// A sign-in that is kept in the data folder; the person takes a moment.
fn kept(login: Value) -> Value {
    let mut script = json!({
        "auth": {"state": "stored", "email": "maya@example.org", "tokens": {"liveMs": 3_600_000}},
        "login": {"code": CODE, "afterMs": 1500},
    });
    script["login"]
        .as_object_mut()
        .into_iter()
        .for_each(|all| all.extend(login.as_object().cloned().unwrap_or_default()));
    script
}

/// In a terminal of the person's.
async fn types(scene: &Scene, words: &[&str]) -> Result<()> {
    let output = scene.program("kiro-cli")?.args(words).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn each_form_of_signing_in() -> Result<()> {
    // K2
    let built = "https://view.awsapps.com/start/#/device?user_code=WXYZ-QRST";
    let google = "https://accounts.google.com/o/device?x=1";
    let github = "https://github.com/login/device";
    let mut scene = Scene::begin("kiro_forms").await?;
    scene.kiro().plays(&kept(json!({})))?;
    scene.start().await?;
    scene.until("signed out", |status| is(status, "host", "signed-out")).await?;
    for (words, login, code, url, account) in [
        // Its code alone is shown: where to type it is known.
        (&["--method", "builder-id"][..], json!({"withoutUrl": true}), Some(CODE), Some(built), "Builder ID"),
        (&["--method", "google"], json!({"url": google}), Some(CODE), Some(google), "Google"),
        (&["--method", "github"], json!({"url": github}), Some(CODE), Some(github), "GitHub"),
        // Not where it should lead: nothing is offered to open.
        (&["--method", "github"], json!({"url": "https://github.com.evil.example/"}), Some(CODE), None, "GitHub"),
        (&["--method", "builder-id", "--browser"], json!({"browserOpens": true}), None, None, "Builder ID"),
        (&["--method", "builder-id"], json!({"older": true, "url": built}), Some(CODE), Some(built), "Builder ID"),
    ] {
        scene.kiro().plays(&kept(login.clone()))?;
        let program = scene.ctl_program(&[&["kiro", "login"], words].concat())?.spawn()?;
        let offered = |status: &Value| {
            let login = &status["kiro"]["login"];
            login["state"] == "waiting" && login["code"] == json!(code) && login["expiresAt"].is_string()
        };
        let status = scene.until(&format!("{words:?} {login}"), offered).await?;
        ensure!(status["kiro"]["login"]["url"] == json!(url), "{words:?}: {}", status["kiro"]["login"]);
        ensure!(program.wait_with_output().await?.status.success(), "{words:?} {login}");
        let status = scene.until("signed in", |status| is(status, "host", "signed-in")).await?;
        let expect = format!("{account}, maya@example.org");
        ensure!(status["kiro"]["host"]["account"] == expect, "{}", status["kiro"]["host"]);
        ensure!(status["kiro"]["usual"]["method"] == words[1], "{}", status["kiro"]["usual"]);
        scene.ctl(&["kiro", "logout", "--yes"]).await?;
    }
    // No browser: another way is named.
    scene.kiro().plays(&kept(json!({})))?;
    let (code, _, stderr) = scene.ctl_raw(&["kiro", "login", "--browser"]).await?;
    ensure!(code == Some(1) && stderr.contains("could not open a browser. Sign in with a code instead"), "{stderr}");
    for outcome in ["Auth portal timed out", "All callback ports are in use"] {
        scene.kiro().plays(&kept(json!({"browserOpens": true, "afterMs": 100, "outcome": outcome})))?;
        let (code, _, stderr) = scene.ctl_raw(&["kiro", "login", "--browser"]).await?;
        ensure!(code == Some(1) && stderr.contains("Sign in with a code instead"), "{outcome}: {stderr}");
    }
    scene.end().await
}

#[tokio::test]
async fn a_sign_in_at_a_terminal_is_seen_while_agents_live() -> Result<()> {
    // K1, K3
    let mut scene = Scene::begin("kiro_terminal").await?;
    let owner = scene.phone("4915110000099", "Owner").await?;
    scene.kiro().plays(&kept(json!({"afterMs": 0})))?;
    types(&scene, &["login", "--use-device-flow"]).await?;
    scene.start_linked_to(&owner).await?;
    let (alice, bob) = (scene.phone("4915110000001", "alice").await?, scene.phone("4915110000002", "bob").await?);
    for (phone, folder) in [(&alice, "main"), (&bob, "bob")] {
        scene.register(&phone.jid(), folder, folder).await?;
    }
    bob.writes_to(&owner, "@Andy one").await?;
    bob.hears("Andy: echo: @Andy one").await?;
    types(&scene, &["logout"]).await?;
    alice.writes_to(&owner, "@Andy two").await?;
    alice.hears_of("I can't answer now: Kiro is signed out.").await?;
    scene.until("it is seen", |status| is(status, "container", "signed-out") && status["kiro"]["parked"] == 1).await?;
    let begun = Instant::now();
    types(&scene, &["login", "--use-device-flow"]).await?;
    alice.hears("Andy: echo: @Andy two").await?;
    ensure!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let status = scene.app()?.status();
    ensure!(status["runs"].to_string().contains("\"bob\""), "bob's agent lives still: {status}");
    scene.end().await
}

#[tokio::test]
async fn the_agents_own_sign_in_comes_back_unless_a_person_ended_it() -> Result<()> {
    // K4
    let mut scene = Scene::begin("kiro_own_lost").await?;
    scene.set("KIRO_MODE", "own");
    let own = scene.home().join("kiro");
    fs::create_dir_all(own.join("kiro"))?;
    fs::write(own.join("kiro/fake-kiro.json"), kept(json!({"afterMs": 100})).to_string())?;
    scene.start().await?;
    scene.until("signed out", |status| is(status, "container", "signed-out")).await?;
    ensure!(scene.ctl_raw(&["kiro", "login"]).await?.0 == Some(0));
    scene.until("signed in", |status| is(status, "container", "signed-in")).await?;

    // An agent that was killed left the store empty.
    let store = own.join("data/data.sqlite3");
    let before = fs::read(&store)?;
    fs::write(&store, "")?;
    let status = scene.ctl(&["kiro", "status"]).await?;
    ensure!(status["container"]["state"] == "signed-in", "{status}");
    ensure!(fs::read(&store)? == before, "the copy is in its place");

    // Ended while it is looked at, it stays so: that look's copy does not bring it back.
    scene.ctl(&["kiro", "status"]).await?;
    let (looked, ended) = tokio::join!(scene.ctl(&["kiro", "status"]), scene.ctl(&["kiro", "logout", "--yes"]));
    looked?;
    ensure!(ended?["container"]["state"] == "signed-out");
    let status = scene.ctl(&["kiro", "status"]).await?;
    ensure!(status["container"]["state"] == "signed-out", "{status}");
    ensure!(fs::read_dir(own.join("backup"))?.next().is_none(), "no copy is left");
    scene.end().await
}
