//! The value that the window's page draws: shapes only, no decisions. The page's own types are generated from these
//! (`ui/types.d.ts`; a test holds the file to them).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pages::{AboutView, ChatsView, KiroView, SetupView};
use crate::{present::tray::Action, status::rfc3339};

/// All that the window shows. Names of chats and accounts are text from strangers: the page inserts them as text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct WindowView {
    /// When this was true; an older view never replaces a newer one.
    pub at: String,
    /// What the agent is called.
    pub assistant: String,
    /// The zone that times are told in; null for this computer's.
    pub zone: Option<String>,
    /// How all is, in a word.
    pub state: State,
    pub tabs: Vec<Tab>,
    /// Pause, or resume.
    pub pause: Button,
    /// The worst thing that is true, with its cure.
    pub headline: Panel,
    /// The other problems: never the headline's own.
    pub notices: Vec<Panel>,
    pub vitals: Vec<Vital>,
    pub whatsapp: WhatsAppView,
    pub kiro: KiroView,
    pub containers: ContainersView,
    pub chats: ChatsView,
    pub setup: SetupView,
    pub about: AboutView,
    /// Starting at login, where it can be read.
    pub autostart: Option<Switch>,
    /// Opens the one log with the desktop's own program.
    pub open_log: Button,
    /// Ends NanoClaw and starts it again, with the settings as they are then.
    pub restart: Button,
    /// Ends NanoClaw; asked about first where an agent is at work.
    pub quit: Button,
}

/// A state by its shape; the page gives each a colour too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    Ready,
    Working,
    NeedsYou,
    /// Something to know that stops nothing.
    Note,
    Offline,
    Paused,
    /// Can't tell.
    Unknown,
    /// On its way.
    Busy,
    Off,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct State {
    pub mark: Mark,
    pub word: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Page {
    Overview,
    Whatsapp,
    Kiro,
    Containers,
    Chats,
    Tasks,
    Logs,
    Settings,
    About,
    /// The assistant of the first start; no entry of the sidebar.
    Setup,
}

/// An entry of the sidebar.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Tab {
    pub page: Page,
    pub label: String,
    /// What is wrong on the page.
    pub flag: Option<State>,
    /// How many work there now.
    pub count: Option<String>,
}

/// A sentence. Where `at` is set, the page puts a time in words that go on by themselves in the place of `{in}` (in 12 s),
/// `{when}` (today at 13:00) or `{ago}` (3 days ago).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Line {
    pub text: String,
    pub at: Option<String>,
}

impl Line {
    pub(super) fn at(text: impl Into<String>, at: jiff::Timestamp) -> Self {
        Line { text: text.into(), at: Some(rfc3339(at)) }
    }
}

impl<T: Into<String>> From<T> for Line {
    fn from(text: T) -> Self {
        Line { text: text.into(), at: None }
    }
}

/// What is, what helps, and what does it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Panel {
    pub mark: Mark,
    pub title: String,
    pub text: Line,
    pub button: Option<Button>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Button {
    pub label: String,
    /// The label with what it acts on, for those who don't see where it stands.
    pub name: String,
    pub look: Look,
    pub off: bool,
    pub act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Look {
    Primary,
    Plain,
    Quiet,
    Danger,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Act {
    /// A command of the control socket; asked for first where something would be lost.
    Command {
        command: String,
        #[cfg_attr(test, ts(type = "Record<string, unknown>"))]
        args: Value,
        confirm: Option<Confirm>,
    },
    Page {
        page: Page,
    },
    /// What only the desktop can do.
    Desktop {
        #[cfg_attr(test, ts(type = "unknown"))]
        action: Action,
        confirm: Option<Confirm>,
    },
}

/// Something that is on or off; `button` turns it over.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Switch {
    pub on: bool,
    pub button: Button,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Confirm {
    pub title: String,
    pub text: String,
    pub label: String,
}

/// One of the parts that must be well.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Vital {
    pub title: String,
    pub mark: Mark,
    pub text: Line,
    pub page: Option<Page>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct WhatsAppView {
    /// The link's state and its cure; `None` while codes are shown.
    pub panel: Option<Panel>,
    pub qr: Option<Qr>,
    pub code: Option<Code>,
    /// Linking by a phone number, where that is of use now.
    pub phone: Option<PhoneForm>,
    /// Ends the linking that is under way.
    pub cancel: Option<Button>,
    pub facts: Vec<Fact>,
    pub details: Vec<Detail>,
    pub sign_out: Option<Button>,
}

/// A code for the phone's camera: a secret while it lasts.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Qr {
    /// Modules a side, without the quiet zone.
    pub size: u32,
    /// The dark modules as an SVG path, a module being one unit.
    pub path: String,
    pub expires_at: String,
    pub steps: Vec<String>,
}

/// A code to type on the phone: a secret while it lasts.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Code {
    pub code: String,
    pub expires_at: String,
    /// Whose phone it is for.
    pub text: String,
    pub steps: Vec<String>,
}

impl std::fmt::Debug for Qr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Qr").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A field for a phone number; `command` takes it as its argument `phone`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PhoneForm {
    pub lead: String,
    pub label: String,
    pub hint: String,
    pub button: String,
    pub command: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Fact {
    pub title: String,
    pub value: String,
    /// Does something about it.
    pub button: Option<Button>,
}

/// A question that the page answers when it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Detail {
    pub title: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ContainersView {
    /// Why no container can run, or what is special about those that do.
    pub panel: Option<Panel>,
    pub progress: Option<Progress>,
    pub running: Vec<Run>,
    /// Said where nothing runs.
    pub quiet: Detail,
    pub waiting: Vec<Waiting>,
    /// The chats that a container can be started for.
    pub startable: Vec<Startable>,
    /// What they run on; the image last.
    pub place: Vec<Vital>,
    /// Builds an image that is there once more.
    pub rebuild: Option<Button>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Progress {
    pub step: u32,
    pub of: u32,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    pub name: String,
    pub folder: String,
    pub is_group: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub id: String,
    pub chat: Chat,
    pub state: State,
    /// What it is at work on.
    pub text: String,
    pub container: String,
    pub started_at: String,
    /// What its container takes of this computer, while the page asks for it.
    pub memory: Option<String>,
    pub cpu: Option<String>,
    pub mounts: Vec<Folder>,
    pub restart: Button,
    pub stop: Button,
}

/// A folder of this computer that a container sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Folder {
    pub host: String,
    pub container: String,
    pub access: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Waiting {
    pub chat: Chat,
    pub text: Line,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Startable {
    pub chat: Chat,
    pub text: String,
    pub start: Button,
}
