//! The README's first command as people type it, on a machine with a display and on one without.
//!
//! The app is a person's own here, without the fake peers, and would go to WhatsApp: its network has nothing in it. It runs
//! in the last step of `cargo xtask test`, because it builds that app where the other tests take theirs from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nanoclaw_e2e::{App, Desktop, Setting};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// A computer with Rust on it, nothing of NanoClaw's, no engine, and no network.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("nc-").tempdir()?;
        for made in ["user", "run"] {
            fs::create_dir(folder.path().join(made))?;
        }
        Ok(Self { folder })
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("user/.local/share/com.nanoclaw")
    }

    fn setting(&self) -> Result<Setting> {
        let folder = self.folder.path();
        let text = |path: PathBuf| path.display().to_string();
        let of_rust = |name: &str, folder: &str| {
            let set = std::env::var_os(name).map(PathBuf::from);
            set.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(folder))).context("no HOME")
        };
        let environment = [
            ("PATH", std::env::var("PATH")?),
            ("HOME", text(folder.join("user"))),
            ("CARGO_HOME", text(of_rust("CARGO_HOME", ".cargo")?)),
            ("RUSTUP_HOME", text(of_rust("RUSTUP_HOME", ".rustup")?)),
            ("XDG_RUNTIME_DIR", text(folder.join("run"))),
            ("DOCKER_HOST", format!("unix://{}", text(folder.join("no-engine.sock")))),
            ("TZ", "UTC".to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Ok(Setting { folder: folder.to_owned(), environment })
    }

    /// `cargo xtask run`, and the first of its words.
    async fn run(&self, more: &[(&str, String)]) -> Result<App> {
        let setting = self.setting()?;
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--net", "--", "cargo", "xtask", "run"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.env_clear().envs(setting.environment.iter().cloned()).envs(more.iter().cloned()).kill_on_drop(true);
        App::start(setting, command).await
    }

    /// What it said while it built, and what the app said in the terminal.
    fn said(&self, stream: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("run.{stream}"))).unwrap_or_default()
    }
}

fn is_offline(status: &Value) -> bool {
    status["whatsapp"]["state"] == "offline" && status["headline"]["level"] != "ready"
}

#[tokio::test]
#[ignore = "builds the app anew: the last step of `cargo xtask test`"]
async fn without_a_display_it_runs_in_the_terminal() -> Result<()> {
    let machine = Machine::new()?;
    let app = machine.run(&[]).await?;
    app.until("it says that nothing can be reached", is_offline).await?;
    app.quit().await?;

    let (built, shown) = (machine.said("stderr"), machine.said("stdout"));
    for step in ["==> what the app needs", "==> build", "no Docker engine answers"] {
        assert!(built.contains(step), "{step} in {built}");
    }
    assert!(shown.to_lowercase().contains("whatsapp"), "{shown}");
    assert!(machine.home().join("store/messages.db").is_file());
    Ok(())
}

#[tokio::test]
#[ignore = "builds the app anew: the last step of `cargo xtask test`"]
async fn with_a_display_it_shows_itself() -> Result<()> {
    let machine = Machine::new()?;
    let desktop = Desktop::begin(machine.folder.path()).await?;
    let app = machine.run(&desktop.environment()).await?;
    let tray = desktop.tray().await?;
    app.until("it says that nothing can be reached", is_offline).await?;
    let shown = tray.until("it is no green light", |shown| shown.icon != "ready").await?;
    ensure!(!shown.headline().is_empty(), "a tray without a headline");
    tray.choose(&["Quit NanoClaw"]).await?;
    app.ended().await
}
