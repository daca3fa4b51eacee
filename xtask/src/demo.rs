//! `cargo xtask run --demo`: the real app with a WhatsApp and a Kiro that stand in for the real ones, and a panel in the
//! browser that plays the phones.
//!
//! Everything lies in `target/demo`, made anew each time: the stand-in of WhatsApp forgets who was linked when it ends, so a
//! Home that was kept would only be one that is logged out. The app's user folder is there too: nothing of the person's own
//! Kiro or AWS is ever seen. Called by `run`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::engine::{self, Engine};
use crate::program::{cargo, is_installed, root, run, search_path};
use crate::run::{built, has_display, programs};
use crate::steps::Steps;
use crate::test::FEATURES;
use crate::{image, needs};

const OWNER: &str = "4915110000001";
const ALICE: &str = "4915110000002";
const BOB: &str = "4915110000003";
const FAMILY: &str = "120363000000000001@g.us";
/// How long the app has to end: its own last deadlines (behaviour Q6) and a little more.
const END: Duration = Duration::from_secs(40);

/// Builds, and plays until Ctrl-C or until the app ends.
pub fn demo(headless: bool) -> Result<()> {
    let mut steps = Steps::begin();
    steps.step("what the app needs", || needs::for_run(headless))?;
    steps.step("build", || {
        let mut build = cargo();
        build.arg("build").args(programs(headless)).args(["--bin", "fake-whatsapp", "--bin", "kiro-cli"]);
        // No manifest may say these (the walls test holds that).
        build.args(FEATURES);
        run(&mut build)
    })?;
    let agents = steps.step("agents", agents)?;
    steps.end();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(play(headless, agents))
}

/// The part of the app's environment that says where its agents run.
fn agents() -> Result<Vec<(&'static str, String)>> {
    if let Some(engine) = Engine::find() {
        let made = image::test_base(&engine).and_then(|()| image::agent_for_tests(&engine));
        match made {
            Ok(()) => {
                let image = image::AGENT_FOR_TESTS.to_owned();
                return Ok(vec![("DOCKER_HOST", engine.host.clone()), ("AGENT_IMAGE", image)]);
            }
            Err(trouble) => eprintln!("    {trouble:#}"),
        }
    } else {
        eprintln!("    {}", engine::missing());
    }
    eprintln!("    So the agent runs as a program of this computer, without a container.");
    let runner = image::runner_for_host()?;
    Ok(vec![("AGENT_RUNTIME", "host".to_owned()), ("NANOCLAW_AGENT_PATH", runner.display().to_string())])
}

async fn play(headless: bool, agents: Vec<(&'static str, String)>) -> Result<()> {
    // Heard from here on: everything that is started ends in order.
    let [mut interrupt, mut terminate, mut hangup] =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    let folder = root().join("target/demo");
    furnish(&folder)?;
    let (mut whatsapp, place) = whatsapp(&folder).await?;
    let server = place["adminUrl"].as_str().and_then(|url| url.strip_suffix("/admin")).context("no adminUrl")?;
    let panel = format!("{server}/panel");
    people(server).await?;

    let environment = environment(&folder, place["url"].as_str().context("no url")?, agents)?;
    let name = if headless { "nanoclawctl" } else { "nanoclaw" };
    let mut app = started(name, &environment).arg(if headless { "run" } else { "--show" }).spawn()?;
    eprintln!(
        "\nThe phones: {panel}\n  1. Scan the code there, as You.\n  2. Write to yourself, in Family with \"@Andy …\", or as \
         Alice to You; Andy answers.\n  Ctrl-C ends the demo.\n"
    );
    open(&panel);
    let watched = tokio::select! {
        _ = app.wait() => Ok(()),
        watched = watch(server, &environment) => watched,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    };
    let ended = end(&mut app).await?;
    whatsapp.kill().await?;
    watched?;
    if !ended.success() {
        bail!("the app ended with {ended}");
    }
    Ok(())
}

/// An empty Home, a user folder, and what the stand-in of Kiro says.
fn furnish(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} can't be emptied", folder.display()))?;
    }
    for made in ["user/.kiro/sessions", "user/.aws", "user/.local/share/kiro-cli", "home"] {
        fs::create_dir_all(folder.join(made))?;
    }
    let turn = |pattern: &str, delay: u64, parts: &[&str]| json!({"match": pattern, "delayMs": delay, "parts": parts});
    let script = json!({"turns": [
        turn(r"(?i)>\s*(@andy\s+)?(hello|hi|hey)\b[^<]*</message>\s*</messages>", 1200, &["Hello. ", "I am Andy, as the demo plays me."]),
        turn(r"(?i)(what can you do|help)[^<]*</message>\s*</messages>", 1800, &[
            "With a real Kiro I read, write and run things in a folder of this chat. Here I only repeat what I hear."]),
        turn("", 1800, &["You said: {text}"]),
    ]});
    fs::write(folder.join("user/.kiro/fake-kiro.json"), script.to_string())?;
    Ok(())
}

/// The stand-in of WhatsApp, and its one line about where it is.
async fn whatsapp(folder: &Path) -> Result<(Child, Value)> {
    let mut process = started("fake-whatsapp", &[])
        .args(["serve", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(fs::File::create(folder.join("whatsapp.log"))?)
        .spawn()?;
    let stdout = process.stdout.take().context("no stdout")?;
    let line = BufReader::new(stdout).lines().next_line().await?.context("fake-whatsapp ended: see whatsapp.log")?;
    Ok((process, serde_json::from_str(&line)?))
}

async fn people(server: &str) -> Result<()> {
    for (pn, name) in [(OWNER, "You"), (ALICE, "Alice"), (BOB, "Bob")] {
        let account = json!({"pn": pn, "lid": format!("9{pn}"), "pushName": name});
        post(server, "/admin/accounts", &account.to_string()).await?;
    }
    let family = json!({"jid": FAMILY, "subject": "Family", "members": [OWNER, ALICE, BOB]});
    post(server, "/admin/groups", &family.to_string()).await
}

/// The person's own, but for everything that says where things of theirs are.
fn environment(folder: &Path, url: &str, agents: Vec<(&'static str, String)>) -> Result<Vec<(String, String)>> {
    let path = |path: PathBuf| path.display().to_string();
    let ours = [
        ("PATH", search_path()),
        ("HOME", path(folder.join("user"))),
        ("NANOCLAW_HOME", path(folder.join("home"))),
        ("NANOCLAW_WHATSAPP_URL", url.to_owned()),
        ("NANOCLAW_KIRO_CLI_PATH", path(built("kiro-cli", false))),
    ];
    let kept = |name: &str| {
        ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "LANG", "TERM", "TZ"].contains(&name)
            || name == "XDG_RUNTIME_DIR"
            || name.starts_with("XDG_CURRENT")
            || name.starts_with("XDG_SESSION")
    };
    let mut all: Vec<(String, String)> = std::env::vars().filter(|(name, _)| kept(name)).collect();
    if let (None, Some(home)) = (std::env::var_os("XAUTHORITY"), std::env::var_os("HOME")) {
        let file = Path::new(&home).join(".Xauthority");
        all.extend(file.exists().then(|| ("XAUTHORITY".to_owned(), path(file))));
    }
    all.extend(ours.into_iter().chain(agents).map(|(name, value)| (name.to_owned(), value)));
    Ok(all)
}

/// A program of this build, in a process group of its own: Ctrl-C reaches us alone, and each is ended in its turn.
fn started(name: &str, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(built(name, false));
    if !environment.is_empty() {
        command.env_clear().envs(environment.iter().cloned());
    }
    command.current_dir(root()).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    command
}

/// Holds the code that the app shows to the phone's camera, and registers the demo's chats once, until the app ends.
async fn watch(server: &str, environment: &[(String, String)]) -> Result<()> {
    let mut registered = false;
    loop {
        // Refused until the app's socket is there.
        let mut watcher = started("nanoclawctl", environment)
            .args(["status", "--watch", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(watcher.stdout.take().context("no stdout")?).lines();
        let mut shown = None;
        while let Some(line) = lines.next_line().await? {
            let status: Value = serde_json::from_str(&line)?;
            if !registered {
                register(environment).await?;
                registered = true;
            }
            let code = status["whatsapp"]["qr"]["data"].as_str().unwrap_or_default().to_owned();
            if shown.as_ref() != Some(&code) {
                post(server, "/panel/screen", &code).await?;
                shown = Some(code);
            }
        }
        watcher.wait().await?;
        sleep(Duration::from_millis(100)).await;
    }
}

/// The owner's chat with themselves is the main one; with Alice every message is answered; Family wants "@Andy". Bob is
/// left for the person to register.
async fn register(environment: &[(String, String)]) -> Result<()> {
    let (owner, alice) = (format!("{OWNER}@s.whatsapp.net"), format!("{ALICE}@s.whatsapp.net"));
    for (jid, name, folder, more) in [
        (owner.as_str(), "You", "main", &[][..]),
        (&alice, "Alice", "alice", &["--no-trigger"]),
        (FAMILY, "Family", "family", &[]),
    ] {
        let words = ["groups", "register", "--jid", jid, "--name", name, "--folder", folder];
        let output = started("nanoclawctl", environment).args(words).args(more).output().await?;
        if !output.status.success() {
            bail!("{name} could not be registered: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(())
}

async fn post(server: &str, path: &str, body: &str) -> Result<()> {
    let address = server.strip_prefix("http://").context("no http address")?;
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("{path} was refused: {}", answer.lines().last().unwrap_or_default());
    }
    Ok(())
}

/// Where there is a browser. The address was printed anyway.
fn open(address: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let shown = has_display();
    if shown && is_installed(opener) {
        let quiet = || Stdio::null();
        let _ = std::process::Command::new(opener).arg(address).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    }
}

/// Asks it to end, if it has not yet.
async fn end(app: &mut Child) -> Result<std::process::ExitStatus> {
    if let Some(pid) = app.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        kill_process(pid, Signal::TERM)?;
    }
    timeout(END, app.wait()).await.context("the app does not end")?.context("the app's end")
}
