//! Somebody signs in to Kiro, or out (K2).

use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::{
    command::Answer,
    kiro::{
        Method, SignIn, Way, Whoami,
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

    pub(in crate::orchestrator) async fn kiro_login(&mut self, way: Option<Way>, browser: bool) -> Answer {
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
    pub(in crate::orchestrator) fn leave_kiro(&self) {
        self.send_kiro(ToKiro::CancelLogin);
    }

    pub(in crate::orchestrator) fn kiro_login_cancel(&mut self) -> Answer {
        if !self.kiro.login.as_ref().is_some_and(LoginStatus::is_under_way) {
            return Err(Trouble::KiroNoLogin);
        }
        self.send_kiro(ToKiro::CancelLogin);
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

    pub(super) fn kiro_offered(&mut self, offer: Offer) {
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

    pub(super) fn kiro_login_ended(&mut self, whoami: &Whoami, said: &Failure) {
        match (whoami.state, said) {
            (SignIn::SignedIn, _) => self.end_login(LoginState::Succeeded, &whoami.text),
            (_, Failure::Expired) => self.end_login(LoginState::Expired, &said.sentence()),
            (SignIn::Unknown, Failure::Silent) => self.end_login(LoginState::Failed, &whoami.text),
            _ => self.end_login(LoginState::Failed, &said.sentence()),
        }
    }

    pub(super) fn end_login(&mut self, state: LoginState, text: &str) {
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
