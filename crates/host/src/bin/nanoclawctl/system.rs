//! `autostart` and `uninstall`: NanoClaw in this computer's own places. They work on files, whether NanoClaw runs or not.

use std::time::Duration;

use clap::ValueEnum;
use nanoclaw_core::{autostart::Entry, command::Command, problem::Trouble};
use nanoclaw_host::{
    autostart,
    container::clear::Image,
    control::HomeLock,
    paths::Home,
    uninstall::{self, Done},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    ask,
    image::running,
    out::{Failure, Out, internal, plain},
};

/// How long a NanoClaw may take to quit (Q6), and between two looks.
const QUIT: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
    Status,
}

/// With `--json`: `{state: "on"|"off"|"other", program, entry}`.
pub fn autostart(home: &Home, switch: Switch, out: &mut Out) -> Result<(), Failure> {
    let user = home.places().user;
    let program = app()?;
    match switch {
        Switch::On if !std::path::Path::new(&program).exists() => return Err(Trouble::NoApp { path: program }.into()),
        Switch::On => autostart::write(&user, &program).map_err(failed)?,
        Switch::Off => autostart::remove(&user).map_err(failed)?,
        Switch::Status => {}
    }
    let (state, starts, sentence) = match autostart::read(&user, &program).map_err(failed)? {
        Entry::Off => ("off", None, "NanoClaw does not start at login.".to_owned()),
        Entry::Ours => ("on", Some(program.clone()), format!("{program} starts at login.")),
        Entry::Other { program } => {
            let sentence = format!("Another program starts at login in NanoClaw's place: {program}.");
            ("other", Some(program), sentence)
        }
    };
    if out.json {
        return out.value(&json!({"state": state, "program": starts, "entry": autostart::place(&user)}));
    }
    out.line(plain(&sentence))
}

/// With `--json`: `{autostart, engine: {containers, image}|null, home, data, left}`.
pub async fn uninstall(home: &Home, data: bool, yes: bool, out: &mut Out) -> Result<(), Failure> {
    let too = if data { ", and all chats, sign-ins, settings and logs" } else { "" };
    if !yes {
        ask::confirmed(format!("remove NanoClaw's login entry, its containers and the agent's image{too}"), out)?;
    }
    if let Some(mut client) = running(home).await? {
        client.ask(&Command::Quit { yes: true }).await?;
        let until = Instant::now() + QUIT;
        while let Err(trouble) = HomeLock::take(home) {
            if Instant::now() > until {
                return Err(trouble.into());
            }
            sleep(LOOK).await;
        }
    }
    let done = uninstall::uninstall(home, &app()?, data).await.map_err(failed)?;
    if out.json { out.value(&done) } else { tell(&done, out) }
}

fn tell(done: &Done, out: &mut Out) -> Result<(), Failure> {
    let mut removed: Vec<String> = Vec::new();
    removed.extend(done.autostart.then(|| "the login entry".to_owned()));
    if let Some(engine) = done.engine {
        removed.extend((engine.containers > 0).then(|| format!("{} of its containers", engine.containers)));
        removed.extend((engine.image == Image::Removed).then(|| "the agent's image".to_owned()));
    }
    removed.extend(done.data.then(|| done.home.clone()));
    match removed.as_slice() {
        [] => out.line("There was nothing to remove.")?,
        removed => out.line(plain(&format!("Removed: {}.", removed.join(", "))))?,
    }
    done.left.iter().try_for_each(|left| out.line(plain(left)))
}

fn app() -> Result<String, Failure> {
    Ok(autostart::app().map_err(failed)?.display().to_string())
}

fn failed(error: anyhow::Error) -> Failure {
    internal(format!("{error:#}."))
}
