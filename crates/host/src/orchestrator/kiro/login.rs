//! Somebody signs in to Kiro, or out (K2).

use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{
    command::Answer,
    kiro::{
        Method, SignIn, Way,
        login::{Failure, Offer},
    },
    problem::Trouble,
    settings::{KiroMode, Runtime},
    status::{EngineState, LoginState, LoginStatus, SignInStatus},
};

use super::{AGAIN, State};
use crate::{
    container::Aside,
    kiro::{LONGEST, ToKiro},
    logging::word,
    orchestrator::{commands::done, now},
};

impl State {
    /// Where somebody signs in and out: in a container of the agents' own, else on the host.
    pub(super) async fn place_of_sign_in(&mut self) -> Result<Option<Box<Aside>>, Trouble> {
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

    pub(in crate::orchestrator) async fn kiro_login(&mut self, way: Option<Way>, browser: bool, yes: bool) -> Answer {
        if self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way) {
            return Err(Trouble::KiroLoginUnderWay);
        }
        let usual = || self.kiro.usual.clone().unwrap_or_else(|| Way::of(Method::BuilderId));
        let way = way.unwrap_or_else(usual).checked()?;
        let container = self.place_of_sign_in().await?;
        // kiro-cli signs nobody in where somebody is; what agents are refused with is of no use any more.
        let anew = self.kiro.is_refused(self.settings.runtime);
        if anew && !yes {
            let whom = if container.is_some() { "all agents" } else { "you, in your own terminals too," };
            let what =
                format!("first end the sign-in that agents are refused with, for {whom} and then begin another one");
            return Err(Trouble::NeedsYes { what });
        }
        let is_recent = |at: Option<Timestamp>| at.is_some_and(|at| now().duration_since(at) < AGAIN);
        let known = self.kiro.of_place(self.settings.runtime);
        let known = known.filter(|seen| seen.state == SignIn::SignedIn && is_recent(seen.at));
        if let Some(SignInStatus { account, .. }) = known.filter(|_| !anew) {
            return Err(Trouble::KiroSignedIn { account: account.clone().unwrap_or_default() });
        }
        if container.is_some() && browser {
            let reason = "the agents' own sign-in is made in a container, which has no browser".to_owned();
            return Err(Trouble::BadLogin { reason });
        }
        tracing::info!(method = word(&way.method), in_container = container.is_some(), "Signing in to Kiro");
        self.kiro.login = Some(if browser {
            let text = "Sign in in the browser that opens.";
            LoginStatus { expires_at: ends_at(), ..login(LoginState::Waiting, text) }
        } else {
            login(LoginState::Starting, "Kiro is asked for a code.")
        });
        self.sign_in.login += 1;
        self.send_kiro(ToKiro::Login { id: self.sign_in.login, container, way, browser, anew });
        // A check that is due waits for its end, and so holds nothing up.
        self.tell_ready().await;
        done()
    }

    /// Kiro is being signed in to: no check can be made.
    pub(super) fn signs_in(&self) -> bool {
        self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way)
            && self.sign_in.ended.is_none()
            && self.sign_in.confirming.is_none()
    }

    /// The sign-in under way counts no more, whatever still comes of it.
    pub(super) fn drop_login(&mut self) -> bool {
        let was_under_way = self.kiro.login.take_if(|login| login.is_under_way()).is_some();
        if was_under_way {
            self.send_kiro(ToKiro::CancelLogin);
        }
        (self.sign_in.ended, self.sign_in.confirming) = (None, None);
        was_under_way
    }

    /// Nobody signs in any more.
    pub(in crate::orchestrator) fn leave_kiro(&self) {
        self.send_kiro(ToKiro::CancelLogin);
    }

    pub(in crate::orchestrator) fn kiro_login_cancel(&mut self) -> Answer {
        if !self.drop_login() {
            return Err(Trouble::KiroNoLogin);
        }
        self.kiro.login = Some(login(LoginState::Cancelled, "The sign-in was cancelled."));
        self.check_kiro();
        done()
    }

    /// What signing out does to whom; it wants a yes.
    pub(in crate::orchestrator) fn kiro_logout(&self) -> Answer {
        let what = match (self.settings.runtime, self.settings.kiro_mode) {
            (_, KiroMode::ApiKey) => return Err(Trouble::KiroUsesKey),
            (Runtime::Docker, KiroMode::Own) => "sign all agents out of Kiro, but not you",
            _ => "sign you out of Kiro on this computer, in your own terminals too, and all agents with you",
        };
        Err(Trouble::NeedsYes { what: what.to_owned() })
    }

    /// The sign-in `id` is under way still, and not one after it.
    fn is_at(&self, id: u64) -> bool {
        self.sign_in.login == id && self.signs_in()
    }

    pub(super) fn kiro_offered(&mut self, id: u64, offer: Offer) {
        let is_at = self.is_at(id);
        let Some(login) = self.kiro.login.as_mut().filter(|_| is_at) else { return };
        login.expires_at = login.expires_at.or_else(ends_at);
        login.state = LoginState::Waiting;
        login.text = match (&offer.code, &offer.url) {
            (Some(_), Some(_)) => "Open the address, check that it shows this code, and sign in there.",
            (Some(_), None) => "kiro-cli did not say where. Open the sign-in page of your account and type this code.",
            (None, _) => "Sign in in the browser that has opened, or open the address.",
        }
        .to_owned();
        (login.code, login.url) = (offer.code, offer.url);
    }

    /// It could not be begun.
    pub(super) fn kiro_login_refused(&mut self, id: u64, trouble: &Trouble) {
        if self.is_at(id) {
            let problem = trouble.problem();
            self.end_login(LoginState::Failed, &format!("{} {}", problem.text, problem.cure));
            self.check_kiro();
        }
    }

    /// Its program has ended, and said that. Only a check tells what came of it, at a moment when no run is starting.
    pub(super) fn kiro_login_ended(&mut self, id: u64, said: Failure) {
        if self.is_at(id) {
            self.kiro.login = Some(login(LoginState::Waiting, "Looking who is signed in."));
            self.sign_in.ended = Some(said);
            self.check_kiro();
        }
    }

    /// A check of `at`, begun after its end: whether somebody is signed in there.
    pub(super) fn kiro_login_confirmed(&mut self, said: &Failure, at: Timestamp) -> bool {
        let asked = self.kiro.of_place(self.settings.runtime).filter(|seen| seen.at == Some(at));
        let (state, text) = match asked {
            Some(seen) => (seen.state, seen.text.clone()),
            None => (SignIn::Unknown, "Can't tell: there is no container to ask in.".to_owned()),
        };
        match (state, said) {
            (SignIn::SignedIn, _) => self.end_login(LoginState::Succeeded, &text),
            (_, Failure::Expired) => self.end_login(LoginState::Expired, &said.sentence()),
            (SignIn::Unknown, Failure::Silent) => self.end_login(LoginState::Failed, &text),
            _ => self.end_login(LoginState::Failed, &said.sentence()),
        }
        state == SignIn::SignedIn
    }

    fn end_login(&mut self, state: LoginState, text: &str) {
        tracing::info!(state = word(&state), "The sign-in to Kiro is over");
        self.kiro.login = Some(login(state, text));
    }
}

/// When kiro-cli waits no longer for a person.
fn ends_at() -> Option<Timestamp> {
    now().checked_add(SignedDuration::try_from(LONGEST).ok()?).ok()
}

fn login(state: LoginState, text: &str) -> LoginStatus {
    LoginStatus { state, url: None, code: None, text: text.to_owned(), expires_at: None }
}
