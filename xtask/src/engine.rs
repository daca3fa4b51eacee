//! The Docker engine that tests and image builds talk to: one that answers already, else one of our own.
//!
//! Our own is a `dockerd` with everything in `target/engine/` and in a short folder for its sockets (a socket's path may
//! hold 100 bytes at most). It shares the bridge with any other engine of the machine, so it must never be started with
//! `--bridge=none`, which deletes that bridge (facts: docker). Called by `test`, `image`, `run` and `cargo xtask engine`.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::needs;
use crate::program::{answer, is_installed, program, root, succeeds};

/// How long a `dockerd` may take to answer, or to stop (it gives containers 10 s to end).
const PATIENCE: Duration = Duration::from_secs(90);

/// An engine that answers.
pub struct Engine {
    /// Its address, as in `DOCKER_HOST`.
    pub host: String,
    /// Ours, and to be stopped when we are done.
    child: Option<Child>,
}

impl Engine {
    /// The engine that `DOCKER_HOST` names; without a name the one of docker's own context, or the one that `engine start`
    /// left running.
    pub fn find() -> Option<Self> {
        if !is_installed("docker") {
            return None;
        }
        let context =
            || answer(program("docker").args(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])).ok();
        let candidates = match std::env::var("DOCKER_HOST") {
            Ok(named) => vec![named],
            Err(_) => context().into_iter().chain([own_host()]).collect(),
        };
        let host = candidates.into_iter().find(|host| answers(host))?;
        Some(Self { host, child: None })
    }

    /// An engine that answers, started if there is none; then it ends with this value.
    pub fn find_or_start() -> Result<Self> {
        match Self::find() {
            Some(engine) => Ok(engine),
            None => Ok(Self { host: own_host(), child: Some(start(false)?) }),
        }
    }

    /// The docker command line, talking to this engine. The classic builder where BuildKit's plugin is missing.
    pub fn docker(&self) -> Command {
        let mut docker = program("docker");
        docker.env("DOCKER_HOST", &self.host);
        if !succeeds(program("docker").args(["buildx", "version"])) {
            docker.env("DOCKER_BUILDKIT", "0");
        }
        docker
    }

    pub fn has_image(&self, name: &str) -> bool {
        succeeds(self.docker().args(["image", "inspect", name]))
    }

    pub fn is_ours(&self) -> bool {
        self.child.is_some()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            terminate(child.id());
            let _ = child.wait();
            let _ = fs::remove_dir_all(socket_folder());
        }
    }
}

/// [`Engine::find`] for a task that can't do without.
pub fn found() -> Result<Engine> {
    Engine::find().with_context(|| format!("{}: `cargo xtask engine start` starts one", missing()))
}

/// Why [`Engine::find`] found none.
pub fn missing() -> &'static str {
    if is_installed("docker") { "no Docker engine answers" } else { "the command line `docker` is not installed" }
}

/// `cargo xtask engine start`: our own engine, left running. Gives its address.
pub fn start_and_leave() -> Result<String> {
    if !answers(&own_host()) {
        start(true)?;
    }
    Ok(own_host())
}

/// `cargo xtask engine stop`: only ever the one that we started.
pub fn stop() -> Result<()> {
    let Some(pid) = own_pid() else { return Ok(()) };
    terminate(pid);
    let since = Instant::now();
    while own_pid().is_some() {
        if since.elapsed() > PATIENCE {
            bail!("dockerd {pid} does not stop: see {}", log_file().display());
        }
        sleep(Duration::from_millis(100));
    }
    fs::remove_dir_all(socket_folder()).context("could not remove the engine's sockets")
}

/// Starts our own. `stay`: it outlives us and the terminal's Ctrl-C.
fn start(stay: bool) -> Result<Child> {
    if !cfg!(target_os = "linux") {
        bail!("no Docker engine answers. Start Docker Desktop, Colima or OrbStack, then try again.");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("no Docker engine answers, and only root can start one here: `sudo systemctl start docker`, or as root");
    }
    needs::for_engine()?;
    let (sockets, data) = (socket_folder(), folder());
    fs::create_dir_all(&data)?;
    let _ = fs::remove_dir_all(&sockets);
    fs::create_dir_all(&sockets)?;
    fs::set_permissions(&sockets, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;

    let log = fs::File::create(log_file())?;
    let mut dockerd = program("dockerd");
    dockerd
        .arg("--data-root")
        .arg(data.join("data"))
        .arg("--exec-root")
        .arg(sockets.join("exec"))
        .arg("--pidfile")
        .arg(pid_file())
        .args(["--host", &own_host()])
        .stdout(log.try_clone()?)
        .stderr(log);
    if stay {
        dockerd.process_group(0);
    }
    let mut child = dockerd.spawn().context("could not start dockerd")?;
    let since = Instant::now();
    while !answers(&own_host()) {
        if child.try_wait()?.is_some() || since.elapsed() > PATIENCE {
            terminate(child.id());
            bail!("dockerd does not come up. The end of {}:\n{}", log_file().display(), end_of(&log_file()));
        }
        sleep(Duration::from_millis(100));
    }
    Ok(child)
}

fn answers(host: &str) -> bool {
    succeeds(program("docker").args(["version", "--format", "{{.Server.Version}}"]).env("DOCKER_HOST", host))
}

fn terminate(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// The pid of our own engine, if it lives: the pid file may be stale and its number another program's by now.
fn own_pid() -> Option<u32> {
    let pid: u32 = fs::read_to_string(pid_file()).ok()?.trim().parse().ok()?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    String::from_utf8_lossy(&words).contains(&own_host()).then_some(pid)
}

/// What our own engine keeps: images, containers, its log.
pub fn folder() -> PathBuf {
    root().join("target/engine")
}

fn log_file() -> PathBuf {
    folder().join("dockerd.log")
}

fn pid_file() -> PathBuf {
    socket_folder().join("pid")
}

fn own_host() -> String {
    format!("unix://{}/docker.sock", socket_folder().display())
}

/// One a checkout, so that two checkouts don't share an engine.
fn socket_folder() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    root().hash(&mut hasher);
    Path::new("/tmp").join(format!("nanoclaw-engine-{:08x}", hasher.finish() as u32))
}

fn end_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
