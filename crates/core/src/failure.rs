//! What the failures of an agent come to: what the chat is told, what the status shows and offers, what becomes of the work
//! (A5, C4, K3, Q4). One row a cause. Must not: tell causes apart, which the runner does.

use nanoclaw_protocol::Cause;

use crate::{settings::Runtime, status::Level};

/// What becomes of the work of a run that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is tried again, later each time (Q4).
    Retry,
    /// It waits for a sign-in (K3).
    Park,
    /// Trying again makes no sense before a person has changed something: the chat is told at once.
    GiveUp,
}

/// How Kiro knows the agents (K4), and so what helps where it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    SignIn,
    Key,
    /// A key is wanted, and there is none.
    NoKey,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Of the problem.
    pub code: &'static str,
    /// What is wrong, to stand after a colon.
    pub wrong: &'static str,
    pub helps: &'static str,
    pub fate: Fate,
    /// What the headline shows while the failure stands. `None`: it stands in the problems alone.
    pub level: Option<Level>,
    /// A button: its label, its command.
    pub offer: Option<(&'static str, &'static str)>,
}

pub fn row(cause: Cause, access: Access, runtime: Runtime) -> Row {
    use Fate::*;
    let row = |code, wrong, helps, fate, level| Row { code, wrong, helps, fate, level, offer: None };
    let (needs_you, offline) = (Some(Level::NeedsYou), Some(Level::Offline));
    match cause {
        Cause::SignedOut | Cause::Expired | Cause::Browser if access == Access::NoKey => row(
            "kiro-key-missing",
            "There is no API key for Kiro.",
            "Give one on the computer that I run on.",
            Park,
            needs_you,
        ),
        Cause::SignedOut | Cause::Expired | Cause::Browser if access == Access::Key => row(
            "kiro-key-refused",
            "Kiro does not take the API key.",
            "Give another one on the computer that I run on.",
            Park,
            needs_you,
        ),
        Cause::SignedOut => {
            row("kiro-signed-out", "Kiro is signed out.", "Sign in on the computer that I run on.", Park, needs_you)
        }
        Cause::Expired => row(
            "kiro-signed-out",
            "Kiro's sign-in has expired.",
            "Sign in on the computer that I run on.",
            Park,
            needs_you,
        ),
        Cause::Browser => row(
            "kiro-signed-out",
            "Kiro is signed out and found no browser.",
            "Sign in on the computer that I run on.",
            Park,
            needs_you,
        ),
        Cause::Quota => row("kiro-limit", "Kiro's limit is used up.", "Wait, or raise the limit.", Retry, offline),
        Cause::Model => {
            row("kiro-model", "Kiro can't use the model.", "Check the setting KIRO_MODEL.", GiveUp, needs_you)
        }
        Cause::Agent => row(
            "kiro-agent",
            "Kiro can't use its agent configuration.",
            "Check KIRO_AGENT_NAME and ~/.kiro/agents.",
            GiveUp,
            needs_you,
        ),
        Cause::Mcp => {
            row("kiro-mcp", "one of Kiro's tools did not start.", "Check the agent's MCP servers.", Retry, needs_you)
        }
        Cause::Network => {
            row("kiro-unreachable", "Kiro can't be reached.", "Check the computer's network.", Retry, offline)
        }
        Cause::Missing if runtime == Runtime::Host => row(
            "agent-without-kiro",
            "kiro-cli was not found.",
            "Install it on the computer that I run on.",
            GiveUp,
            needs_you,
        ),
        Cause::Old if runtime == Runtime::Host => row(
            "agent-with-old-kiro",
            "kiro-cli is too old.",
            "Update it on the computer that I run on.",
            GiveUp,
            needs_you,
        ),
        Cause::Missing => Row {
            offer: Some(("Build it again", "image.build")),
            ..row(
                "agent-without-kiro",
                "there is no kiro-cli in the agent's image.",
                "Build the image again.",
                GiveUp,
                needs_you,
            )
        },
        Cause::Old => Row {
            offer: Some(("Build it again", "image.build")),
            ..row(
                "agent-with-old-kiro",
                "the kiro-cli in the agent's image is too old.",
                "Build the image again with a newer one.",
                GiveUp,
                needs_you,
            )
        },
        Cause::DiskFull => row("agent-disk-full", "the disk is full.", "Make room on it.", Retry, needs_you),
        Cause::Unknown => row("run-failed", "the agent failed.", "The log of its run says more.", Retry, None),
    }
}

const CAUSES: [Cause; 12] = [
    Cause::SignedOut,
    Cause::Expired,
    Cause::Browser,
    Cause::Quota,
    Cause::Model,
    Cause::Agent,
    Cause::Mcp,
    Cause::Network,
    Cause::Missing,
    Cause::Old,
    Cause::DiskFull,
    Cause::Unknown,
];

/// Whether a problem's code says that an agent could not answer. What waits for a sign-in has not failed.
pub fn names_a_failure(code: &str) -> bool {
    CAUSES.into_iter().map(|cause| Failure::from(cause).row()).any(|row| row.code == code && row.fate != Fate::Park)
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Failure {
    pub cause: Cause,
    pub access: Access,
    pub runtime: Runtime,
    /// What is wrong and what helps, to stand after a colon. What the agent itself wrote stays in the run's log: it may
    /// hold anything.
    pub text: String,
}

impl Failure {
    /// One that no cause is known for. `text` as in [`Failure::text`].
    pub fn new(text: impl Into<String>) -> Self {
        Failure { text: text.into(), ..Cause::Unknown.into() }
    }

    pub fn of(cause: Cause, access: Access, runtime: Runtime) -> Self {
        let Row { wrong, helps, .. } = row(cause, access, runtime);
        Failure { cause, access, runtime, text: format!("{wrong} {helps}") }
    }

    pub fn row(&self) -> Row {
        row(self.cause, self.access, self.runtime)
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Failure::of(cause, Access::SignIn, Runtime::Docker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;

    #[test]
    fn each_failure_says_what_is_wrong_and_what_helps() {
        // A5, C4, K4
        let accesses = [Access::SignIn, Access::Key, Access::NoKey];
        for (cause, access) in CAUSES.into_iter().flat_map(|cause| accesses.map(|access| (cause, access))) {
            let row = row(cause, access, Runtime::Docker);
            for sentence in [row.wrong, row.helps] {
                assert!(sentence.ends_with('.') && sentence.matches(". ").count() == 0, "{cause:?}: {sentence}");
            }
            if let Some((_, command)) = row.offer {
                assert!(Command::parse(command, None).is_ok(), "{command}");
            }
            // K3: what a sign-in helps against waits for it; what only a person can mend is not tried in vain.
            let signed_out = matches!(cause, Cause::SignedOut | Cause::Expired | Cause::Browser);
            assert_eq!(row.fate == Fate::Park, signed_out, "{cause:?}");
            assert!(row.fate == Fate::Retry || row.level == Some(Level::NeedsYou), "{cause:?}");
            let on_host = super::row(cause, access, Runtime::Host);
            assert_eq!(on_host.fate, row.fate);
            assert!(!on_host.helps.contains("image") && on_host.offer.is_none(), "{cause:?}");
            // K4: who uses a key is not told to sign in.
            assert_eq!(
                signed_out && row.helps.contains("Sign in"),
                signed_out && access == Access::SignIn,
                "{cause:?}"
            );
        }
    }
}
