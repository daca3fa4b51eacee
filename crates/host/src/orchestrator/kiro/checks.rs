//! When Kiro is asked who is signed in, and what its answer leads to (K1).
//!
//! A check and the start of a run never overlap: two that refresh one token at once sign each other out (facts/kiro-cli). So a
//! check waits until no run is starting, and starts wait until the check is over; after a while also for one that only waits.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{
    kiro::{SignIn, Whoami},
    problem::Trouble,
    queue::Event,
    settings::{KiroMode, Runtime},
    status::{SignInStatus, Wanted},
};
use nanoclaw_protocol::Cause;

use super::{AGAIN, State};
use crate::{
    kiro::{Check, ToKiro},
    logging::word,
    orchestrator::{commands::json_of, now},
};

/// A kiro-cli that is missing may be installed at any moment, and to look for it is no more than that.
const MISSING: SignedDuration = SignedDuration::from_secs(60);
/// kiro-cli in a container opens its session, and may refresh its token, within this of the container's start.
const STARTING: SignedDuration = SignedDuration::from_secs(10);
/// What is not up by then holds up no check any more.
const COMING_UP: SignedDuration = SignedDuration::from_secs(60);
/// For so long a check that is due lets runs start before it: many in a row would put it off for ever.
const GIVES_WAY: SignedDuration = SignedDuration::from_secs(10);
/// A person who uses kiro-cli writes to its data all the time, without another sign-in: it is looked at no oftener than this.
const IN_USE: SignedDuration = SignedDuration::from_secs(30);
/// Agents at work do too, and know themselves whether they are signed in.
const AT_WORK: SignedDuration = SignedDuration::from_mins(2);
/// Changes of kiro-cli's data are often many at once, and a check may write there too.
const SETTLES: SignedDuration = SignedDuration::from_secs(2);

impl State {
    /// A check is wanted, as soon as no run is starting (K1): after a run that failed for auth, after a sign-in, on demand.
    pub(in crate::orchestrator) fn check_kiro(&mut self) {
        self.check_kiro_in(SignedDuration::ZERO);
    }

    /// Within that time.
    pub(super) fn check_kiro_in(&mut self, wait: SignedDuration) {
        let at = now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.sign_in.check_at = Some(self.sign_in.check_at.map_or(at, |due| due.min(at)));
        self.sign_in.host_only = false;
    }

    /// Chats depend on the sign-in from now on, or no longer.
    pub(in crate::orchestrator) fn watch_kiro(&mut self) {
        if !self.groups.is_empty() && self.sign_in.check_at.is_none() && !self.kiro.checking {
            self.check_kiro_in(AGAIN);
        }
    }

    /// A run was refused as signed out.
    pub(in crate::orchestrator) fn kiro_refused(&mut self, cause: Cause) {
        self.signed_out_by = Some(cause);
        self.sign_in.refused_at = Some(now());
        self.check_kiro();
    }

    /// When [`State::look_after_kiro`] has something to do: also a moment that has passed since it looked.
    pub(in crate::orchestrator) fn kiro_due_at(&self) -> Option<Timestamp> {
        let due = self.sign_in.check_at.filter(|_| !self.puts_checks_off())?;
        let Some(until) = self.starting_until() else { return Some(due) };
        let holds = due.saturating_add(GIVES_WAY).unwrap_or(Timestamp::MAX);
        Some(if holds > now() { until.min(holds) } else { until })
    }

    /// No check can begin, whatever is due, until something comes that says so.
    fn puts_checks_off(&self) -> bool {
        self.wanted == Wanted::Quitting || self.kiro.checking || self.signs_in() || self.sign_in.reading_key
    }

    /// Runs wait for it: it is under way, or has waited for them for long enough.
    fn holds_starts(&self) -> bool {
        let has_waited = |due: Timestamp| now().duration_since(due) >= GIVES_WAY;
        self.kiro.checking || (!self.signs_in() && self.sign_in.check_at.is_some_and(has_waited))
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
    pub(in crate::orchestrator) async fn look_after_kiro(&mut self) {
        let is_due = self.sign_in.check_at.is_some_and(|at| at <= now());
        if !is_due || self.puts_checks_off() {
            return;
        }
        if self.starting_until().is_some() {
            return self.tell_ready().await;
        }
        self.sign_in.check_at = None;
        let uses_key = self.settings.kiro_mode == KiroMode::ApiKey;
        let check = Check {
            key: self.sign_in.key.clone().filter(|_| uses_key && self.settings.runtime == Runtime::Host),
            container: if self.sign_in.host_only { None } else { self.aside().await },
            data: match (self.settings.runtime, self.settings.kiro_mode) {
                (Runtime::Docker, KiroMode::Own) => Some(self.home.kiro().join("data")),
                (Runtime::Docker, KiroMode::ApiKey) => None,
                (Runtime::Host, _) | (_, KiroMode::Shared) => Some(self.home.places().kiro_data),
            },
            own: self.settings.kiro_mode == KiroMode::Own,
        };
        if self.send_kiro(ToKiro::Check(Box::new(check))) {
            self.kiro.checking = true;
            self.sign_in.asked_for = self.settings.kiro_mode;
            self.sign_in.asking.append(&mut self.sign_in.waiting);
            self.sign_in.confirming = self.sign_in.ended.take();
            self.tell_ready().await;
        }
    }

    /// Whether runs can start (Q7), and no check is in their way.
    pub(in crate::orchestrator) async fn tell_ready(&mut self) {
        self.tell_queue(Event::EngineReady(self.has_image() && !self.holds_starts() && !self.sign_in.reading_key))
            .await;
    }

    /// An image that was not there before: what containers see is not known yet.
    pub(in crate::orchestrator) fn kiro_image_seen(&mut self, image: Option<&str>) {
        if self.has_image() && (self.engine.image.id.as_deref() != image || self.kiro.container.is_none()) {
            self.check_kiro();
        }
    }

    /// kiro-cli's data has changed.
    pub(super) async fn kiro_changed(&mut self) {
        if self.kiro.checking {
            self.sign_in.changed = true;
            return;
        }
        // The run that was refused may have written there, and the check that followed.
        let writers = [self.sign_in.refused_at, self.kiro.host.at];
        let is_ours = writers.into_iter().flatten().any(|at| now().duration_since(at) < STARTING);
        let state = self.kiro.of_runs(self.settings.runtime).map(|seen| seen.state);
        let is_agents = !self.is_news(state) && self.kiro.parked == 0;
        self.sign_in.is_new |= !is_ours && !is_agents;
        let seldom = match state {
            _ if is_agents => AT_WORK,
            Some(SignIn::SignedIn) => IN_USE,
            _ => SETTLES,
        };
        let wait = self.kiro.host.at.map(|at| seldom - now().duration_since(at));
        self.check_kiro_in(wait.unwrap_or_default().max(SETTLES));
    }

    /// Whether a change of kiro-cli's data may say who is signed in: an agent at work writes there all the time, and knows
    /// itself whether it is.
    fn is_news(&self, known: Option<SignIn>) -> bool {
        self.runs.is_empty() || known != Some(SignIn::SignedIn)
    }

    pub(super) async fn kiro_checked(&mut self, host: Whoami, container: Option<Whoami>, old: Option<Trouble>) {
        self.kiro.checking = false;
        // Of another mode meanwhile: the check that is due asks for this one.
        let container = container.filter(|_| self.sign_in.asked_for == self.settings.kiro_mode);
        let uses_host = self.settings.runtime == Runtime::Host || self.settings.kiro_mode == KiroMode::Shared;
        let missing = host.state == SignIn::Missing && uses_host;
        let way = container.as_ref().and_then(|seen| seen.way.clone()).or_else(|| host.way.clone());
        let before = (self.kiro.host.state, self.kiro.container.as_ref().map(|seen| seen.state));
        let at = now();
        self.kiro.host = SignInStatus::new(host, at);
        if let Some(seen) = container {
            self.kiro.container = Some(SignInStatus::new(seen, at));
        }
        let after = (self.kiro.host.state, self.kiro.container.as_ref().map(|seen| seen.state));
        let is_out = self.kiro.of_runs(self.settings.runtime).is_none_or(|seen| seen.state == SignIn::SignedOut);
        let is_new = std::mem::take(&mut self.sign_in.is_new) || before != after;
        let said = self.sign_in.confirming.take();
        if said.is_some_and(|said| self.kiro_login_confirmed(&said, at)) || (is_new && !is_out) {
            self.tell_queue(Event::SignedInAnew).await;
        }
        if before != after {
            tracing::info!(host = word(&after.0), container = word(&after.1), "Kiro's sign-in");
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
        // In this order: what is to wait is not begun before.
        self.sign_in_seen().await;
        self.tell_ready().await;
        if self.kiro.parked > 0 {
            self.read_key_again();
        }
        for asker in std::mem::take(&mut self.sign_in.asking) {
            // It may have gone.
            let _ = asker.send(json_of(&self.kiro));
        }
    }
}
