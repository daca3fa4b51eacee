//! Start at login (T5): the plugin writes and removes the system's entry; what is in it the host reads, because the plugin takes
//! anybody's entry of our name for ours.

use std::fs;

use anyhow::Result;
use nanoclaw_core::{
    autostart::{AT_LOGIN, Entry, NAME, with_exec},
    problem::Trouble,
};
use nanoclaw_host::{
    autostart::{own_program, place},
    ports::Desktop,
};
use tauri::{AppHandle, Manager, Wry, plugin::TauriPlugin};
use tauri_plugin_autostart::ManagerExt;

pub fn plugin() -> TauriPlugin<Wry> {
    tauri_plugin_autostart::Builder::new().app_name(NAME).arg(AT_LOGIN).build()
}

/// Reads the system's entry, and puts down what is in it.
///
/// # Errors
/// When it is there but can't be read.
pub fn read(app: &AppHandle, desktop: &mut Desktop) -> Result<()> {
    let entry = nanoclaw_host::autostart::read(&app.path().home_dir()?, &program()?)?;
    desktop.troubles = match &entry {
        Entry::Other { program } => vec![Trouble::OldService { program: program.clone() }],
        Entry::Off | Entry::Ours => Vec::new(),
    };
    desktop.autostart = Some(entry == Entry::Ours);
    Ok(())
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
        let place = place(&app.path().home_dir()?);
        let entry = fs::read_to_string(&place)?;
        fs::write(&place, with_exec(&entry, &program()?, AT_LOGIN))?;
    }
    Ok(())
}

fn program() -> Result<String> {
    Ok(own_program()?.display().to_string())
}
