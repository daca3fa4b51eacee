//! Starts other programs: says which, where, and what to make of a failure.
//!
//! Must not know what the programs are for. Called by every other module of xtask.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The folder of the root Cargo.toml. xtask is only ever run by cargo, from its own checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A program started in the checkout's root, with the project's own tools (`target/tools/bin`) found first, and the
/// administrator's programs (`/usr/sbin`) found too: a user's PATH on Debian lacks them.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).env("PATH", search_path());
    command
}

/// The PATH of [`program`].
pub fn search_path() -> String {
    let tools = root().join("target/tools/bin");
    let inherited = std::env::var("PATH").unwrap_or_default();
    format!("{}:{inherited}:/usr/local/sbin:/usr/sbin:/sbin", tools.display())
}

/// Whether a program of that name would be found.
pub fn is_installed(name: &str) -> bool {
    search_path().split(':').any(|folder| Path::new(folder).join(name).is_file())
}

/// Cargo itself, the one that runs us, as if it were started from a terminal: what it told us about our own package would
/// make it compile all that looks at such variables (ring, and with it WhatsApp's client) again.
pub fn cargo() -> Command {
    let mut cargo = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|kind| name.to_string_lossy().starts_with(kind)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs to the end with our stdout and stderr; a failure is an error naming the whole command line.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line_of(command);
    let status = command.status().with_context(|| format!("could not start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs to the end silently and gives its stdout, trimmed; a failure is an error with its stderr.
pub fn answer(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("could not start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether it ends well; nothing is shown.
pub fn succeeds(command: &mut Command) -> bool {
    answer(command).is_ok()
}

/// A command that needs root: as it is for root, else through sudo.
pub fn as_root(name: &str) -> Result<Command> {
    if rustix::process::geteuid().is_root() {
        return Ok(program(name));
    }
    if !is_installed("sudo") {
        bail!("`{name}` needs root, and there is no sudo: run this once as root");
    }
    let mut command = program("sudo");
    command.arg("--preserve-env=DEBIAN_FRONTEND").arg(name);
    Ok(command)
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
