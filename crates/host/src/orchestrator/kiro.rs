//! Kiro's sign-in, as the loop sees it: when it is asked for (K1), made (K2), and whose it is (K4).
//!
//! | module | owns |
//! |---|---|
//! | `checks` | when Kiro is asked who is signed in |
//! | `login` | signing in and out |
//! | `mode` | whose sign-in agents use, and the API key |

mod checks;
mod login;
mod mode;

use std::{fs, path::PathBuf};

use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{
    chat::Jid,
    command::Command,
    group::{Folder, Group},
    kiro::{Secret, login::Failure},
    settings::{KiroMode, Runtime},
    status::{EngineState, LoginStatus},
};
use tokio::sync::mpsc;

use super::{State, commands::json_of, now};
use crate::{
    container::Aside,
    kiro::{Asker, FromKiro, ToKiro},
    ports::Ask,
};

/// While something depends on it (K1).
const AGAIN: SignedDuration = SignedDuration::from_mins(15);

/// What the loop keeps of it beside the status.
pub(super) struct SignInWatch {
    pub(super) edge: mpsc::UnboundedSender<ToKiro>,
    /// The install's id.
    install: String,
    key: Option<Secret>,
    /// Whether there is a key is not known yet: runs that need it wait.
    reading_key: bool,
    /// The mode that the check under way asks for.
    asked_for: KiroMode,
    /// A check is due then; it waits for a moment when nothing starts.
    check_at: Option<Timestamp>,
    /// When a run was last refused as signed out.
    refused_at: Option<Timestamp>,
    /// kiro-cli's data has changed during the check under way.
    changed: bool,
    /// It has changed, before the check that is due, by somebody who may have signed in.
    is_new: bool,
    /// How many checks in a row had such a change.
    restless: u32,
    /// The check that is due looks for the host's kiro-cli alone.
    host_only: bool,
    /// How many checks in a row could not tell while work waits.
    unclear: u32,
    /// The newest sign-in's number.
    login: u64,
    /// What the sign-in under way said at its end; the next check tells what came of it, and the one under way.
    ended: Option<Failure>,
    confirming: Option<Failure>,
    /// Who waits for the check that is due, and for the one under way.
    waiting: Vec<Asker>,
    asking: Vec<Asker>,
}

impl SignInWatch {
    pub(super) fn new(edge: mpsc::UnboundedSender<ToKiro>, install: String) -> Self {
        SignInWatch {
            edge,
            install,
            key: None,
            reading_key: false,
            asked_for: KiroMode::Shared,
            check_at: Some(now()),
            refused_at: None,
            changed: false,
            is_new: false,
            restless: 0,
            host_only: false,
            unclear: 0,
            login: 0,
            ended: None,
            confirming: None,
            waiting: Vec::new(),
            asking: Vec::new(),
        }
    }
}

/// Whether a command is answered by what comes of it later.
pub(super) fn answered_later(command: &Command) -> bool {
    matches!(command, Command::KiroCheck {} | Command::KiroLogout { yes: true } | Command::KiroKey { .. })
}

impl State {
    pub(super) fn begin_sign_in(&mut self) {
        self.kiro.usual = fs::read(self.usual()).ok().and_then(|text| serde_json::from_slice(&text).ok());
        self.read_key();
    }
    fn usual(&self) -> PathBuf {
        self.home.kiro().join("usual.json")
    }

    fn send_kiro(&self, order: ToKiro) -> bool {
        self.sign_in.edge.send(order).is_ok()
    }

    /// Without its image no run can start: work waits, and nothing counts as a retry (Q7).
    fn has_image(&self) -> bool {
        self.engine.state == EngineState::Ready && self.engine.image.serves()
    }

    /// A container as main's agent would have it, where one can be had.
    async fn aside(&mut self) -> Option<Box<Aside>> {
        let uses_key = self.settings.kiro_mode == KiroMode::ApiKey;
        if self.settings.runtime == Runtime::Host || !self.has_image() || (uses_key && self.sign_in.key.is_none()) {
            return None;
        }
        let main = self.groups.get(&Folder::main()).cloned();
        let main = main.unwrap_or_else(|| Group::new(Jid::new("main"), "main", Folder::main()));
        Some(Box::new(Aside {
            install: self.sign_in.install.clone(),
            socket: self.settings.engine_socket.clone(),
            image: self.settings.agent_image.clone(),
            mounts: self.mounts(&main).await,
            env: self.environment(),
            memory: self.settings.memory,
            cpus: self.settings.cpus,
            pids: self.settings.pids_limit,
            key: self.sign_in.key.clone().filter(|_| uses_key),
        }))
    }

    pub(super) async fn kiro_asked(&mut self, Ask { command, reply }: Ask) {
        match command {
            // The check waits for the sign-in's end, which may be minutes away.
            Command::KiroCheck {} if self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way) => {
                drop(reply.send(json_of(&self.kiro)));
            }
            Command::KiroCheck {} => {
                self.sign_in.waiting.push(reply);
                self.check_kiro();
                // It waits for the key, where that could not be read before.
                self.sign_in.reading_key |= self.read_key_again();
            }
            Command::KiroLogout { .. } => match self.place_of_sign_in().await {
                Ok(container) => {
                    self.drop_login();
                    self.send_kiro(ToKiro::Logout { container, asker: reply });
                }
                Err(trouble) => drop(reply.send(Err(trouble))),
            },
            Command::KiroKey { key } => match key.as_ref().map(Secret::api_key).transpose() {
                Ok(key) => drop(self.send_kiro(ToKiro::KeepKey { key, asker: reply })),
                Err(trouble) => drop(reply.send(Err(trouble))),
            },
            _ => {}
        }
    }

    pub(super) async fn kiro_said(&mut self, said: FromKiro) {
        match said {
            FromKiro::Checked { host, container, old } => self.kiro_checked(host, container, old).await,
            FromKiro::Offered { id, offer } => self.kiro_offered(id, offer),
            FromKiro::LoginEnded { id, said } => self.kiro_login_ended(id, said),
            FromKiro::LoginRefused { id, trouble } => self.kiro_login_refused(id, &trouble),
            FromKiro::LoggedOut { done: ended, asker } => {
                let anew = self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way);
                match ended {
                    // The check waits for the end of the sign-in that was begun meanwhile.
                    Ok(()) if anew => drop(asker.send(json_of(&self.kiro))),
                    // Answered when it has been seen.
                    Ok(()) => self.sign_in.waiting.push(asker),
                    Err(trouble) => drop(asker.send(Err(trouble))),
                }
                self.kiro.login.take_if(|_| !anew);
                self.check_kiro();
            }
            FromKiro::Key { key, trouble, asker } => self.kiro_key_read(key, trouble, asker).await,
            FromKiro::Changed => self.kiro_changed().await,
        }
    }
}

#[cfg(test)]
mod tests;
