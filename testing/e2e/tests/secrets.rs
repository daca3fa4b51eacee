//! Pairing code, API key, tokens and the device's code are where they belong, and nowhere that others look: not in a log, an
//! argument, an environment, what the engine tells, what was printed, the diagnostics or a status.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::Scene;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

const KEY: &str = "ksk-planted-0123456789";
/// Its own: other stories run on this computer, and hand theirs to a browser.
const CODE: &str = "SCRT-CODE";
/// How fake-kiro's tokens begin.
const TOKENS: [&str; 2] = ["aoa-fake-access-token", "aor-fake-refresh-token"];

#[tokio::test]
async fn secrets_are_nowhere_that_others_look() -> Result<()> {
    // K2, K4, R3, W2
    let mut scene = Scene::begin("secrets").await?;
    scene.set("LOG_LEVEL", "trace");
    scene.set("KIRO_API_KEY", KEY);
    // No key store answers here: the environment is the way.
    scene.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
    let owner = scene.phone("4915110000001", "Owner").await?;
    let alice = scene.phone("4915110000002", "Alice").await?;
    scene.kiro().plays(&json!({
        "auth": {"state": "stored", "tokens": {"liveMs": 3_600_000}},
        "login": {"code": CODE, "afterMs": 1500},
    }))?;
    scene.start().await?;
    let _pair =
        scene.ctl_program(&["pair", "--phone", "+4915110000001"])?.stdout(std::process::Stdio::null()).spawn()?;
    let shown = |status: &Value| status["whatsapp"]["pairingCode"]["code"].is_string();
    let status = scene.until("a pairing code", shown).await?;
    let pairing = status["whatsapp"]["pairingCode"]["code"].as_str().context("a code")?.to_owned();
    let mut seen = Seen::of(&pairing);
    seen.look(&scene).await?;
    owner.enters(&pairing).await?;
    scene.until_connected().await?;
    scene.register(&alice.jid(), "Alice", "main").await?;

    // The device flow, with its code in the status; then an agent that works with the tokens.
    let login = scene.ctl_program(&["kiro", "login"])?.stdout(std::process::Stdio::null()).spawn()?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        seen.look(&scene).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(login.wait_with_output().await?.status.success());
    let store = fs::read_to_string(scene.user().join(".local/share/kiro-cli/data.sqlite3"))?;
    ensure!(TOKENS.iter().all(|token| store.contains(token)), "it is planted: {store}");
    alice.writes_to(&owner, "@Andy with the tokens").await?;
    alice.hears("Andy: echo: @Andy with the tokens").await?;
    seen.look(&scene).await?;

    // A key, which no store takes.
    let mut key = scene.ctl_program(&["kiro", "key", "set"])?;
    let mut key = key.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?;
    key.stdin.take().context("stdin")?.write_all(format!("{KEY}\n").as_bytes()).await?;
    let refused = key.wait_with_output().await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && said.contains("key store can't be used"), "{said}");

    let own = scene.home().join("kiro/kiro");
    fs::create_dir_all(&own)?;
    fs::write(own.join("fake-kiro.json"), json!({"auth": {"state": "signed-out"}}).to_string())?;
    scene.ctl(&["kiro", "mode", "api-key", "--yes"]).await?;
    let mut status = scene.ctl(&["status"]).await?;
    while status["kiro"]["container"]["state"] != "signed-in" {
        ensure!(begun.elapsed() < Duration::from_secs(90), "the key is not taken in a container: {status}");
        seen.look(&scene).await?;
        status = scene.app()?.status();
    }
    let account = status["kiro"]["container"]["account"].as_str().unwrap_or_default();
    ensure!(account.starts_with("API key"), "{status}");
    alice.writes_to(&owner, "@Andy with the key").await?;
    alice.hears("Andy: echo: @Andy with the key").await?;
    seen.look(&scene).await?;
    ensure!(["run", "whoami"].iter().all(|kind| seen.kinds.contains_key(*kind)), "{:?}", seen.kinds);
    let bundle = scene.home().join("diagnostics.tar");
    let words = ["diagnostics", "--out", &bundle.display().to_string()];
    let (code, _, stderr) = scene.ctl_raw(&words).await?;
    ensure!(code == Some(0) && bundle.exists(), "{stderr}");

    // A part that panics with the key at hand, and then one that nothing can start again: their words tell nothing of it.
    for (moment, ends) in [("engine", false), ("result", true)] {
        scene.kill().await?;
        scene.set("NANOCLAW_PANIC_AT", &format!("{moment}:1"));
        scene.start().await?;
        alice.writes_to(&owner, &format!("@Andy {moment}")).await?;
        if ends {
            ensure!(scene.ended().await.is_err(), "it ended as if all were well");
            scene.set("NANOCLAW_PANIC_AT", "");
            scene.start().await?;
        }
        alice.hears(&format!("Andy: echo: @Andy {moment}")).await?;
        ensure!(scene.log().contains(&format!("this is the moment {moment}")), "it did not panic: {}", scene.log());
    }
    scene.set("NANOCLAW_PANIC_AT", "");

    // Killed in the midst: what it leaves behind tells no more.
    scene.kill().await?;
    seen.search(&scene.home())?;
    let folder = scene.home().parent().context("a folder")?.to_owned();
    seen.search(&folder.join("run.stderr"))?;
    // A person's terminal and program were shown the codes while they lasted, never a key or a token.
    for shown in ["run.stdout", "statuses.jsonl"] {
        Seen { secrets: [&[KEY][..], &TOKENS].concat().into_iter().map(str::to_owned).collect(), ..Seen::default() }
            .search(&folder.join(shown))?;
    }
    scene.start().await?;
    scene.until_connected().await?;
    seen.hides("the status after it", &scene.app()?.status().to_string())?;
    scene.containers.until("what it left is gone", <[_]>::is_empty).await?;
    scene.end().await
}

/// Looks at what every program of the computer, and everybody at the engine, can see.
#[derive(Default)]
struct Seen {
    secrets: Vec<String>,
    /// Containers that were inspected, by kind.
    kinds: HashMap<String, usize>,
}

impl Seen {
    fn of(pairing: &str) -> Seen {
        let device = [CODE.to_owned(), format!("device?user_code={CODE}")];
        let secrets = [KEY].iter().chain(&TOKENS).map(|secret| (*secret).to_owned());
        let pairing = [pairing.to_owned(), pairing.replace('-', "")];
        Seen { secrets: secrets.chain(device).chain(pairing).collect(), kinds: HashMap::new() }
    }

    fn hides(&self, place: &str, text: &str) -> Result<()> {
        for secret in &self.secrets {
            ensure!(!text.contains(secret), "{secret} is in {place}");
        }
        Ok(())
    }

    /// All files of a folder, but those that a sign-in is kept in.
    fn search(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            let kept = ["kiro/kiro", "kiro/data", "kiro/backup"].iter().any(|kept| path.ends_with(kept));
            let mut inside = fs::read_dir(path)?.flatten().filter(|_| !kept);
            inside.try_for_each(|entry| self.search(&entry.path()))
        } else if path.is_file() {
            match fs::read(path) {
                // A container that is ending takes its files along.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                read => self.hides(&path.display().to_string(), &String::from_utf8_lossy(&read?)),
            }
        } else {
            Ok(())
        }
    }

    async fn look(&mut self, scene: &Scene) -> Result<()> {
        for container in scene.containers.all().await? {
            // It may be gone already.
            let Ok(inspected) = scene.containers.inspect(&container.name).await else { continue };
            self.hides("what can be inspected", &inspected.to_string())?;
            self.hides("a container's log", &scene.containers.log(&container.name).await)?;
            *self.kinds.entry(container.labels["com.nanoclaw.kind"].clone()).or_default() += 1;
        }
        for process in fs::read_dir("/proc")?.flatten().map(|entry| entry.path()) {
            let read = |name: &str| {
                String::from_utf8_lossy(&fs::read(process.join(name)).unwrap_or_default()).replace('\0', " ")
            };
            // Before the arguments: a shell that becomes kiro-cli meanwhile is taken for that.
            let environment = read("environ");
            let arguments = read("cmdline");
            self.hides(&format!("the arguments of {arguments}"), &arguments)?;
            // NanoClaw itself was given the key so; kiro-cli, which takes it no other way, has it too.
            let given =
                arguments.contains("nanoclawctl") || arguments.contains("kiro-cli") && !arguments.contains("sh -c");
            let environment = if given { environment.replace(KEY, "") } else { environment };
            self.hides(&format!("the environment of {arguments}"), &environment)?;
        }
        Ok(())
    }
}
