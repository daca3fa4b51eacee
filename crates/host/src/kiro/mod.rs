//! Kiro's sign-in: asked for, made and ended on this computer and in containers (K1, K2, K4).
//!
//! An edge of the loop: it takes [`ToKiro`] and gives [`FromKiro`], and decides nothing. How kiro-cli's answers read is core's
//! (`nanoclaw_core::kiro`).
//!
//! | module | owns |
//! |---|---|
//! | `find` | where this computer's kiro-cli is |
//! | `program` | a program, asked once |
//! | `place` | the sign-in's place: this computer, or the agents' image |
//! | `terminal` | a terminal with a program at it |
//! | `login` | a sign-in, from its first word to its end |
//! | `keys` | the API key in the platform's key store |
//! | `watch` | that kiro-cli's data has changed |
//! | `backup` | the last good copies of the agents' own sign-in |
//! | `files` | the user's files of Kiro's (R10) |

mod backup;
pub mod files;
mod find;
pub(crate) mod keys;
mod login;
mod place;
mod program;
mod terminal;
mod watch;

use std::{
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use jiff::Timestamp;
use nanoclaw_core::{
    command::Answer,
    kiro::{
        Secret, SignIn, Way, Whoami,
        login::{Failure, Offer},
    },
    mounts::Places,
    problem::Trouble,
    settings::{KiroMode, Runtime, Settings},
};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout},
};

pub use find::find;
pub use login::LONGEST;
pub(crate) use program::{Group, KEY, Mute, PLAIN, Said, silent};
pub use program::{old, version, whoami};
pub(crate) use terminal::{Line, SIZE, Terminal};

use crate::{container::Aside, paths::Home};
use place::Place;
use watch::Watch;

/// One look at who is signed in takes no longer, whatever hangs: starts wait for it. So long also the beginning of a sign-in.
const LOOK: Duration = Duration::from_secs(60);
/// What one question in a container may take with the container's end.
const QUESTION: Duration = Duration::from_secs(40);

/// Who waits for an answer.
pub type Asker = oneshot::Sender<Answer>;

#[derive(Debug)]
pub enum ToKiro {
    /// Asks who is signed in: on the host, then in a container where one is given. Answered by `Checked`.
    Check(Box<Check>),
    /// Signs in, one at a time; answered by `Offered` and `LoginEnded`, or `LoginRefused`, with its `id`.
    Login {
        id: u64,
        container: Option<Box<Aside>>,
        way: Way,
        browser: bool,
        /// Whoever is signed in is signed out first: kiro-cli signs nobody in else.
        anew: bool,
    },
    CancelLogin,
    /// Answered by `LoggedOut`.
    Logout {
        container: Option<Box<Aside>>,
        asker: Asker,
    },
    /// Reads the API key. Answered by `Key`.
    ReadKey,
    /// Keeps a key, or removes the one that is kept. Answered by `Key`.
    KeepKey {
        key: Option<Secret>,
        asker: Asker,
    },
}

#[derive(Debug)]
pub struct Check {
    /// For the host's kiro-cli, where agents run without a container on an API key.
    pub key: Option<Secret>,
    pub container: Option<Box<Aside>>,
    /// kiro-cli's data folder: the user's, or the agents' own; none where a key alone counts.
    pub data: Option<PathBuf>,
    /// The sign-in is the agents' own: its last good copies are kept.
    pub own: bool,
}

#[derive(Debug)]
pub enum FromKiro {
    /// `old`: the trouble with the host's version.
    Checked {
        host: Whoami,
        container: Option<Whoami>,
        old: Option<Trouble>,
    },
    Offered {
        id: u64,
        offer: Offer,
    },
    /// Whether it has signed in only a check tells.
    LoginEnded {
        id: u64,
        said: Failure,
    },
    /// It could not be begun.
    LoginRefused {
        id: u64,
        trouble: Trouble,
    },
    LoggedOut {
        done: Result<(), Trouble>,
        asker: Asker,
    },
    /// What is kept now. `trouble`: the store can't be used; `asker`: of the command that changed it.
    Key {
        key: Option<Secret>,
        trouble: Option<Trouble>,
        asker: Option<Asker>,
    },
    /// kiro-cli's data has changed. A change during a check is told before its answer.
    Changed,
}

/// What agents have as `~/.kiro` (K4).
pub fn folder(places: &Places, settings: &Settings) -> PathBuf {
    match (settings.runtime, settings.kiro_mode) {
        // Without a container it is what the user has.
        (Runtime::Host, _) | (_, KiroMode::Shared) => places.user.join(".kiro"),
        (_, KiroMode::Own | KiroMode::ApiKey) => places.home.join("kiro/kiro"),
    }
}

/// The file that names Kiro's agent, in `agents/`.
pub const AGENT_FILE: &str = "agent_config.json";

/// The agent in use: the one that is set, else the one that Kiro's folder names; `None` where neither does.
pub fn agent_name(kiro: &Path, settings: &Settings) -> Option<String> {
    let named = || {
        let config: serde_json::Value =
            serde_json::from_str(&files::read(kiro, Path::new("agents"), AGENT_FILE).ok()?).ok()?;
        Some(config.get("name")?.as_str()?.trim().to_owned()).filter(|name| !name.is_empty())
    };
    settings.kiro_agent.clone().or_else(named)
}

/// Starts the edge. It ends, and what it has under way with it, when the sender is dropped.
pub fn start(settings: Settings, home: Home, events: mpsc::UnboundedSender<FromKiro>) -> mpsc::UnboundedSender<ToKiro> {
    let (orders, inbox) = mpsc::unbounded_channel();
    tokio::spawn(Edge { settings, home, events, watch: None, turn: Arc::default() }.serve(inbox));
    orders
}

struct Edge {
    settings: Settings,
    home: Home,
    events: mpsc::UnboundedSender<FromKiro>,
    watch: Option<(PathBuf, Watch)>,
    /// Held by a check, by signing out, and by a sign-in until its program runs: none sees, or copies, half of another.
    turn: Arc<Mutex<()>>,
}

/// What one order leads to.
type Work = futures_util::future::BoxFuture<'static, FromKiro>;

impl Edge {
    async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<ToKiro>) {
        let mut tasks = JoinSet::new();
        let mut login: Option<AbortHandle> = None;
        loop {
            tokio::select! {
                order = inbox.recv() => {
                    let events = self.events.clone();
                    let tell = move |work: Work| async move {
                        let said = work.await;
                        // Nobody listens any more while everything ends.
                        let _ = events.send(said);
                    };
                    match order {
                        Some(ToKiro::Check(check)) => {
                            self.look_at(check.data.as_deref());
                            drop(tasks.spawn(tell(self.check(*check))));
                        }
                        Some(ToKiro::Login { id, container, way, browser, anew }) => {
                            login = Some(tasks.spawn(tell(self.login(id, container, way, browser, anew))));
                        }
                        // Its terminal is left, which ends what sits at it.
                        Some(ToKiro::CancelLogin) => login.take().into_iter().for_each(|login| login.abort()),
                        Some(ToKiro::Logout { container, asker }) => drop(tasks.spawn(tell(self.logout(container, asker)))),
                        Some(ToKiro::ReadKey) => drop(tasks.spawn(tell(self.key(None)))),
                        Some(ToKiro::KeepKey { key, asker }) => drop(tasks.spawn(tell(self.key(Some((key, asker)))))),
                        None => return,
                    }
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    /// Watches that folder from now on. It may have been made since it was looked for.
    fn look_at(&mut self, data: Option<&Path>) {
        let Some(data) = data else { return self.watch = None };
        if self.watch.as_ref().is_none_or(|(folder, _)| folder != data || !folder.is_dir()) {
            let events = self.events.clone();
            self.watch = Some((data.to_owned(), Watch::on(data, move || drop(events.send(FromKiro::Changed)))));
        }
    }

    fn check(&self, check: Check) -> Work {
        let (settings, home) = (self.settings.clone(), self.home.clone());
        let (events, watch) = (self.events.clone(), self.watch.as_ref().map(|(_, watch)| watch.clone()));
        let turn = self.turn.clone();
        let asked = async move {
            let Ok(_turn) = timeout(LOOK, turn.lock()).await else {
                let host = Whoami::unknown("Can't tell: Kiro is still being signed in to, or out of.");
                return FromKiro::Checked { host, container: None, old: None };
            };
            let host = async {
                let program = find(&settings, &home.places()).await;
                let whoami = Place::Host { program: program.clone(), key: check.key }.whoami().await;
                let old = match &program {
                    Some(program) => program::too_old(program, &whoami).await,
                    None => None,
                };
                (whoami, old)
            };
            let (whoami, old) = timeout(LOOK, host).await.unwrap_or_else(|_| (too_long(), None));
            // One after the other: two that refresh one token at once sign each other out (facts/kiro-cli).
            let container = match check.container.map(Place::Container) {
                Some(place) => {
                    let seen = async { if check.own { own(&place, &home).await } else { place.whoami().await } };
                    Some(timeout(LOOK, seen).await.unwrap_or_else(|_| too_long()))
                }
                None => None,
            };
            if watch.is_some_and(|watch| watch.looked()) {
                // Nobody listens any more while everything ends.
                let _ = events.send(FromKiro::Changed);
            }
            FromKiro::Checked { host: whoami, container, old }
        };
        let broke = || FromKiro::Checked { host: broken(), container: None, old: None };
        AssertUnwindSafe(asked).catch_unwind().map(move |asked| asked.unwrap_or_else(|_| broke())).boxed()
    }

    async fn place(settings: Settings, home: Home, container: Option<Box<Aside>>) -> Place {
        match container {
            Some(aside) => Place::Container(aside),
            None => Place::Host { program: find(&settings, &home.places()).await, key: None },
        }
    }

    fn login(&self, id: u64, container: Option<Box<Aside>>, way: Way, browser: bool, anew: bool) -> Work {
        let home = self.home.clone();
        let place = Edge::place(self.settings.clone(), home.clone(), container);
        let (events, turn) = (self.events.clone(), self.turn.clone());
        let begun = async move {
            let _turn = turn.lock().await;
            let place = place.await;
            if anew {
                end(&place, &home).await?;
            }
            place.login(&way, browser).await.map(|terminal| (way, terminal))
        };
        let signed = async move {
            let late = || Err(Trouble::BadLogin { reason: "kiro-cli could not be started in time".to_owned() });
            match timeout(LOOK, begun).await.unwrap_or_else(|_| late()) {
                Ok((way, terminal)) => {
                    let offered = |offer| drop(events.send(FromKiro::Offered { id, offer }));
                    FromKiro::LoginEnded { id, said: login::talk(&way, browser, terminal, offered).await }
                }
                Err(trouble) => FromKiro::LoginRefused { id, trouble },
            }
        };
        let broke = move |_| FromKiro::LoginEnded { id, said: Failure::Silent };
        AssertUnwindSafe(signed).catch_unwind().map(move |signed| signed.unwrap_or_else(broke)).boxed()
    }

    fn logout(&self, container: Option<Box<Aside>>, asker: Asker) -> Work {
        let (home, turn) = (self.home.clone(), self.turn.clone());
        let place = Edge::place(self.settings.clone(), home.clone(), container);
        async move {
            let _turn = turn.lock().await;
            FromKiro::LoggedOut { done: end(&place.await, &home).await, asker }
        }
        .boxed()
    }

    /// `change`: what is to be kept; else the key is read.
    fn key(&self, change: Option<(Option<Secret>, Asker)>) -> Work {
        let home = self.home.clone();
        async move {
            let (change, asker) = change.map_or((None, None), |(key, asker)| (Some(key), Some(asker)));
            let used = tokio::task::spawn_blocking(move || match change {
                Some(Some(key)) => keys::keep(&home, Some(&key)).map(|()| Some(key)),
                // The environment may have another.
                Some(None) => keys::keep(&home, None).map(|()| keys::read(&home).unwrap_or_default()),
                None => keys::read(&home),
            });
            let lost = |_| Err(Trouble::NoKeyStore { reason: "its library failed".to_owned() });
            let key = used.await.unwrap_or_else(lost);
            FromKiro::Key { trouble: key.as_ref().err().cloned(), key: key.ok().flatten(), asker }
        }
        .boxed()
    }
}

/// Ends the sign-in of that place.
async fn end(place: &Place, home: &Home) -> Result<(), Trouble> {
    // First of all: what fails half way must not come back either, and who is signed in still is copied anew by the next check.
    if matches!(place, Place::Container(_))
        && let Err(error) = backup::forget(home)
    {
        tracing::warn!(%error, "Copies of a sign-in can't be removed");
    }
    place.logout().await
}

/// Asks with the agents' own sign-in: copied where it is good, put back where it was lost.
async fn own(place: &Place, home: &Home) -> Whoami {
    let begun = Instant::now();
    let mut whoami = place.whoami().await;
    while whoami.state == SignIn::SignedOut {
        // The next look goes on, rather than that this one is cut short in the midst of a question.
        if begun.elapsed() + QUESTION > LOOK {
            return too_long();
        }
        match backup::restore(home) {
            Ok(true) => tracing::warn!("The agents' sign-in was lost, and the last good copy put in its place"),
            Ok(false) => break,
            Err(error) => {
                tracing::warn!(%error, "The agents' sign-in can't be put back");
                break;
            }
        }
        whoami = place.whoami().await;
    }
    if whoami.state == SignIn::SignedIn
        && let Err(error) = backup::keep(home, Timestamp::now())
    {
        tracing::warn!(%error, "The agents' sign-in can't be copied");
    }
    whoami
}

fn too_long() -> Whoami {
    Whoami::unknown(format!("Can't tell: {}", silent(LOOK)))
}

fn broken() -> Whoami {
    Whoami::unknown("Can't tell: NanoClaw made a mistake; its log says more.")
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::Map;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn neither_a_look_nor_a_beginning_lasts_for_ever() {
        // K1, K2: whatever hangs before them.
        let place = tempfile::tempdir().unwrap();
        let (settings, _) = Settings::resolve(&Map::new(), |_| None, TimeZone::UTC);
        let home = Home::at(place.path()).unwrap();
        let (events, _told) = mpsc::unbounded_channel();
        let edge = Edge { settings, home, events, watch: None, turn: Arc::default() };
        let _hangs = edge.turn.lock().await;
        let begun = Instant::now();
        let check = Check { key: None, container: None, data: None, own: false };
        let FromKiro::Checked { host, container: None, old: None } = edge.check(check).await else {
            panic!("another answer");
        };
        assert!(host.state == SignIn::Unknown && host.text.contains("still being signed in"), "{}", host.text);
        assert_eq!(begun.elapsed(), LOOK);
        let way = Way::of(nanoclaw_core::kiro::Method::BuilderId);
        let refused = edge.login(1, None, way, false, false).await;
        assert!(matches!(refused, FromKiro::LoginRefused { id: 1, .. }), "{refused:?}");
        assert_eq!(begun.elapsed(), LOOK * 2);
    }
}
