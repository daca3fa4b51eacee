//! Which notifications a person gets (T6): signed out of WhatsApp or Kiro, Docker down, a message that failed for good.
//!
//! Each has a button that opens the page that helps, is told once, and not again until it was well in between; then it is
//! taken back where the desktop can, so that nobody is called to what has healed. Chats' names, phone numbers and codes are
//! not in them: a notification is read by whoever looks at the screen.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::{
    failure::{Access, names_a_failure},
    kiro::SignIn,
    link::LinkState,
    present::window::Page,
    settings::Runtime,
    status::{AppStatus, EngineState, Wanted},
};

/// How long Docker may take to be there after a start: at a login both start at once, and Docker is the slower one.
const DOCKER_STARTS: SignedDuration = SignedDuration::from_mins(2);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Tell(Matter, Notification),
    /// It is well again: what was told of it, if it still stands there, is over.
    TakeBack(Matter),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub title: &'static str,
    pub body: &'static str,
    /// On its button, which opens `page`.
    pub button: &'static str,
    pub page: Page,
}

/// What a notification is about; there is one about each at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    WhatsApp,
    Kiro,
    Docker,
    /// A message that failed for good.
    Failure,
}

/// How a matter stands. In between (connecting, can't tell) nothing is known anew.
enum Standing {
    Well,
    Unclear,
    Bad,
}

/// What has been told so far.
#[derive(Debug, Default)]
pub struct Told {
    /// When the first status was seen.
    began: Option<Timestamp>,
    bad: BTreeSet<Matter>,
    docker_was_there: bool,
    /// As last seen.
    failed: Option<Failed>,
}

/// What failed for good.
#[derive(Debug)]
struct Failed {
    /// Texts that could not be sent.
    texts: u64,
    /// Chats whose last run failed, with the code of why.
    runs: BTreeSet<(Option<String>, String)>,
}

impl Told {
    /// What is to be told with this status; called with each one, in order, and with the last one again now and then.
    pub fn news(&mut self, status: &AppStatus, now: Timestamp) -> Vec<News> {
        let began = *self.began.get_or_insert(now);
        if status.wanted == Wanted::Quitting {
            return Vec::new();
        }
        let docker = match docker(status) {
            Standing::Bad if !self.docker_was_there && now.duration_since(began) < DOCKER_STARTS => Standing::Unclear,
            standing => standing,
        };
        self.docker_was_there |= matches!(docker, Standing::Well);
        let standings = [
            (Matter::WhatsApp, whatsapp(status)),
            (Matter::Kiro, kiro(status)),
            (Matter::Docker, docker),
            (Matter::Failure, self.failure(status)),
        ];
        let access = status.kiro.access();
        let news = standings.into_iter().filter_map(|(matter, standing)| match standing {
            Standing::Well => self.bad.remove(&matter).then_some(News::TakeBack(matter)),
            Standing::Unclear => None,
            Standing::Bad => self.bad.insert(matter).then(|| News::Tell(matter, words(matter, access))),
        });
        news.collect()
    }

    /// What failed before the start was told then; each failure that comes is told, also while another stands.
    fn failure(&mut self, status: &AppStatus) -> Standing {
        let now = failed(status, self.failed.as_ref());
        let standing = match &self.failed {
            Some(before) if before.texts < now.texts || !now.runs.is_subset(&before.runs) => {
                self.bad.remove(&Matter::Failure);
                Standing::Bad
            }
            _ if now.texts == 0 && now.runs.is_empty() => Standing::Well,
            _ => Standing::Unclear,
        };
        self.failed = Some(now);
        standing
    }
}

fn words(matter: Matter, access: Access) -> Notification {
    let (title, body, button, page) = match matter {
        Matter::WhatsApp => {
            ("Signed out of WhatsApp", "Your phone has unlinked NanoClaw.", "Link again", Page::Whatsapp)
        }
        Matter::Kiro => {
            let (title, body, button) = match access {
                Access::SignIn => {
                    ("Signed out of Kiro", "Messages wait for the sign-in, and go on by themselves.", "Sign in")
                }
                Access::Key => (
                    "Kiro does not take the API key",
                    "Messages wait for another one, and go on by themselves.",
                    "Give another key",
                ),
                Access::NoKey => {
                    ("There is no API key for Kiro", "Messages wait for one, and go on by themselves.", "Give a key")
                }
            };
            (title, body, button, Page::Kiro)
        }
        Matter::Docker => {
            ("Docker is not running", "Messages wait, and go on by themselves.", "What helps", Page::Containers)
        }
        Matter::Failure => {
            ("A message failed", "It was not answered, or not sent. It is kept.", "See why", Page::Overview)
        }
    };
    Notification { title, body, button, page }
}

fn whatsapp(status: &AppStatus) -> Standing {
    match status.whatsapp.state {
        LinkState::Connected => Standing::Well,
        LinkState::LoggedOut => Standing::Bad,
        _ => Standing::Unclear,
    }
}

fn kiro(status: &AppStatus) -> Standing {
    if status.kiro.is_signed_out(status.runtime) {
        return Standing::Bad;
    }
    match status.kiro.of_runs(status.runtime).map(|sign_in| sign_in.state) {
        Some(SignIn::SignedIn) => Standing::Well,
        _ => Standing::Unclear,
    }
}

fn docker(status: &AppStatus) -> Standing {
    match status.engine.state {
        _ if status.runtime == Runtime::Host => Standing::Well,
        EngineState::Ready => Standing::Well,
        EngineState::Starting | EngineState::Forbidden => Standing::Unclear,
        EngineState::Absent => Standing::Bad,
    }
}

/// A run that failed but is tried again has not failed for good; nor has it been well meanwhile.
fn failed(status: &AppStatus, before: Option<&Failed>) -> Failed {
    let retries = |group: &Option<String>| {
        status.queue.iter().any(|queue| queue.retry_at.is_some() && Some(&queue.group) == group.as_ref())
    };
    let runs = status.problems.iter().filter(|problem| names_a_failure(&problem.code));
    let runs = runs.map(|problem| (problem.group.clone(), problem.code.clone()));
    let runs = runs.filter(|run| !retries(&run.0) || before.is_some_and(|before| before.runs.contains(run)));
    Failed { texts: status.whatsapp.failed_out, runs: runs.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        present::states::{self, NOW},
        problem::Problem,
    };

    /// The titles told while these states pass, and what of them is taken back, the first of the states at the start and the
    /// others after Docker has had its time, a `|` after each.
    fn told(passing: &[&str]) -> String {
        let mut told = Told::default();
        let mut now = NOW;
        let titles = |name: &&str| {
            let news = told.news(&states::named(name), now);
            now = NOW + DOCKER_STARTS;
            let said = news.into_iter().map(|one| match one {
                News::Tell(_, told) => told.title.to_owned(),
                News::TakeBack(matter) => format!("-{matter:?}"),
            });
            said.collect::<Vec<_>>().join(", ")
        };
        passing.iter().map(titles).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn each_trouble_is_told_once_until_it_changed() {
        // T6
        for (passing, expect) in [
            (&["ready", "working", "ready", "paused"][..], " |  |  | "),
            (&["ready", "docker_down", "docker_down", "starting", "docker_down"], " | Docker is not running |  |  | "),
            (&["docker_down", "starting", "ready"], " |  | "),
            (&["docker_down", "docker_down", "docker_down"], " | Docker is not running | "),
            (
                &["ready", "docker_down", "ready", "docker_down"],
                " | Docker is not running | -Docker | Docker is not running",
            ),
            (&["needs_you_kiro", "kiro_unknown", "needs_you_kiro"], "Signed out of Kiro |  | "),
            (&["needs_you_kiro", "ready", "needs_you_kiro"], "Signed out of Kiro | -Kiro | Signed out of Kiro"),
            (&["logged_out", "not_paired", "logged_out"], "Signed out of WhatsApp |  | "),
            (&["logged_out", "not_paired", "ready"], "Signed out of WhatsApp |  | -WhatsApp"),
            (&["ready", "signed_out"], " | "),
            (
                &["ready", "troubled", "troubled", "ready", "troubled"],
                " | A message failed |  | -Failure | A message failed",
            ),
            (&["troubled", "troubled"], " | "),
            (&["ready", "quitting", "docker_down"], " |  | Docker is not running"),
            (&["starting", "not_paired", "connecting", "offline", "ready"], " |  |  |  | "),
        ] {
            assert_eq!(told(passing), expect, "{passing:?}");
        }
    }

    #[test]
    fn each_opens_the_page_that_helps() {
        // T6
        for (state, button, page) in [
            ("logged_out", "Link again", Page::Whatsapp),
            ("needs_you_kiro", "Sign in", Page::Kiro),
            ("docker_down", "What helps", Page::Containers),
        ] {
            let mut told = Told::default();
            told.news(&states::named("ready"), NOW);
            let told = told.news(&states::named(state), NOW);
            let [News::Tell(_, told)] = told.as_slice() else { panic!("{state}: {told:?}") };
            assert_eq!((told.button, told.page), (button, page), "{state}");
        }
    }

    #[test]
    fn a_run_that_is_tried_again_has_not_failed_for_good() {
        // T6, Q4
        let mut told = Told::default();
        let troubled = states::named("troubled");
        let mut retrying = troubled.clone();
        retrying.whatsapp.failed_out = 0;
        retrying.queue = states::named("two_running_one_queued").queue;
        assert!(retrying.queue.iter().any(|queue| queue.retry_at.is_some()), "the state has a retry");
        assert_eq!(told.news(&states::named("ready"), NOW), []);
        assert_eq!(told.news(&retrying, NOW), []);
        assert_eq!(told.news(&troubled, NOW).len(), 1);

        // Another chat's that is tried again changes nothing for this one, nor does the first's next message.
        let mut another = troubled.clone();
        let failed = troubled.problems.iter().find(|problem| problem.group.is_some()).expect("a run failed");
        another.problems.push(Problem { group: Some("family".to_owned()), ..failed.clone() });
        another.queue = retrying.queue.clone();
        another.queue[0].group = "family".to_owned();
        let again = AppStatus { queue: retrying.queue.clone(), ..troubled.clone() };
        assert_eq!([&another, &troubled, &again, &troubled].map(|status| told.news(status, NOW).len()), [0; 4]);
        another.queue.clear();
        assert_eq!(told.news(&another, NOW).len(), 1);
    }
}
