//! What a run is while it lives, what it is called, and how its end is judged (R4, R5). Used by the loop's other parts.

use jiff::SignedDuration;
use nanoclaw_core::{
    chat::{Jid, Seq},
    failure::Failure,
    group::Folder,
    mounts::Mount,
    queue::Outcome,
    run::{self, Clock, Due},
    status::RunKind,
};

use nanoclaw_protocol::Cause;

use super::tasks::TaskOfRun;
use crate::ports::{Load, RunEnd};

/// How long what was measured is told after a look.
const LOOK: SignedDuration = SignedDuration::from_secs(10);

/// A run from its start to its end.
pub(super) struct LiveRun {
    pub folder: Folder,
    pub chat: Jid,
    pub container: String,
    pub mounts: Vec<Mount>,
    pub clock: Clock,
    /// What it was asked last, cut short.
    pub about: Option<String>,
    /// The container runs.
    pub is_up: bool,
    /// Turns that have no result yet.
    pub open: Vec<u64>,
    /// What the runner said went wrong.
    pub failure: Option<Failure>,
    pub timed_out: bool,
    pub stopped: Option<Stopped>,
    /// Its container was ordered to stop, and does not.
    pub goes_on: bool,
    /// What it works on, where that is a task.
    pub task: Option<TaskOfRun>,
    /// What it took of the computer, when somebody looked.
    pub measured: Option<Measured>,
}

/// A person stopped it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stopped {
    /// To be started again.
    Restart,
    /// For good: what it was given is not tried again, up to this message; what came after goes on.
    Dropped(Seq),
}

impl LiveRun {
    pub fn due(&self) -> (jiff::Timestamp, Due) {
        // A run that is being stopped ends by the engine's own deadline.
        if self.timed_out || self.stopped.is_some() {
            return (jiff::Timestamp::MAX, Due::Stop);
        }
        // Of one that failed nothing is waited for any more.
        self.clock.due(self.failure.is_none() && (!self.open.is_empty() || !self.is_up))
    }
}

/// What a container takes, as it was seen last.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    at: jiff::Timestamp,
    pub load: Load,
    /// Of one processor, since the look before.
    pub cpu_percent: Option<f64>,
}

impl Measured {
    /// `last`: of the look before.
    pub fn new(load: Load, at: jiff::Timestamp, last: Option<Measured>) -> Self {
        let cpu_percent = last.filter(|last| last.holds(at) && at > last.at).map(|last| {
            let passed = at.duration_since(last.at).as_secs_f64();
            let percent = load.cpu.saturating_sub(last.load.cpu).as_secs_f64() / passed * 100.0;
            (percent * 10.0).round() / 10.0
        });
        Measured { at, load, cpu_percent }
    }

    /// It is told for a while only: nobody may look any more.
    pub fn holds(&self, now: jiff::Timestamp) -> bool {
        now.duration_since(self.at) < LOOK
    }
}

/// How a run ended, and why when it was badly.
pub(super) fn judge(live: &LiveRun, end: &RunEnd) -> (Outcome, Option<Failure>) {
    let failed = |failure: Failure| (Outcome::Failed(failure.row().fate), Some(failure));
    let gave_result = live.clock.last_result_at.is_some();
    match end {
        RunEnd::EngineLost => (Outcome::Lost, None),
        _ if live.stopped.is_some() => (Outcome::Lost, None),
        RunEnd::NotStarted { reason } => {
            tracing::warn!(reason, "A run could not be started");
            failed(not_started(reason))
        }
        RunEnd::Exited { code, stderr } => {
            if let Some(failure) = &live.failure {
                return failed(failure.clone());
            }
            if !run::ended_well(*code, live.timed_out, gave_result) {
                if live.timed_out {
                    return failed(Failure::new("the agent took too long. Ask for less at once."));
                }
                tracing::debug!(code, stderr, "What it said");
                return failed(Cause::Unknown.into());
            }
            // Ended well, but took what it was given with it: only with a result before is that a race with its closing.
            if !gave_result && !live.open.is_empty() && live.clock.kind != RunKind::KeptWarm {
                return failed(Failure::new("the agent ended without an answer. The log of its run says more."));
            }
            (Outcome::Done, None)
        }
    }
}

/// Why a run could not be started, in words for a chat, which needs not know this computer's folders: those stand in the log.
fn not_started(reason: &str) -> Failure {
    let reason = reason.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["no space left", "disk quota"]) {
        Cause::DiskFull.into()
    } else if says(&["no such image"]) {
        Failure::new("the agent's image is missing. Build it again.")
    } else if says(&["mount"]) {
        Failure::new("a folder could not be mounted into the agent's container. NanoClaw's log says which.")
    } else {
        Failure::new("the agent's container could not be started. NanoClaw's log says why.")
    }
}

/// Enough of a text to know it by, on one line.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 160;
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MOST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// When a run was decided on: what its id, its container and its log are named by.
pub(super) fn stamp_of(run: &str) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(run.rsplit_once('-')?.1.parse().ok()?).ok()
}

/// `nanoclaw-<folder>-<unix millis>`, 63 characters at most: a container's name is its host name too.
pub(super) fn container_name(run: &str) -> String {
    let (folder, millis) = run.rsplit_once('-').unwrap_or((run, ""));
    let room = 63_usize.saturating_sub("nanoclaw--".len() + millis.len());
    format!("nanoclaw-{}-{millis}", folder.get(..room).unwrap_or(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processors_share_is_told_between_two_looks() {
        let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        let load = |millis| Load { memory_bytes: 1, cpu: std::time::Duration::from_millis(millis) };
        let first = Measured::new(load(100), at(10), None);
        assert_eq!(first.cpu_percent, None);
        assert_eq!(Measured::new(load(1100), at(12), Some(first)).cpu_percent, Some(50.0));
        assert_eq!(Measured::new(load(1100), at(30), Some(first)).cpu_percent, None, "too long ago");
        assert!(first.holds(at(19)) && !first.holds(at(20)), "nobody looks any more");
    }

    #[test]
    fn a_chat_is_not_told_of_this_computers_folders() {
        // C4
        for (reason, expect) in [
            ("write /var/lib/docker/overlay2/x: no space left on device", "disk"),
            ("No such image: nanoclaw-agent:latest", "image"),
            ("invalid mount config for type \"bind\": bind source path does not exist: /Users/ann/x", "folder"),
            ("Mounts denied: the path /Users/ann/x is not shared from the host", "folder"),
            ("/home/ann/nanoclaw-agent can't be started: permission denied", "container"),
        ] {
            let told = not_started(reason).text;
            assert!(told.contains(expect) && !told.contains("ann") && told.matches(". ").count() == 1, "{told}");
        }
    }

    #[test]
    fn a_long_text_is_known_by_its_beginning() {
        assert_eq!(short(" @Andy what\n is  open? "), "@Andy what is open?");
        let long = short(&"é ".repeat(1000));
        assert!(long.chars().count() == 161 && long.ends_with('…'), "{long}");
    }

    #[test]
    fn container_names_are_bounded() {
        assert_eq!(container_name("main-1763841234567"), "nanoclaw-main-1763841234567");
        let long = format!("{}-1763841234567", "a".repeat(63));
        assert_eq!(container_name(&long).len(), 63);
        assert!(container_name(&long).ends_with("-1763841234567"));
    }
}
