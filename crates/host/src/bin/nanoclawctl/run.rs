//! `run`: NanoClaw without a window, until Ctrl-C, SIGTERM, the terminal's end or a quit from elsewhere.

use std::process;

use nanoclaw_core::{command::Command, status::AppStatus};
use nanoclaw_host::{logging, orchestrator::Orchestrator, paths::Home, ports::Ask, settings};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    codes::Codes,
    out::{Failure, Out, internal},
    status::Headlines,
};

pub async fn run(home: Home, verbose: bool, out: &mut Out) -> Result<(), Failure> {
    home.create().map_err(|error| internal(format!("the Home can't be made: {error}.")))?;
    logging::start(&home, &settings::load(&home).0, verbose).map_err(|error| internal(format!("{error:#}.")))?;
    let mut quit = Quit::new()?;
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
            () = &mut ended => return Ok(()),
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
    let _ = Ask::send(&commands, Command::Quit {}).await;
    ended.await;
    Ok(())
}

/// The system's ways to ask a program to end.
struct Quit {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Quit {
    fn new() -> Result<Quit, Failure> {
        let on = |kind| signal(kind).map_err(|error| internal(format!("signals can't be heard: {error}.")));
        Ok(Quit {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hang_up: on(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
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
