//! The system's entry that starts NanoClaw at login (T5): its place, read and written. What is in it core reads.
//!
//! Called by the desktop, whose plugin writes its own, and by `nanoclawctl autostart` and `uninstall`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use nanoclaw_core::autostart::{self, Entry, NAME};

const IS_LAUNCH_AGENT: bool = cfg!(target_os = "macos");

/// Where it lies. `user`: the home folder of the person whose login it is (facts/tauri.md, Plugins).
pub fn place(user: &Path) -> PathBuf {
    match IS_LAUNCH_AGENT {
        true => user.join("Library/LaunchAgents").join(format!("{NAME}.plist")),
        false => user.join(".config/autostart").join(format!("{NAME}.desktop")),
    }
}

/// Whose it is. `program`: what one of ours starts.
///
/// # Errors
/// When it is there but can't be read.
pub fn read(user: &Path, program: &str) -> Result<Entry> {
    match fs::read(place(user)) {
        Ok(text) => Ok(autostart::read(&String::from_utf8_lossy(&text), program)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Entry::Off),
        Err(error) => Err(error).context("the login entry can't be read"),
    }
}

/// Puts ours in the place of whatever there is.
///
/// # Errors
/// When it can't be written.
pub fn write(user: &Path, program: &str) -> Result<()> {
    let place = place(user);
    let written = place.parent().map_or(Ok(()), fs::create_dir_all);
    written
        .and_then(|()| fs::write(&place, autostart::entry(program, IS_LAUNCH_AGENT)))
        .context("the login entry can't be written")
}

/// # Errors
/// When it is there and can't be removed.
pub fn remove(user: &Path) -> Result<()> {
    match fs::remove_file(place(user)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("the login entry can't be removed"),
        _ => Ok(()),
    }
}

/// The desktop app, which is what starts at login: this program, or the one beside `nanoclawctl`.
///
/// # Errors
/// When this program's path is unknown.
pub fn app() -> Result<PathBuf> {
    let own = own_program()?;
    Ok(if own.file_stem().is_some_and(|name| name == "nanoclawctl") { own.with_file_name("nanoclaw") } else { own })
}

/// This program as an entry of ours names it, as the desktop's plugin does too.
///
/// # Errors
/// When its path is unknown.
pub fn own_program() -> Result<PathBuf> {
    match env::var_os("APPIMAGE").filter(|_| cfg!(target_os = "linux")) {
        Some(image) => Ok(image.into()),
        None => {
            let program = env::current_exe().context("this program's own path is unknown")?;
            Ok(if IS_LAUNCH_AGENT { program.canonicalize()? } else { program })
        }
    }
}
