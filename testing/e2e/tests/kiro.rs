//! Kiro's sign-in: seen on the host and in containers, made and ended, and whose it is.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::Scene;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

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
    scene.kiro().plays(&kept(3000))?;
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
    scene.kiro().plays(&kept(500))?;
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
    fs::write(own.join("fake-kiro.json"), kept(300).to_string())?;
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

/// What must be nowhere but where it belongs: in `~` of the agent, and in answers.
const PLANTED: [&str; 3] = ["ksk-planted-0123456789", CODE, "device?user_code"];

#[tokio::test]
async fn secrets_are_nowhere_that_others_look() -> Result<()> {
    // K2, K4, R3
    let mut scene = Scene::begin("kiro-secrets").await?;
    scene.set("LOG_LEVEL", "trace");
    scene.set("KIRO_API_KEY", PLANTED[0]);
    // No key store answers here: the environment is the way.
    scene.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.kiro().plays(&kept(1500))?;
    scene.start_linked_to(&owner).await?;
    scene.register(&alice.jid(), "Alice", "main").await?;
    // The device flow, with its code in the status.
    let mut seen = Seen::default();
    let login = scene.ctl_program(&["kiro", "login"])?.spawn()?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        seen.look(&scene).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(login.wait_with_output().await?.status.success());

    // A key, which no store takes.
    let mut key = scene.ctl_program(&["kiro", "key", "set"])?;
    let mut key = key.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?;
    key.stdin.take().context("stdin")?.write_all(b"ksk-planted-0123456789\n").await?;
    let refused = key.wait_with_output().await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && said.contains("key store can't be used"), "{said}");

    let own = scene.home().join("kiro/kiro");
    fs::create_dir_all(&own)?;
    fs::write(own.join("fake-kiro.json"), json!({"auth": {"state": "signed-out"}}).to_string())?;
    scene.ctl(&["kiro", "mode", "api-key", "--yes"]).await?;
    let keyed = |status: &Value| state(status, "container") == "signed-in";
    let mut status = scene.ctl(&["status"]).await?;
    while !keyed(&status) {
        ensure!(begun.elapsed() < Duration::from_secs(60), "the key is not taken in a container: {status}");
        seen.look(&scene).await?;
        status = scene.app()?.status();
    }
    let account = status["kiro"]["container"]["account"].as_str().unwrap_or_default();
    ensure!(account.starts_with("API key"), "{status}");
    ensure!(!status.to_string().contains(PLANTED[0]), "{status}");
    alice.writes_to(&owner, "@Andy with the key").await?;
    alice.hears("Andy: echo: @Andy with the key").await?;
    seen.look(&scene).await?;
    ensure!(seen.kinds.contains_key("run") && seen.kinds.contains_key("whoami"), "{:?}", seen.kinds);
    scene.quit().await?;

    // All that was written: the log, the runs' logs, what was printed for no person.
    let mut files = vec![scene.home()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path)?.flatten().map(|entry| entry.path()));
        } else if path.is_file() && !path.starts_with(scene.home().join("kiro/kiro")) {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            for secret in PLANTED {
                ensure!(!text.contains(secret), "{secret} is in {}", path.display());
            }
        }
    }
    scene.end().await
}

/// Looks at what every program of the computer, and everybody at the engine, can see.
#[derive(Default)]
struct Seen {
    /// Containers that were inspected, by kind.
    kinds: HashMap<String, usize>,
}

impl Seen {
    async fn look(&mut self, scene: &Scene) -> Result<()> {
        for container in scene.containers.all().await? {
            // It may be gone already.
            let Ok(inspected) = scene.containers.inspect(&container.name).await else { continue };
            let text = inspected.to_string();
            for secret in PLANTED {
                ensure!(!text.contains(secret), "{secret} can be inspected: {text}");
            }
            *self.kinds.entry(container.labels["com.nanoclaw.kind"].clone()).or_default() += 1;
        }
        let ours = scene.home().display().to_string();
        for process in fs::read_dir("/proc")?.flatten().map(|entry| entry.path()) {
            let read = |name: &str| {
                String::from_utf8_lossy(&fs::read(process.join(name)).unwrap_or_default()).replace('\0', " ")
            };
            let arguments = read("cmdline");
            for secret in PLANTED {
                ensure!(!arguments.contains(secret), "{secret} is an argument: {arguments}");
            }
            // NanoClaw itself was given the key so; kiro-cli, which takes it no other way, has it too.
            let environment = read("environ");
            if environment.contains(PLANTED[0]) {
                let given =
                    arguments.contains("nanoclawctl") || arguments.contains("kiro-cli") && !arguments.contains("sh -c");
                ensure!(given, "{arguments} has the key in its environment ({ours})");
            }
        }
        Ok(())
    }
}
