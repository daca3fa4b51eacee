//! AppStatus: what the orchestrator tells about itself, the same on every surface.
//!
//! The shape is an interface (`nanoclawctl status --json`, the control socket, the window): fields are added, never renamed;
//! times are RFC 3339 in UTC with milliseconds. It keeps what the user wants (`wanted`) apart from what is.

use jiff::Timestamp;
use nanoclaw_protocol::ipc::AdditionalMount;
use serde::{Deserialize, Serialize};

use crate::{
    chat::Jid,
    group::Group,
    image::Build,
    link::{Link, LinkState, PairingCode, QrCode},
    problem::{Problem, Trouble},
    settings::Runtime,
};

pub use crate::kiro::status::{KiroStatus, LoginState, LoginStatus, SignInStatus};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    pub schema: u32,
    pub version: String,
    /// What the agent is called (ASSISTANT_NAME).
    pub assistant: String,
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// The IANA name of the zone of times and schedules (TZ); `None` where the system's has none.
    pub zone: Option<String>,
    pub wanted: Wanted,
    pub runtime: Runtime,
    pub headline: Headline,
    pub whatsapp: WhatsAppStatus,
    pub kiro: KiroStatus,
    pub engine: EngineStatus,
    pub runs: Vec<RunStatus>,
    pub queue: Vec<QueueStatus>,
    pub groups: Vec<GroupStatus>,
    /// Main's agent has answered once, ever.
    pub answered: bool,
    pub scheduler: SchedulerStatus,
    /// `None` where it can't be read: headless.
    pub autostart: Option<bool>,
    pub problems: Vec<Problem>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    Running,
    Paused,
    Quitting,
}

/// The worst thing that is true, in the order of `Level`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Headline {
    pub level: Level,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    NeedsYou,
    Offline,
    Paused,
    Working,
    Ready,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhatsAppStatus {
    pub state: LinkState,
    pub text: String,
    pub jid: Option<String>,
    pub push_name: Option<String>,
    pub qr: Option<QrCode>,
    pub pairing_code: Option<PairingCode>,
    #[serde(with = "millis_option")]
    pub retry_at: Option<Timestamp>,
    #[serde(with = "millis_option")]
    pub until: Option<Timestamp>,
    /// Texts in the outbox that WhatsApp has not acknowledged.
    pub queued_out: u64,
    /// Texts that could not be sent.
    pub failed_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineStatus {
    pub state: EngineState,
    pub name: Option<String>,
    pub version: Option<String>,
    pub socket: Option<String>,
    pub image: ImageStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineState {
    Ready,
    Absent,
    /// It refuses this user.
    Forbidden,
    Starting,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatus {
    pub state: ImageState,
    /// What it goes by (AGENT_IMAGE).
    pub name: String,
    /// Of the image that runs start from; `None` where there is none.
    pub id: Option<String>,
    /// When it was made, where the engine says so.
    #[serde(with = "millis_option")]
    pub created_at: Option<Timestamp>,
    pub progress: Option<BuildProgress>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageState {
    Ready,
    #[default]
    Missing,
    /// With an `id`, runs go on with the image that is there.
    Building,
    /// There is none, because the last build failed.
    Failed,
    /// Made for another NanoClaw; runs start from it all the same.
    Stale,
}

impl ImageStatus {
    /// Whether runs can start.
    pub fn serves(&self) -> bool {
        self.id.is_some()
    }

    /// The image on the engine, with what is known of a build.
    fn with(self, build: &Build) -> Self {
        match build {
            Build::Running(progress) => ImageStatus { state: ImageState::Building, progress: progress.clone(), ..self },
            Build::Failed(_) if !self.serves() => ImageStatus { state: ImageState::Failed, ..self },
            Build::Failed(_) | Build::None => self,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BuildProgress {
    pub step: u32,
    pub of: u32,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    pub id: String,
    pub container: String,
    pub group: String,
    pub chat: Jid,
    pub kind: RunKind,
    /// What it was asked last, cut short: the task's words, or the chat's last message. Somebody's text.
    pub about: Option<String>,
    pub state: RunState,
    #[serde(with = "millis")]
    pub started_at: Timestamp,
    #[serde(with = "millis_option")]
    pub last_result_at: Option<Timestamp>,
    /// Bytes; `None` unless a reader asked.
    pub memory_bytes: Option<u64>,
    /// Percent of one CPU; `None` unless a reader asked.
    pub cpu_percent: Option<f64>,
    /// What the container sees of the host.
    pub mounts: Vec<crate::mounts::Mount>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    Messages,
    Task,
    KeptWarm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    Starting,
    Working,
    Idle,
    Stopping,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    pub group: String,
    pub messages: u64,
    pub tasks: u64,
    /// It waits for a sign-in to Kiro (K3).
    pub parked: bool,
    #[serde(with = "millis_option")]
    pub retry_at: Option<Timestamp>,
    pub attempt: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    pub jid: Jid,
    pub name: String,
    pub folder: String,
    pub trigger: Option<String>,
    pub requires_trigger: bool,
    pub is_main: bool,
    /// Extra mounts as they are asked for; what is mounted is told by `runs`.
    pub mounts: Vec<AdditionalMount>,
    /// Milliseconds; `None` for CONTAINER_TIMEOUT.
    pub timeout: Option<u64>,
    /// `None` for those of its trust.
    pub tools: Option<Vec<String>>,
}

impl From<&Group> for GroupStatus {
    fn from(group: &Group) -> Self {
        GroupStatus {
            jid: group.jid.clone(),
            name: group.name.clone(),
            folder: group.folder.to_string(),
            trigger: group.trigger.clone(),
            requires_trigger: group.requires_trigger && !group.is_main(),
            is_main: group.is_main(),
            mounts: group.mounts.clone(),
            timeout: group.timeout,
            tools: group.tools.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SchedulerStatus {
    pub state: SchedulerState,
    pub next: Option<NextTask>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SchedulerState {
    Running,
    Paused,
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NextTask {
    pub task_id: String,
    pub group: String,
    #[serde(with = "millis")]
    pub at: Timestamp,
}

/// What the host knows; [`Facts::status`] folds it into an AppStatus.
#[derive(Clone, Debug)]
pub struct Facts {
    pub version: String,
    pub assistant: String,
    pub zone: Option<String>,
    pub wanted: Wanted,
    pub runtime: Runtime,
    pub link: Link,
    pub queued_out: u64,
    pub failed_out: u64,
    pub answered: bool,
    pub kiro: KiroStatus,
    pub engine: EngineStatus,
    /// Something on this computer can start an engine.
    pub can_start_engine: bool,
    /// AGENT_IMAGE.
    pub image: String,
    pub build: Build,
    pub runs: Vec<RunStatus>,
    pub queue: Vec<QueueStatus>,
    pub groups: Vec<Group>,
    pub scheduler: SchedulerStatus,
    pub autostart: Option<bool>,
    pub troubles: Vec<Trouble>,
}

impl Facts {
    pub fn status(&self, at: Timestamp) -> AppStatus {
        let (jid, push_name) = match &self.link {
            Link::Connected { jid, push_name } => (Some(jid.clone()), Some(push_name.clone())),
            _ => (None, None),
        };
        let (qr, pairing_code) = match &self.link {
            Link::Pairing { qr, code } => (qr.clone(), code.clone()),
            _ => (None, None),
        };
        AppStatus {
            schema: 1,
            version: self.version.clone(),
            assistant: self.assistant.clone(),
            at,
            zone: self.zone.clone(),
            wanted: self.wanted,
            runtime: self.runtime,
            headline: self.headline(),
            whatsapp: WhatsAppStatus {
                state: self.link.state(),
                text: self.link.sentence(),
                jid,
                push_name,
                qr,
                pairing_code,
                retry_at: if let Link::Offline { retry_at } = &self.link { *retry_at } else { None },
                until: if let Link::Banned { until } = &self.link { *until } else { None },
                queued_out: self.queued_out,
                failed_out: self.failed_out,
            },
            kiro: self.kiro.clone(),
            engine: EngineStatus { image: self.image_status(), ..self.engine.clone() },
            runs: self.runs.clone(),
            queue: self.queue.clone(),
            groups: self.groups.iter().map(GroupStatus::from).collect(),
            answered: self.answered,
            scheduler: self.scheduler.clone(),
            autostart: self.autostart,
            problems: self.all_troubles().iter().map(Trouble::problem).collect(),
        }
    }

    /// The troubles that are recorded, and those that follow from the facts.
    fn all_troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        troubles.extend(self.link.is_final().then(|| Trouble::Link(Box::new(self.link.clone()))));
        troubles.extend(self.engine_trouble());
        troubles.extend(self.image_trouble());
        if self.runtime == Runtime::Host {
            troubles.push(Trouble::Unprotected);
        }
        troubles.extend(self.kiro.trouble(self.runtime));
        troubles.extend(self.groups.iter().filter_map(|group| {
            let (chat, reason) = (group.name.clone(), group.broken.clone()?);
            Some(Trouble::ContainerSettingsBroken { chat, reason })
        }));
        troubles.extend(self.troubles.iter().cloned());
        troubles
    }

    /// The image, as far as it is known and made.
    pub fn image_status(&self) -> ImageStatus {
        ImageStatus { name: self.image.clone(), ..self.engine.image.clone() }.with(&self.build)
    }

    /// Why no run can start.
    fn engine_trouble(&self) -> Option<Trouble> {
        match (self.runtime, self.engine.state, self.image_status().state) {
            (Runtime::Docker, EngineState::Absent, _) => {
                Some(Trouble::EngineAbsent { can_start: self.can_start_engine })
            }
            (Runtime::Docker, EngineState::Forbidden, _) => Some(Trouble::EngineForbidden),
            (Runtime::Docker, EngineState::Ready, ImageState::Missing) => {
                Some(Trouble::ImageMissing { image: self.image.clone() })
            }
            (Runtime::Docker, EngineState::Ready, ImageState::Failed) => self.build_trouble(),
            (Runtime::Host, EngineState::Ready, ImageState::Missing) => Some(Trouble::RunnerMissing),
            _ => None,
        }
    }

    /// What is wrong with an image that runs can start from.
    fn image_trouble(&self) -> Option<Trouble> {
        let image = self.image_status();
        if self.runtime == Runtime::Host || self.engine.state != EngineState::Ready || !image.serves() {
            return None;
        }
        let stale = || (image.state == ImageState::Stale).then(|| Trouble::ImageStale { image: self.image.clone() });
        self.build_trouble().or_else(stale)
    }

    fn build_trouble(&self) -> Option<Trouble> {
        match &self.build {
            Build::Failed(failure) => Some(Trouble::ImageNotBuilt { failure: failure.clone() }),
            Build::None | Build::Running(_) => None,
        }
    }

    /// The worst of what agents failed by, as the headline tells it.
    fn failed(&self) -> Option<(Level, String)> {
        let rows = self.troubles.iter().filter_map(|trouble| match trouble {
            Trouble::RunFailed { failure, .. } => Some(failure.row()),
            _ => None,
        });
        let (level, wrong) = rows.filter_map(|row| Some((row.level?, row.wrong))).min()?;
        let mut wrong = wrong.chars();
        Some((level, wrong.next().into_iter().flat_map(char::to_uppercase).chain(wrong).collect()))
    }

    /// Worst first: needs-you, offline, paused, working, ready.
    fn headline(&self) -> Headline {
        let headline = |level, text: String| Headline { level, text };
        if !matches!(
            self.link.state(),
            LinkState::Starting | LinkState::Connecting | LinkState::Connected | LinkState::Offline
        ) {
            return headline(Level::NeedsYou, self.link.sentence());
        }
        match self.kiro.trouble(self.runtime) {
            None | Some(Trouble::KiroMissing) => {}
            Some(trouble) => return headline(Level::NeedsYou, trouble.problem().text),
        }
        if self.troubles.contains(&Trouble::DiskFull) {
            return headline(Level::NeedsYou, Trouble::DiskFull.problem().text);
        }
        let failed = self.failed();
        if let Some((Level::NeedsYou, text)) = failed {
            return headline(Level::NeedsYou, text);
        }
        if let Some(trouble) = self.engine_trouble() {
            let level = if matches!(trouble, Trouble::EngineAbsent { .. }) { Level::Offline } else { Level::NeedsYou };
            return headline(level, trouble.problem().text);
        }
        match self.link.state() {
            LinkState::Offline | LinkState::Starting | LinkState::Connecting => {
                return headline(Level::Offline, self.link.sentence());
            }
            _ => {}
        }
        if let Some((level, text)) = failed {
            return headline(level, text);
        }
        if self.wanted == Wanted::Paused {
            return headline(Level::Paused, "Paused. Messages are kept, nothing runs.".to_owned());
        }
        if let Build::Running(progress) = &self.build {
            let far = progress.as_ref().map(|at| format!(" ({} of {})", at.step, at.of)).unwrap_or_default();
            return headline(Level::Working, format!("Building the agent's image{far}."));
        }
        let busy = self.runs.iter().filter(|run| matches!(run.state, RunState::Starting | RunState::Working)).count();
        match busy {
            0 => headline(Level::Ready, "All is well.".to_owned()),
            1 => headline(Level::Working, "Working in one chat.".to_owned()),
            n => headline(Level::Working, format!("Working in {n} chats.")),
        }
    }
}

/// RFC 3339 in UTC with milliseconds, the form of every time that leaves the process.
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

pub(crate) mod millis {
    use jiff::Timestamp;
    use serde::Serializer;

    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::rfc3339(*at))
    }
}

pub(crate) mod millis_option {
    use jiff::Timestamp;
    use serde::Serializer;

    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::millis::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }
}
