//! Kiro's sign-in, as the loop sees it: when it is asked for (K1), made (K2), and whose it is (K4).
//!
//! A check and the start of a run never overlap: two that refresh one token at once sign each other out (facts/kiro-cli). So a
//! check waits until no run is starting, and starts wait until the check is over.

use std::{fs, path::PathBuf};

use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{
    chat::Jid,
    command::{Answer, Command},
    group::{Folder, Group},
    kiro::{
        Method, Secret, SignIn, Way, Whoami,
        login::{Failure, Offer},
    },
    problem::Trouble,
    queue::Event,
    settings::{KiroMode, Runtime},
    status::{EngineState, LoginState, LoginStatus, SignInStatus, Wanted},
};
use nanoclaw_protocol::Cause;
use tokio::sync::mpsc;

use super::{
    State,
    commands::{done, json_of},
    now,
};
use crate::{
    bootstrap::bootstrap,
    container::Aside,
    kiro::{Asker, Check, FromKiro, LONGEST, ToKiro},
    ports::Ask,
    settings,
};

/// While something depends on it (K1).
const AGAIN: SignedDuration = SignedDuration::from_mins(15);
/// A kiro-cli that is missing may be installed at any moment, and to look for it is no more than that.
const MISSING: SignedDuration = SignedDuration::from_secs(60);
/// kiro-cli in a container opens its session, and may refresh its token, within this of the container's start.
const STARTING: SignedDuration = SignedDuration::from_secs(10);
/// What is not up by then holds up no check any more.
const COMING_UP: SignedDuration = SignedDuration::from_secs(60);
/// Changes of kiro-cli's data are often many at once, and a check may write there too.
const SETTLES: SignedDuration = SignedDuration::from_secs(2);

/// What the loop keeps of it beside the status.
pub(super) struct SignInWatch {
    edge: mpsc::UnboundedSender<ToKiro>,
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
    /// How many checks in a row had such a change.
    restless: u32,
    /// The check that is due looks for the host's kiro-cli alone.
    host_only: bool,
    /// How many checks in a row could not tell while work waits.
    unclear: u32,
    /// Who waits for the check that is due, and for the one under way.
    waiting: Vec<Asker>,
    asking: Vec<Asker>,
}

impl SignInWatch {
    pub(super) fn new(edge: mpsc::UnboundedSender<ToKiro>, install: String) -> Self {
        let (waiting, asking, asked_for) = (Vec::new(), Vec::new(), KiroMode::Shared);
        let (key, reading_key, check_at, refused_at) = (None, false, Some(now()), None);
        let (changed, restless, host_only, unclear) = (false, 0, false, 0);
        SignInWatch {
            edge,
            install,
            key,
            reading_key,
            asked_for,
            check_at,
            refused_at,
            changed,
            restless,
            host_only,
            unclear,
            waiting,
            asking,
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

    fn read_key(&mut self) {
        if self.settings.kiro_mode == KiroMode::ApiKey && self.send_kiro(ToKiro::ReadKey) {
            (self.kiro.has_key, self.sign_in.reading_key) = (true, true);
        }
    }

    fn usual(&self) -> PathBuf {
        self.home.kiro().join("usual.json")
    }

    fn send_kiro(&self, order: ToKiro) -> bool {
        self.sign_in.edge.send(order).is_ok()
    }

    /// A check is wanted, as soon as no run is starting (K1): after a run that failed for auth, after a sign-in, on demand.
    pub(super) fn check_kiro(&mut self) {
        self.check_kiro_in(SignedDuration::ZERO);
    }

    /// Within that time.
    fn check_kiro_in(&mut self, wait: SignedDuration) {
        let at = now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.sign_in.check_at = Some(self.sign_in.check_at.map_or(at, |due| due.min(at)));
        self.sign_in.host_only = false;
    }

    /// A run was refused as signed out.
    pub(super) fn kiro_refused(&mut self, cause: Cause) {
        self.signed_out_by = Some(cause);
        self.sign_in.refused_at = Some(now());
        self.check_kiro();
    }

    /// When [`State::look_after_kiro`] has something to do.
    pub(super) fn kiro_due_at(&self) -> Option<Timestamp> {
        let due = self.sign_in.check_at.filter(|_| !self.kiro.checking)?;
        if due > now() { Some(due) } else { self.starting_until() }
    }

    /// Until when runs are starting.
    fn starting_until(&self) -> Option<Timestamp> {
        let starting =
            self.runs.values().filter(|run| run.clock.last_result_at.is_none() && run.clock.closing_at.is_none());
        let until = starting.map(|run| {
            let wait = if run.is_up { STARTING } else { COMING_UP };
            run.clock.started_at.saturating_add(wait).unwrap_or(Timestamp::MAX)
        });
        until.filter(|until| *until > now()).max()
    }

    /// After each event: begins the check that is due, if it can be begun.
    pub(super) async fn look_after_kiro(&mut self) {
        let is_due = self.sign_in.check_at.is_some_and(|at| at <= now());
        let signs_in = self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way);
        let quits = self.wanted == Wanted::Quitting;
        if !is_due
            || quits
            || self.kiro.checking
            || signs_in
            || self.sign_in.reading_key
            || self.starting_until().is_some()
        {
            return;
        }
        self.sign_in.check_at = None;
        let uses_key = self.settings.kiro_mode == KiroMode::ApiKey;
        let check = Check {
            key: self.sign_in.key.clone().filter(|_| uses_key && self.settings.runtime == Runtime::Host),
            container: if self.sign_in.host_only { None } else { self.aside().await },
            data: match self.settings.kiro_mode {
                KiroMode::Own if self.settings.runtime == Runtime::Docker => self.home.kiro().join("data"),
                _ => self.home.places().kiro_data,
            },
            own: self.settings.kiro_mode == KiroMode::Own,
        };
        if self.send_kiro(ToKiro::Check(Box::new(check))) {
            self.kiro.checking = true;
            self.sign_in.asked_for = self.settings.kiro_mode;
            self.sign_in.asking.append(&mut self.sign_in.waiting);
            self.tell_ready().await;
        }
    }

    /// Whether runs can start (Q7), and no check is in their way.
    pub(super) async fn tell_ready(&mut self) {
        self.tell_queue(Event::EngineReady(self.has_image() && !self.kiro.checking && !self.sign_in.reading_key)).await;
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

    /// What secrets a run is given, by stdin alone (R3, K4).
    pub(super) fn secrets(&self) -> std::collections::BTreeMap<String, String> {
        let key = self.sign_in.key.as_ref().filter(|_| self.settings.kiro_mode == KiroMode::ApiKey);
        key.map(|key| (crate::kiro::KEY.to_owned(), key.0.clone())).into_iter().collect()
    }

    /// An image that was not there before: what containers see is not known yet.
    pub(super) fn kiro_image_seen(&mut self, image: Option<&str>) {
        if self.has_image() && (self.engine.image.id.as_deref() != image || self.kiro.container.is_none()) {
            self.check_kiro();
        }
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
            }
            Command::KiroLogout { .. } => match self.place_of_sign_in().await {
                Ok(container) => {
                    if self.kiro.login.take_if(|login| login.is_under_way()).is_some() {
                        self.send_kiro(ToKiro::CancelLogin);
                    }
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

    /// Where somebody signs in and out: in a container of the agents' own, else on the host.
    async fn place_of_sign_in(&mut self) -> Result<Option<Box<Aside>>, Trouble> {
        match (self.settings.runtime, self.settings.kiro_mode) {
            (_, KiroMode::ApiKey) => Err(Trouble::KiroUsesKey),
            (Runtime::Host, _) | (_, KiroMode::Shared) => Ok(None),
            (Runtime::Docker, KiroMode::Own) => match self.aside().await {
                Some(aside) => Ok(Some(aside)),
                None if self.engine.state == EngineState::Ready => {
                    Err(Trouble::ImageMissing { image: self.settings.agent_image.clone() })
                }
                None => Err(Trouble::EngineAbsent { can_start: self.starter.is_some() }),
            },
        }
    }

    pub(super) async fn kiro_login(&mut self, way: Option<Way>, browser: bool) -> Answer {
        if self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way) {
            return Err(Trouble::KiroLoginUnderWay);
        }
        let usual = || self.kiro.usual.clone().unwrap_or_else(|| Way::of(Method::BuilderId));
        let way = way.unwrap_or_else(usual).checked()?;
        let container = self.place_of_sign_in().await?;
        let signed = if container.is_some() { self.kiro.container.as_ref() } else { Some(&self.kiro.host) };
        let is_recent = |at: Option<Timestamp>| at.is_some_and(|at| now().duration_since(at) < AGAIN);
        let known = signed.filter(|seen| seen.state == SignIn::SignedIn && is_recent(seen.at));
        // What waits although somebody is signed in was refused with that sign-in: another one is wanted.
        let anew = self.queue.waiting().iter().any(|waiting| waiting.parked);
        if let Some(SignInStatus { account, .. }) = known.filter(|_| !anew) {
            return Err(Trouble::KiroSignedIn { account: account.clone().unwrap_or_default() });
        }
        if container.is_some() && browser {
            let reason = "the agents' own sign-in is made in a container, which has no browser".to_owned();
            return Err(Trouble::BadLogin { reason });
        }
        tracing::info!(method = ?way.method, in_container = container.is_some(), "Signing in to Kiro");
        self.kiro.login = Some(login(LoginState::Starting, "Kiro is asked for a code."));
        self.send_kiro(ToKiro::Login { container, way, browser, anew });
        done()
    }

    /// Nobody signs in any more.
    pub(super) fn leave_kiro(&self) {
        self.send_kiro(ToKiro::CancelLogin);
    }

    pub(super) fn kiro_login_cancel(&mut self) -> Answer {
        if !self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way) {
            return Err(Trouble::KiroNoLogin);
        }
        self.send_kiro(ToKiro::CancelLogin);
        self.kiro.login = Some(login(LoginState::Cancelled, "The sign-in was cancelled."));
        self.check_kiro();
        done()
    }

    /// What signing out does to whom; it wants a yes.
    pub(super) fn kiro_logout(&self) -> Answer {
        let what = match (self.settings.runtime, self.settings.kiro_mode) {
            (_, KiroMode::ApiKey) => return Err(Trouble::KiroUsesKey),
            (Runtime::Docker, KiroMode::Own) => "sign all agents out of Kiro, but not you",
            _ => "sign you out of Kiro on this computer, in your own terminals too, and all agents with you",
        };
        Err(Trouble::NeedsYes { what: what.to_owned() })
    }

    /// K4
    pub(super) async fn kiro_mode(&mut self, mode: KiroMode, yes: bool) -> Answer {
        const SETTING: &str = "KIRO_MODE";
        if mode == self.settings.kiro_mode {
            return json_of(&self.kiro);
        }
        if !yes {
            let what = format!("change whose Kiro sign-in agents use. {} Chats and messages stay", mode.meaning());
            return Err(Trouble::NeedsYes { what });
        }
        let name =
            serde_json::to_value(mode).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        let shown = settings::get(&self.home, Some(SETTING))?;
        if shown.iter().any(|shown| shown.source == settings::Source::Environment) {
            return Err(Trouble::SettingFixed { key: SETTING.to_owned() });
        }
        settings::set(&self.home, SETTING, &name)?;
        if self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way) {
            self.send_kiro(ToKiro::CancelLogin);
        }
        tracing::info!(mode = name, "Whose Kiro sign-in agents use was changed");
        self.settings.kiro_mode = mode;
        self.kiro.mode = mode;
        (self.kiro.container, self.kiro.login) = (None, None);
        // The key store matters to the mode that uses it; one that is asked again says so again.
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::NoKeyStore { .. }));
        bootstrap(&self.home.places(), &self.settings);
        self.check_kiro_files();
        self.tell_queue(Event::SignedInAnew).await;
        self.read_key();
        self.tell_ready().await;
        // Those that live have the other sign-in: they finish what they are at, and the next ones have this.
        for run in self.runs.keys().cloned().collect::<Vec<_>>() {
            self.close_run(&run);
        }
        self.check_kiro();
        json_of(&self.kiro)
    }

    pub(super) async fn kiro_said(&mut self, said: FromKiro) {
        match said {
            FromKiro::Checked { host, container, old } => self.kiro_checked(host, container, old).await,
            FromKiro::Offered(offer) => self.kiro_offered(offer),
            FromKiro::LoginEnded { whoami, said } => {
                self.kiro_login_ended(&whoami, &said);
                if whoami.state == SignIn::SignedIn {
                    self.tell_queue(Event::SignedInAnew).await;
                }
            }
            FromKiro::LoginRefused(trouble) => {
                let problem = trouble.problem();
                self.end_login(LoginState::Failed, &format!("{} {}", problem.text, problem.cure));
            }
            FromKiro::LoggedOut { done: ended, asker } => {
                match ended {
                    // Answered when it has been seen.
                    Ok(()) => self.sign_in.waiting.push(asker),
                    Err(trouble) => drop(asker.send(Err(trouble))),
                }
                self.kiro.login = None;
                self.check_kiro();
            }
            FromKiro::Key { key, trouble, asker } => {
                self.recorded.retain(|trouble| !matches!(trouble, Trouble::NoKeyStore { .. }));
                if self.settings.kiro_mode == KiroMode::ApiKey {
                    self.recorded.extend(trouble.clone());
                }
                self.kiro.has_key = key.is_some();
                self.tell_queue(Event::SignedInAnew).await;
                (self.sign_in.key, self.sign_in.reading_key) = (key, false);
                self.kiro.container =
                    self.kiro.container.take().filter(|_| self.settings.kiro_mode != KiroMode::ApiKey);
                self.check_kiro();
                self.tell_ready().await;
                if let Some(asker) = asker {
                    // It may have gone.
                    let _ = asker.send(trouble.map_or_else(|| json_of(&self.kiro), Err));
                }
            }
            FromKiro::Changed if self.kiro.checking => self.sign_in.changed = true,
            FromKiro::Changed => {
                // The run that was refused may have written there, and the check that followed.
                let writers = [self.sign_in.refused_at, self.kiro.host.at];
                let is_ours = writers.into_iter().flatten().any(|at| now().duration_since(at) < STARTING);
                if self.runs.is_empty() && !is_ours {
                    self.tell_queue(Event::SignedInAnew).await;
                }
                if self.is_news(self.kiro.of_runs(self.settings.runtime).map(|seen| seen.state)) {
                    self.check_kiro_in(SETTLES);
                }
            }
        }
    }

    /// Whether a change of kiro-cli's data may say who is signed in: an agent at work writes there all the time, and knows
    /// itself whether it is.
    fn is_news(&self, known: Option<SignIn>) -> bool {
        self.runs.is_empty() || known != Some(SignIn::SignedIn)
    }

    async fn kiro_checked(&mut self, host: Whoami, container: Option<Whoami>, old: Option<Trouble>) {
        self.kiro.checking = false;
        // Of another mode meanwhile: the check that is due asks for this one.
        let container = container.filter(|_| self.sign_in.asked_for == self.settings.kiro_mode);
        let uses_host = self.settings.runtime == Runtime::Host || self.settings.kiro_mode == KiroMode::Shared;
        let missing = host.state == SignIn::Missing && uses_host;
        let way = container.as_ref().and_then(|seen| seen.way.clone()).or_else(|| host.way.clone());
        let before = (self.kiro.host.state, self.kiro.container.as_ref().map(|seen| seen.state));
        self.kiro.host = SignInStatus::new(host, now());
        if let Some(seen) = container {
            self.kiro.container = Some(SignInStatus::new(seen, now()));
        }
        let after = (self.kiro.host.state, self.kiro.container.as_ref().map(|seen| seen.state));
        if before != after {
            if self.kiro.of_runs(self.settings.runtime).is_some_and(|seen| seen.state != SignIn::SignedOut) {
                self.tell_queue(Event::SignedInAnew).await;
            }
            tracing::info!(host = ?after.0, container = ?after.1, "Kiro's sign-in");
        }
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::KiroOld { .. }));
        self.recorded.extend(old);
        if way.is_some() && way != self.kiro.usual {
            let kept = serde_json::to_vec(&way).map_err(Into::into).and_then(|text| fs::write(self.usual(), text));
            if let Err(error) = kept {
                tracing::debug!(%error, "How the account signs in can't be kept");
            }
            self.kiro.usual = way;
        }
        // Somebody may have signed in meanwhile, or the check has written there itself: another look tells.
        let state = self.kiro.of_runs(self.settings.runtime).map(|seen| seen.state);
        let is_restless = std::mem::take(&mut self.sign_in.changed) && self.is_news(state);
        self.sign_in.restless = if is_restless { self.sign_in.restless + 1 } else { 0 };
        if is_restless {
            self.check_kiro_in(AGAIN.min(SETTLES * (1 << self.sign_in.restless.min(10)) / 2));
        }
        let is_unclear = self.kiro.parked > 0 && state == Some(SignIn::Unknown);
        self.sign_in.unclear = if is_unclear { self.sign_in.unclear + 1 } else { 0 };
        if self.sign_in.check_at.is_none() {
            let wait = match self.sign_in.unclear {
                _ if missing => Some(MISSING),
                0 => (!self.groups.is_empty()).then_some(AGAIN),
                times => Some(AGAIN.min(SignedDuration::from_mins(1 << (times - 1).min(4)))),
            };
            if let Some(wait) = wait {
                self.check_kiro_in(wait);
            }
            let seen = self.kiro.container.as_ref().and_then(|seen| seen.at);
            self.sign_in.host_only = missing && seen.is_some_and(|at| now().duration_since(at) < AGAIN);
        }
        self.tell_ready().await;
        self.sign_in_seen().await;
        for asker in std::mem::take(&mut self.sign_in.asking) {
            // It may have gone.
            let _ = asker.send(json_of(&self.kiro));
        }
    }

    fn kiro_offered(&mut self, offer: Offer) {
        let Some(login) = self.kiro.login.as_mut().filter(|login| login.is_under_way()) else { return };
        let until = now().saturating_add(SignedDuration::try_from(LONGEST).unwrap_or_default()).ok();
        login.expires_at = login.expires_at.or(until);
        login.state = LoginState::Waiting;
        login.text = match (&offer.code, &offer.url) {
            (Some(_), Some(_)) => "Open the address, check that it shows this code, and sign in there.",
            (Some(_), None) => "kiro-cli did not say where. Open the sign-in page of your account and type this code.",
            (None, _) => "Sign in in the browser that has opened, or open the address.",
        }
        .to_owned();
        (login.code, login.url) = (offer.code, offer.url);
    }

    fn kiro_login_ended(&mut self, whoami: &Whoami, said: &Failure) {
        match (whoami.state, said) {
            (SignIn::SignedIn, _) => self.end_login(LoginState::Succeeded, &whoami.text),
            (_, Failure::Expired) => self.end_login(LoginState::Expired, &said.sentence()),
            (SignIn::Unknown, Failure::Silent) => self.end_login(LoginState::Failed, &whoami.text),
            _ => self.end_login(LoginState::Failed, &said.sentence()),
        }
    }

    fn end_login(&mut self, state: LoginState, text: &str) {
        if !self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way) {
            return;
        }
        tracing::info!(?state, "The sign-in to Kiro is over");
        self.kiro.login = Some(login(state, text));
        self.check_kiro();
    }
}

fn login(state: LoginState, text: &str) -> LoginStatus {
    LoginStatus { state, url: None, code: None, text: text.to_owned(), expires_at: None }
}

#[cfg(test)]
mod tests;
