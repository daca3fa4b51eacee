//! Start at login (T5): the plugin writes and removes the system's entry; what is in it is read here, because the plugin
//! takes anybody's entry of our name for ours.

use std::{env, fs, io, path::PathBuf};

use anyhow::{Context, Result};
use nanoclaw_core::{
    autostart::{self, Entry},
    problem::Trouble,
};
use nanoclaw_host::ports::Desktop;
use tauri::{AppHandle, Manager, Wry, plugin::TauriPlugin};
use tauri_plugin_autostart::ManagerExt;

/// The entry's name, so that `launchctl list | grep nanoclaw` shows it (seed, Healthy signs).
const NAME: &str = "com.nanoclaw";
const AT_LOGIN: &str = "--login";

pub fn plugin() -> TauriPlugin<Wry> {
    tauri_plugin_autostart::Builder::new().app_name(NAME).arg(AT_LOGIN).build()
}

/// Reads the system's entry.
///
/// # Errors
/// When it is there but can't be read.
pub fn read(app: &AppHandle) -> Result<Desktop> {
    let entry = match fs::read(place(app)?) {
        Ok(text) => autostart::read(&String::from_utf8_lossy(&text), &program()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Entry::Off,
        Err(error) => return Err(error).context("the login entry can't be read"),
    };
    let troubles = match &entry {
        Entry::Other { program } => vec![Trouble::OldService { program: program.clone() }],
        Entry::Off | Entry::Ours => Vec::new(),
    };
    Ok(Desktop { autostart: Some(entry == Entry::Ours), troubles })
}

/// Turns it on, in the place of whatever entry of our name there is, or off.
///
/// # Errors
/// When the entry can't be written or removed.
pub fn set(app: &AppHandle, on: bool) -> Result<()> {
    if !on {
        return Ok(app.autolaunch().disable()?);
    }
    app.autolaunch().enable()?;
    if cfg!(target_os = "linux") {
        let place = place(app)?;
        let entry = fs::read_to_string(&place)?;
        fs::write(&place, autostart::with_exec(&entry, &program()?, AT_LOGIN))?;
    }
    Ok(())
}

/// Where the plugin keeps the entry (facts/tauri.md, Plugins).
fn place(app: &AppHandle) -> Result<PathBuf> {
    let user = app.path().home_dir()?;
    Ok(match cfg!(target_os = "macos") {
        true => user.join("Library/LaunchAgents").join(format!("{NAME}.plist")),
        false => user.join(".config/autostart").join(format!("{NAME}.desktop")),
    })
}

/// The program that an entry of ours starts, as the plugin names it.
fn program() -> Result<String> {
    let program = match env::var_os("APPIMAGE").filter(|_| cfg!(target_os = "linux")) {
        Some(image) => image.into(),
        None => env::current_exe().context("this program's own path is unknown")?,
    };
    let program = if cfg!(target_os = "macos") { program.canonicalize()? } else { program };
    Ok(program.display().to_string())
}
