//! The shapes of the pages Kiro, Chats and About, and of the assistant of the first start; the others stand in `view`.

use serde::Serialize;

use super::view::{Button, Chat, Confirm, Fact, Line, Mark, Panel, Progress, State};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct KiroView {
    /// How agents are signed in, and what helps; `None` while a sign-in is under way.
    pub panel: Option<Panel>,
    /// Who is signed in: on this computer, and as containers see it (K1).
    pub places: Vec<Place>,
    pub check: Button,
    /// The sign-in under way, or how the last one ended.
    pub login: Option<Login>,
    /// The ways to sign in, where that is of use now (K2).
    pub methods: Vec<Way>,
    /// Signing in ends a sign-in that agents were refused with: asked before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub ends: Option<Confirm>,
    /// Whether the sign-in can be done in this computer's browser, without a code.
    pub browser: bool,
    pub modes: Vec<Mode>,
    /// A field for an API key, where agents use one (K4).
    pub key: Option<KeyForm>,
    pub sign_out: Option<Button>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Place {
    pub title: String,
    pub mark: Mark,
    pub text: String,
    /// When it was looked at last.
    pub at: Option<String>,
}

/// Code and address are secrets while they last.
#[derive(Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Login {
    pub mark: Mark,
    pub title: String,
    pub text: String,
    pub code: Option<String>,
    pub url: Option<String>,
    pub expires_at: Option<String>,
    pub open: Option<Button>,
    pub cancel: Option<Button>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("title", &self.title).finish_non_exhaustive()
    }
}

/// A way to sign in: the arguments of `kiro.login`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Way {
    pub method: String,
    pub title: String,
    pub text: String,
    /// The one that was used last, or is the usual.
    pub on: bool,
    /// It asks for the organisation's address and its region: with what they were last.
    pub organisation: Option<Organisation>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Organisation {
    pub start_url: String,
    pub region: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Mode {
    pub mode: String,
    pub title: String,
    pub text: String,
    pub on: bool,
    pub choose: Button,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct KeyForm {
    pub label: String,
    pub hint: String,
    pub button: String,
    pub command: String,
    pub remove: Option<Button>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ChatsView {
    /// The JID of the person's chat with themselves.
    pub own: Option<String>,
    /// What a chat without tools of its own may use, where it is not the main one.
    pub usual_tools: Vec<String>,
    pub groups: Vec<GroupView>,
}

/// A registered chat with its settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct GroupView {
    pub jid: String,
    pub chat: Chat,
    pub is_main: bool,
    /// What it answers to.
    pub text: String,
    /// What it is at, where it is at anything.
    pub state: Option<State>,
    /// Its own trigger; empty for the usual one.
    pub trigger: String,
    pub usual_trigger: String,
    pub requires_trigger: bool,
    /// The longest that a run of it may take without a result, in milliseconds; `None` for what the settings say.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub timeout: Option<u64>,
    /// What its agent may do.
    pub trust: String,
    pub mounts: Vec<ExtraMount>,
    /// `None` for those of its trust.
    pub tools: Option<Vec<String>>,
    pub open: Button,
    pub move_main: Option<Button>,
    pub remove: Option<Button>,
}

/// As `groups.set` takes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ExtraMount {
    pub host_path: String,
    pub container_path: Option<String>,
    pub readonly: Option<bool>,
}

/// The way from a first start to a first answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SetupView {
    /// Nothing was set up yet: the window begins with it.
    pub is_first: bool,
    /// Something of it is left to do: the Overview has the way back to it.
    pub is_open: bool,
    /// Problems that none of its steps tells.
    pub notices: Vec<Panel>,
    pub steps: Vec<Step>,
    /// What is done when it begins, as it takes a while: the image is built.
    pub begin: Option<Button>,
    pub progress: Option<Progress>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Step {
    pub key: StepKey,
    /// What it is about, in a word or two.
    pub label: String,
    pub title: String,
    pub text: String,
    pub done: bool,
    /// How it stands, with what does it.
    pub panel: Option<Panel>,
    /// More that helps.
    pub help: Option<Button>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum StepKey {
    Welcome,
    Docker,
    Image,
    Kiro,
    Whatsapp,
    Main,
    Hello,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AboutView {
    pub text: Line,
    pub facts: Vec<Fact>,
}
