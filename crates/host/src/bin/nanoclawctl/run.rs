//! `run`: NanoClaw without a window, until Ctrl-C, SIGTERM, the terminal's end or a quit from elsewhere.

use std::{env, os::unix::process::CommandExt, process};

use nanoclaw_core::{command::Command, status::AppStatus};
use nanoclaw_host::{
    logging,
    orchestrator::{End, Orchestrator},
    paths::Home,
    ports::Ask,
    settings,
    shutdown::Quit,
};

use crate::{
    codes::Codes,
    out::{Failure, Out, internal},
    status::Headlines,
};

pub async fn run(home: Home, verbose: bool, out: &mut Out) -> Result<(), Failure> {
    // Where it lies now: a newer version may take its place.
    let program = env::current_exe()?;
    match live(home, verbose, out).await? {
        End::Quit => Ok(()),
        End::Restart => Err(internal(format!(
            "it can't start anew: {}.",
            process::Command::new(program).args(env::args_os().skip(1)).exec()
        ))),
    }
}

async fn live(home: Home, verbose: bool, out: &mut Out) -> Result<End, Failure> {
    home.create()?;
    logging::start(&home, &settings::load(&home).0, verbose).map_err(|error| internal(format!("{error:#}.")))?;
    let mut quit = Quit::hear().map_err(|error| internal(format!("signals can't be heard: {error}.")))?;
    let orchestrator = Orchestrator::start(home).await?;
    let (mut status, commands) = (orchestrator.status.clone(), orchestrator.commands.clone());
    let mut shown = Shown::default();
    let ended = orchestrator.ended();
    tokio::pin!(ended);
    loop {
        let newest = status.borrow_and_update().clone();
        // Nobody is left to read: there is nothing to run for.
        if shown.tell(&newest, out).is_err() {
            break;
        }
        tokio::select! {
            ended = &mut ended => return ended.map_err(failed),
            Ok(()) = status.changed() => {}
            () = quit.asked() => break,
        }
    }
    let _ = out.line("Quitting. Agents at work get 10 seconds to finish.");
    tokio::spawn(async move {
        quit.asked().await;
        // Asked twice: at once. The next start puts in order what is left.
        process::exit(130);
    });
    // Its end is the answer.
    let _ = Ask::send(&commands, Command::Quit { yes: true }).await;
    ended.await.map_err(failed)
}

fn failed(error: anyhow::Error) -> Failure {
    internal(format!("{error:#}."))
}

/// What has been shown.
#[derive(Default)]
struct Shown {
    headlines: Headlines,
    codes: Codes,
}

impl Shown {
    fn tell(&mut self, status: &AppStatus, out: &mut Out) -> Result<(), Failure> {
        let status = serde_json::to_value(status).map_err(|error| internal(format!("{error}.")))?;
        self.headlines.tell(&status, out)?;
        // Elsewhere than in a terminal stdout is most likely kept as a log, where no code may be (W1).
        if out.is_terminal() { self.codes.tell(&status, out) } else { Ok(()) }
    }
}
