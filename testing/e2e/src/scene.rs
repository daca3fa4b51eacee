//! A scene: one NanoClaw with a Home of its own, one WhatsApp, one engine, and what they leave behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{App, Setting};
use crate::{Containers, Desktop, Kiro, Phone, WhatsApp, built};

/// Made by a test, ended by [`Scene::end`].
pub struct Scene {
    name: String,
    folder: TempDir,
    settings: Vec<(String, String)>,
    /// The server and what can go wrong at it.
    pub whatsapp: WhatsApp,
    /// The scene's containers.
    pub containers: Containers,
    app: Option<App>,
    ended: bool,
}

impl Scene {
    /// An empty Home, a server without accounts, nothing started. `name`: the test's, which names its artefacts.
    pub async fn begin(name: &str) -> Result<Self> {
        // Not the Home's own folders: that NanoClaw makes them is part of the story. The user's are the user's.
        let folder = tempfile::Builder::new().prefix("nc-").tempdir()?;
        for made in ["user/.kiro", "user/.aws", "user/.local/share/kiro-cli", "run"] {
            fs::create_dir_all(folder.path().join(made))?;
        }
        fs::set_permissions(folder.path().join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let whatsapp = WhatsApp::start(folder.path()).await?;
        let containers = Containers::of(folder.path().canonicalize()?).await?;
        Ok(Self { name: name.to_owned(), folder, settings: Vec::new(), whatsapp, containers, app: None, ended: false })
    }

    /// A setting or any other variable for the programs started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// A person with a phone. `pn`: digits.
    pub async fn phone(&self, pn: &str, name: &str) -> Result<Phone> {
        self.whatsapp.phone(pn, name).await
    }

    pub fn kiro(&self) -> Kiro {
        Kiro { folder: self.user().join(".kiro") }
    }

    /// NanoClaw's Home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The home folder of the person whose machine this is.
    pub fn user(&self) -> PathBuf {
        self.folder.path().join("user")
    }

    /// The log file as it is now.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home().join("logs/nanoclaw.log")).unwrap_or_default()
    }

    /// Starts NanoClaw; on a Home that was linked before it connects by itself.
    pub async fn start(&mut self) -> Result<()> {
        if self.app.is_some() {
            bail!("it runs already");
        }
        let setting = self.setting()?;
        let mut program = setting.nanoclawctl()?;
        program.arg("run");
        self.app = Some(App::start(setting, program).await?);
        Ok(())
    }

    /// Starts the desktop app instead of `nanoclawctl run`.
    pub async fn start_desktop(&mut self, desktop: &Desktop, arguments: &[&str]) -> Result<()> {
        if self.app.is_some() {
            bail!("it runs already");
        }
        let mut program = self.desktop_program(desktop)?;
        program.args(arguments);
        self.app = Some(App::start(self.setting()?, program).await?);
        Ok(())
    }

    /// The desktop app, not started.
    pub fn desktop_program(&self, desktop: &Desktop) -> Result<tokio::process::Command> {
        let mut program = self.setting()?.program("nanoclaw")?;
        program.envs(desktop.environment());
        Ok(program)
    }

    /// Another program of this build in NanoClaw's environment, not started.
    pub fn program(&self, name: &str) -> Result<tokio::process::Command> {
        self.setting()?.program(name)
    }

    /// A file of the scene's that programs add to.
    pub(crate) fn append(&self, name: &str) -> Result<std::fs::File> {
        self.setting()?.append(name)
    }

    /// A display and a session bus for the desktop app.
    pub async fn desktop(&self) -> Result<Desktop> {
        Desktop::begin(self.folder.path()).await
    }

    /// Starts NanoClaw, lets `owner` scan its QR, and waits until it is connected.
    pub async fn start_linked_to(&mut self, owner: &Phone) -> Result<()> {
        self.start().await?;
        let status = self.until("a QR is shown", |status| status["whatsapp"]["qr"]["data"].is_string()).await?;
        owner.scans(status["whatsapp"]["qr"]["data"].as_str().context("no QR")?).await?;
        self.until_connected().await
    }

    pub async fn until_connected(&self) -> Result<()> {
        self.until("WhatsApp is connected", |status| status["whatsapp"]["state"] == "connected").await?;
        Ok(())
    }

    /// The running NanoClaw.
    pub fn app(&self) -> Result<&App> {
        self.app.as_ref().context("NanoClaw is not started")
    }

    /// See [`App::until`].
    pub async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        self.app()?.until(what, holds).await
    }

    /// Kills it without warning (SIGKILL). Its containers go on.
    pub async fn kill(&mut self) -> Result<()> {
        self.app.take().context("NanoClaw is not started")?.kill().await
    }

    /// Waits until it has ended well, asked by other means.
    pub async fn ended(&mut self) -> Result<()> {
        self.app.take().context("NanoClaw is not started")?.ended().await
    }

    /// Lets it quit in good order (SIGTERM).
    pub async fn quit(&mut self) -> Result<()> {
        self.app.take().context("NanoClaw is not started")?.quit().await
    }

    /// `nanoclawctl WORDS --json`: its answer.
    ///
    /// # Errors
    /// It failed; the error holds its sentence.
    pub async fn ctl(&self, words: &[&str]) -> Result<Value> {
        let (code, stdout, stderr) = self.ctl_raw(&[words, &["--json"]].concat()).await?;
        if code != Some(0) {
            bail!("nanoclawctl {} ended with {code:?}: {stderr}{stdout}", words.join(" "));
        }
        serde_json::from_str(&stdout).with_context(|| format!("nanoclawctl {}: no JSON: {stdout}", words.join(" ")))
    }

    /// `nanoclawctl WORDS` as a person types it: exit code, stdout, stderr.
    pub async fn ctl_raw(&self, words: &[&str]) -> Result<(Option<i32>, String, String)> {
        let output = self.setting()?.nanoclawctl()?.args(words).output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }

    /// `nanoclawctl WORDS`, not started.
    pub fn ctl_program(&self, words: &[&str]) -> Result<tokio::process::Command> {
        let mut program = self.setting()?.nanoclawctl()?;
        program.args(words);
        Ok(program)
    }

    /// Registers a chat; `main` is the owner's.
    pub async fn register(&self, jid: &str, name: &str, folder: &str) -> Result<()> {
        let (code, stdout, stderr) =
            self.ctl_raw(&["groups", "register", "--jid", jid, "--name", name, "--folder", folder]).await?;
        if code != Some(0) {
            bail!("registering {folder}: {stderr}{stdout}");
        }
        Ok(())
    }

    /// The end of a story that went well: NanoClaw quits in good order, leaves no container behind, and did nothing to WhatsApp
    /// that a true client would not.
    pub async fn end(mut self) -> Result<()> {
        if self.app.is_some() {
            self.quit().await?;
        }
        let violations = self.whatsapp.state().await?["violations"].take();
        ensure!(violations == json!([]), "against WhatsApp's protocol: {violations}");
        let left: Vec<_> = self.containers.list().await?.into_iter().filter(|one| one.is_running()).collect();
        if !left.is_empty() {
            bail!("containers go on after NanoClaw quit: {left:?}");
        }
        self.containers.clear().await?;
        self.ended = true;
        Ok(())
    }

    fn setting(&self) -> Result<Setting> {
        let folder = self.folder.path();
        let path = |path: PathBuf| path.display().to_string();
        let inherited = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: run stories with `cargo xtask test -- …`"))
        };
        let mut environment: Vec<(String, String)> = [
            ("PATH", inherited("PATH")?),
            ("HOME", path(self.user())),
            ("XDG_RUNTIME_DIR", path(folder.join("run"))),
            ("TZ", "UTC".to_owned()),
            ("RUST_BACKTRACE", "1".to_owned()),
            ("DOCKER_HOST", inherited("DOCKER_HOST")?),
            ("AGENT_IMAGE", inherited("NANOCLAW_TEST_IMAGE")?),
            ("NANOCLAW_HOME", path(self.home())),
            ("NANOCLAW_WHATSAPP_URL", self.whatsapp.url.clone()),
            ("NANOCLAW_KIRO_CLI_PATH", path(built("kiro-cli")?)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        environment.extend(self.settings.iter().cloned());
        Ok(Setting { folder: folder.to_owned(), environment })
    }

    /// Where what is kept of a story goes: its folder if it is unfinished, pictures.
    pub fn artefacts(&self) -> Result<PathBuf> {
        let target = built("nanoclawctl")?;
        let target = target.parent().and_then(Path::parent).context("no target folder")?;
        Ok(target.join("artefacts").join(&self.name))
    }

    fn keep(&self) -> Result<()> {
        let kept = self.artefacts()?;
        let _ = fs::remove_dir_all(&kept);
        fs::create_dir_all(&kept)?;
        // `cp` takes links, sockets and half-written files as they are.
        Command::new("cp").arg("-R").arg(self.folder.path().join(".")).arg(&kept).status()?;
        eprintln!("what {} left is in {}", self.name, kept.display());
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        drop(self.app.take()); // killed: nothing may write while it is copied
        if let Err(trouble) = self.keep() {
            eprintln!("{}: its artefacts could not be kept: {trouble:#}", self.name);
        }
        // A drop can't wait for the test's own runtime.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map(|runtime| runtime.block_on(self.containers.clear()))
            });
        });
    }
}
