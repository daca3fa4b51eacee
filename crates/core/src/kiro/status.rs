//! `kiro` of AppStatus: who is signed in where, whose word counts for runs, and a sign-in under way.

use jiff::Timestamp;
use serde::Serialize;

use super::{SignIn, Way, Whoami};
use crate::{
    failure::Access,
    problem::Trouble,
    settings::{KiroMode, Runtime},
    status::millis_option,
};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KiroStatus {
    pub mode: KiroMode,
    /// Messages and tasks that wait for a sign-in (K3).
    pub parked: u64,
    pub host: SignInStatus,
    /// What containers see; `None` before one was asked, and where there is none.
    pub container: Option<SignInStatus>,
    pub login: Option<LoginStatus>,
    /// There is an API key for the mode `api-key`: in the platform's key store, or in NanoClaw's own environment.
    pub has_key: bool,
    /// How the account that was signed in last did it: what a sign-in without a method does.
    pub usual: Option<Way>,
    /// A check is under way.
    pub checking: bool,
}

impl KiroStatus {
    /// Before anybody was asked.
    pub fn new(mode: KiroMode) -> Self {
        let host = SignInStatus::not_asked();
        let (container, login, usual) = (None, None, None);
        KiroStatus { mode, parked: 0, host, container, login, has_key: false, usual, checking: false }
    }

    /// What counts for runs: in containers what they see, where that is known; else the host's, where the sign-in is its.
    pub fn of_runs(&self, runtime: Runtime) -> Option<&SignInStatus> {
        let known = self.container.as_ref().filter(|seen| matches!(seen.state, SignIn::SignedIn | SignIn::SignedOut));
        match (runtime, self.mode) {
            (Runtime::Host, _) => Some(&self.host),
            (Runtime::Docker, KiroMode::Shared) => known.or(Some(&self.host)),
            (Runtime::Docker, KiroMode::Own | KiroMode::ApiKey) => self.container.as_ref(),
        }
    }

    /// How Kiro knows the agents.
    pub fn access(&self) -> Access {
        match (self.mode, self.has_key) {
            (KiroMode::ApiKey, false) => Access::NoKey,
            (KiroMode::ApiKey, true) => Access::Key,
            (KiroMode::Shared | KiroMode::Own, _) => Access::SignIn,
        }
    }

    /// The sign-in that signing in is about: the agents' own, else this computer's.
    pub fn of_place(&self, runtime: Runtime) -> Option<&SignInStatus> {
        match (runtime, self.mode) {
            (_, KiroMode::ApiKey) => None,
            (Runtime::Docker, KiroMode::Own) => self.container.as_ref(),
            (Runtime::Host, _) | (_, KiroMode::Shared) => Some(&self.host),
        }
    }

    /// Agents were refused although somebody is signed in there: only another sign-in helps.
    pub fn is_refused(&self, runtime: Runtime) -> bool {
        let signed_in = |seen: &SignInStatus| seen.state == SignIn::SignedIn;
        self.state(runtime) == Some(SignIn::SignedOut) && self.of_place(runtime).is_some_and(signed_in)
    }

    /// What runs came to goes before what was told when asked.
    pub fn state(&self, runtime: Runtime) -> Option<SignIn> {
        if self.parked > 0 { Some(SignIn::SignedOut) } else { self.of_runs(runtime).map(|seen| seen.state) }
    }

    pub fn is_signed_out(&self, runtime: Runtime) -> bool {
        self.access() == Access::NoKey || self.state(runtime) == Some(SignIn::SignedOut)
    }

    pub(crate) fn trouble(&self, runtime: Runtime) -> Option<Trouble> {
        let state = self.state(runtime);
        match (self.access(), state) {
            (Access::NoKey, _) => Some(Trouble::KiroKeyMissing),
            (Access::Key, Some(SignIn::SignedOut)) => Some(Trouble::KiroKeyRefused),
            (_, Some(SignIn::SignedOut)) => Some(Trouble::KiroSignedOut),
            (_, Some(SignIn::Missing)) => Some(Trouble::KiroMissing),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInStatus {
    pub state: SignIn,
    pub account: Option<String>,
    pub text: String,
    /// When Kiro was asked; `None` before its first answer.
    #[serde(with = "millis_option")]
    pub at: Option<Timestamp>,
}

impl SignInStatus {
    pub fn new(whoami: Whoami, at: Timestamp) -> Self {
        SignInStatus { at: Some(at), ..SignInStatus::of(whoami) }
    }

    pub fn not_asked() -> Self {
        SignInStatus::of(Whoami::unknown("Not asked yet."))
    }

    fn of(whoami: Whoami) -> Self {
        SignInStatus { state: whoami.state, account: whoami.account, text: whoami.text, at: None }
    }
}

/// A sign-in to Kiro, under way or just over. Code and address are secrets while it waits: `Debug` hides them.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginStatus {
    pub state: LoginState,
    /// Checked: https, on a host that is expected of Kiro or is the start URL's.
    pub url: Option<String>,
    pub code: Option<String>,
    pub text: String,
    /// Until when the code is good.
    #[serde(with = "millis_option")]
    pub expires_at: Option<Timestamp>,
}

impl LoginStatus {
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, LoginState::Starting | LoginState::Waiting)
    }
}

impl std::fmt::Debug for LoginStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginStatus").field("state", &self.state).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginState {
    Starting,
    Waiting,
    Succeeded,
    Failed,
    Expired,
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: SignIn) -> SignInStatus {
        SignInStatus { state, account: None, text: String::new(), at: None }
    }

    #[test]
    fn whose_word_counts_for_runs() {
        // K1, K4
        use KiroMode::*;
        use SignIn::*;
        for (runtime, mode, host, container, has_key, expect) in [
            (Runtime::Docker, Shared, SignedIn, Some(SignedOut), false, Some("kiro-signed-out")),
            (Runtime::Docker, Shared, SignedOut, Some(SignedIn), false, None),
            (Runtime::Docker, Shared, SignedOut, Some(Unknown), false, Some("kiro-signed-out")),
            (Runtime::Docker, Shared, SignedOut, None, false, Some("kiro-signed-out")),
            (Runtime::Docker, Shared, Unknown, Some(Unknown), false, None),
            (Runtime::Docker, Shared, Missing, None, false, Some("kiro-missing")),
            (Runtime::Docker, Shared, Missing, Some(SignedIn), false, None),
            (Runtime::Docker, Own, SignedOut, Some(SignedIn), false, None),
            (Runtime::Docker, Own, SignedIn, Some(SignedOut), false, Some("kiro-signed-out")),
            (Runtime::Docker, Own, Missing, None, false, None),
            (Runtime::Docker, ApiKey, SignedOut, Some(SignedIn), true, None),
            (Runtime::Docker, ApiKey, SignedIn, Some(SignedOut), true, Some("kiro-key-refused")),
            (Runtime::Docker, ApiKey, SignedIn, None, false, Some("kiro-key-missing")),
            (Runtime::Host, Shared, SignedIn, Some(SignedOut), false, None),
            (Runtime::Host, Own, SignedOut, None, false, Some("kiro-signed-out")),
        ] {
            let status =
                KiroStatus { host: seen(host), container: container.map(seen), has_key, ..KiroStatus::new(mode) };
            let told = status.trouble(runtime);
            assert_eq!(told.as_ref().map(Trouble::code), expect, "{runtime:?} {mode:?} {host:?} {container:?}");
        }
    }

    #[test]
    fn a_code_is_not_in_debug_output() {
        // K2
        let login = LoginStatus {
            state: LoginState::Waiting,
            url: Some("https://x/ABCD-EFGH".into()),
            code: Some("ABCD-EFGH".into()),
            text: String::new(),
            expires_at: None,
        };
        assert!(!format!("{login:?}").contains("ABCD"));
    }
}
