//! Where a sign-in lies: with this computer's kiro-cli, or with the one in the agents' image. Both are asked the same things.

use std::path::PathBuf;

use nanoclaw_core::{
    kiro::{Secret, Way, Whoami},
    problem::Trouble,
};

use super::{
    login::REMOTE,
    program::{self, Mute, PATIENCE, PLAIN, Program, Said, WHOAMI},
    terminal::Terminal,
};
use crate::container::Aside;

#[derive(Clone, Debug)]
pub enum Place {
    Host { program: Option<PathBuf>, key: Option<Secret> },
    Container(Box<Aside>),
}

impl Place {
    pub async fn whoami(&self) -> Whoami {
        match self {
            Place::Host { program: Some(program), key } => program::whoami(program, key.as_ref()).await,
            Place::Host { program: None, .. } => Whoami::missing(),
            Place::Container(aside) => {
                let answer = aside.ask(&WHOAMI, PATIENCE).await;
                if answer.as_ref().is_ok_and(|said| matches!(said.exit, Some(126 | 127))) {
                    return Whoami::unknown("Can't tell: kiro-cli is missing in the agent's image. Build it again.");
                }
                program::whoami_of(answer)
            }
        }
    }

    /// Begins to sign in.
    ///
    /// # Errors
    /// What stands against it.
    pub async fn login(&self, way: &Way, browser: bool) -> Result<Terminal, Trouble> {
        let reason = |reason: String| Trouble::BadLogin { reason };
        let arguments = way.arguments(browser);
        match self {
            Place::Host { program: None, .. } => Err(Trouble::KiroMissing),
            Place::Host { program: Some(program), .. } => {
                // In its own browser it is not to take itself for remote.
                let remote = REMOTE.into_iter().filter(|_| !browser);
                let environment: Vec<_> = PLAIN.into_iter().chain(remote).collect();
                Terminal::open(program, &arguments, &environment).map_err(|error| reason(format!("{error:#}")))
            }
            Place::Container(aside) => aside.terminal(&arguments, &REMOTE).await.map_err(reason),
        }
    }

    /// Signs out; whether it did is `whoami`'s to say.
    ///
    /// # Errors
    /// Why it could not be tried.
    pub async fn logout(&self) -> Result<(), Trouble> {
        const WORDS: [&str; 1] = ["logout"];
        let said = match self {
            Place::Host { program: None, .. } => Err(Mute::Missing),
            Place::Host { program: Some(path), .. } => {
                Program { path, environment: &PLAIN, patience: PATIENCE }.ask(&WORDS).await
            }
            Place::Container(aside) => aside.ask(&WORDS, PATIENCE).await,
        };
        match said {
            Ok(Said { exit: Some(0), .. }) => Ok(()),
            Ok(said) => {
                let line = said.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why");
                Err(Trouble::KiroLogoutFailed { reason: line.trim().chars().take(200).collect() })
            }
            Err(Mute::Missing) => Err(Trouble::KiroMissing),
            Err(Mute::Other(reason)) => Err(Trouble::KiroLogoutFailed { reason }),
        }
    }
}
