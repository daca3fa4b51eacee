//! The agent's image: whether the one that is there is ours, how far a build is, and why it failed, read off what the
//! engine says.
//!
//! Must not talk to an engine: `crates/host` does. Engines word their lines differently (Docker's classic builder, podman);
//! what is not understood is shown as it is.

use std::collections::HashMap;

use crate::status::{BuildProgress, ImageState};

/// What the Dockerfile itself says about the runner in it: its version.
pub const LABEL_RUNNER: &str = "com.nanoclaw.runner";

/// Lines of a failed step that a person is shown.
const LAST_LINES: usize = 3;
/// Characters of what an engine said that are shown.
const LONGEST: usize = 240;

/// A build as this process knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Build {
    #[default]
    None,
    /// How far it is, once that is known.
    Running(Option<BuildProgress>),
    Failed(BuildFailure),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BuildFailure {
    /// Something could not be fetched.
    Network {
        said: String,
    },
    /// The image that ours starts from can't be had where the engine looked.
    NoBase {
        said: String,
    },
    /// The kiro-cli that was fetched is another than the pinned one.
    Checksum,
    DiskFull,
    EngineLost,
    /// The name belongs to an image that a person made from ours, or from nothing of ours.
    Theirs {
        image: String,
    },
    /// One of the files that the user adds can't be read.
    OwnFiles {
        said: String,
    },
    /// Any other step that failed, with the last that it said.
    Step {
        step: u32,
        doing: String,
        said: String,
    },
    Other {
        said: String,
    },
}

impl BuildFailure {
    /// What the engine's error and the last lines of output before it mean. `at`: the step that was being done.
    pub fn read(error: &str, output: &[String], at: Option<&BuildProgress>) -> Self {
        let said = last_lines(output).unwrap_or_else(|| cut(error));
        let all = format!("{}\n{error}", output.join("\n")).to_lowercase();
        let has = |signs: &[&str]| signs.iter().any(|sign| all.contains(sign));
        if has(&["no space left on device", "disk quota exceeded"]) {
            return BuildFailure::DiskFull;
        }
        if has(&["kiro.zip: failed", "computed checksum did not match"]) {
            return BuildFailure::Checksum;
        }
        let has_error = |signs: &[&str]| signs.iter().any(|sign| error.to_lowercase().contains(sign));
        if has_error(&[
            "pull access denied",
            "manifest unknown",
            "manifest for",
            "no matching manifest",
            "unauthorized",
        ]) {
            return BuildFailure::NoBase { said: cut(error) };
        }
        if has(NETWORK) {
            return BuildFailure::Network { said };
        }
        match at {
            Some(at) => BuildFailure::Step { step: at.step, doing: at.text.clone(), said },
            None => BuildFailure::Other { said },
        }
    }

    /// Something that has nothing to do with the engine, as a sentence.
    pub fn other(sentence: &str) -> Self {
        BuildFailure::Other { said: cut(sentence) }
    }

    /// What is wrong, and what helps; what the engine said comes last.
    pub fn wording(&self) -> (String, String) {
        let failed = |why: &str, cure: String| (format!("The agent's image could not be built: {why}."), cure);
        match self {
            BuildFailure::Network { said } => failed(
                "a download failed",
                format!("Check the network of Docker, then build it again. It said: {said}."),
            ),
            BuildFailure::NoBase { said } => failed(
                "the image that it starts from can't be fetched",
                format!("Fetch that one with `docker pull`, then build the agent's again. It said: {said}."),
            ),
            BuildFailure::Checksum => failed(
                "the kiro-cli that was fetched is not the expected one",
                "Build it again. If that does not help, put the files of a kiro-cli for Linux into image/kiro-cli in NanoClaw's folder."
                    .to_owned(),
            ),
            BuildFailure::DiskFull => failed(
                "Docker's disk is full",
                "Make room, for example with `docker system prune`, then build it again.".to_owned(),
            ),
            BuildFailure::EngineLost => {
                failed("Docker went away meanwhile", "Build it again when Docker is back.".to_owned())
            }
            BuildFailure::Theirs { image } => failed(
                &format!("{image} is an image of your own making"),
                "Build it as you did before, or let AGENT_IMAGE name another one.".to_owned(),
            ),
            BuildFailure::OwnFiles { said } => failed(
                "a file of your own can't be read",
                format!("Mend or remove it in the folder image of NanoClaw's own folder. It is said: {said}."),
            ),
            BuildFailure::Step { step, doing, said } => failed(
                &format!("step {step} ({doing}) failed"),
                format!("It said: {said}. See logs/image-build.log for all of it, then build it again."),
            ),
            BuildFailure::Other { said } => (
                "Building the agent's image could not begin.".to_owned(),
                format!("It is said: {said}. See logs/image-build.log, then build it again."),
            ),
        }
    }
}

/// Whether the newest step in an image's history is the end of our own making, by either builder; an image that somebody
/// built on ours has inherited its labels, but not this.
pub fn is_ours(newest_step: &str, label: &str) -> bool {
    newest_step.contains(label) || newest_step.contains("ENTRYPOINT [\"/app/entrypoint.sh\"]")
}

/// Signs of a network that isn't there or not let through, as engines, apt, curl, cargo and git word them.
const NETWORK: &[&str] = &[
    "no such host",
    "dial tcp",
    "i/o timeout",
    "tls handshake timeout",
    "client.timeout exceeded",
    "request canceled while waiting",
    "network is unreachable",
    "connection refused",
    "connection reset by peer",
    "connection timed out",
    "toomanyrequests",
    "temporary failure",
    "could not resolve",
    "couldn't resolve",
    "couldn't connect",
    "failed to fetch",
    "spurious network error",
    "curl: (",
    "certificate",
];

/// The last lines that say something, as one.
fn last_lines(output: &[String]) -> Option<String> {
    let told = |line: &&str| {
        !line.is_empty() && !["--->", "Removing intermediate", "Step ", "STEP "].iter().any(|own| line.starts_with(own))
    };
    let mut lines: Vec<&str> = output.iter().map(|line| line.trim()).filter(told).collect();
    // A download that is tried again fails with the same words.
    lines.dedup();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
    (!last.is_empty()).then(|| cut(&last.join(" · ")))
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// A line of a build's output as text: engines colour what goes to stderr, by escapes that may begin the next line.
pub fn uncoloured(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    let rest = rest.map(|part| part.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(part));
    std::iter::once(first).chain(rest).collect()
}

/// The step that a line of a build's output begins: `Step 3/12 : RUN …`, podman's `[1/3] STEP 3/12: RUN …`.
pub fn step(line: &str) -> Option<BuildProgress> {
    let line = line.trim();
    let line = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, rest)| rest);
    let (numbers, instruction) = line.strip_prefix("Step ").or_else(|| line.strip_prefix("STEP "))?.split_once(':')?;
    let (step, of) = numbers.trim().split_once('/')?;
    let (step, of) = (step.parse().ok()?, of.parse().ok()?);
    (1 <= step && step <= of).then(|| BuildProgress { step, of, text: doing(instruction.trim()) })
}

/// An instruction of the Dockerfile in a person's words.
fn doing(instruction: &str) -> String {
    let word = instruction.split_whitespace().next().unwrap_or_default().to_uppercase();
    let said = match word.as_str() {
        "FROM" => "fetching the image it starts from",
        "COPY" | "ADD" => "copying files",
        "RUN" if instruction.contains("cargo build") => "compiling the agent's runner",
        "RUN" if instruction.contains("kiro.zip") => "fetching kiro-cli",
        "RUN" if instruction.contains("apt-get") => "installing programs",
        "ARG" | "CMD" | "ENTRYPOINT" | "ENV" | "LABEL" | "USER" | "WORKDIR" => "setting it up",
        _ => return cut(instruction),
    };
    said.to_owned()
}

/// Whether an image that is there is the one for this NanoClaw. `context` and `runner` are what ours would carry.
///
/// An image that says what it was built from is held to that; one built by hand (`docker build ./container`) to the runner's
/// version; one that says neither is its maker's affair.
pub fn age<'a>(labels: &'a HashMap<String, String>, label: &str, context: &'a str, runner: &'a str) -> ImageState {
    let is = match (labels.get(label), labels.get(LABEL_RUNNER)) {
        (Some(built_from), _) => built_from == context,
        (None, Some(version)) => version == runner,
        (None, None) => true,
    };
    if is { ImageState::Ready } else { ImageState::Stale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_as_engines_word_them() {
        fn check(line: &str, expect: Option<(u32, u32, &str)>) {
            let expect = expect.map(|(step, of, text)| BuildProgress { step, of, text: text.to_owned() });
            assert_eq!(step(line), expect, "{line}");
        }
        check("Step 3/26 : FROM ${RUNNER_IMAGE} AS runner", Some((3, 26, "fetching the image it starts from")));
        check("Step 9/26 : RUN set -eu; cargo build --locked", Some((9, 26, "compiling the agent's runner")));
        check("Step 15/26 : RUN set -eu; apt-get update; unzip -q kiro.zip", Some((15, 26, "fetching kiro-cli")));
        check("Step 18/26 : RUN apt-get update", Some((18, 26, "installing programs")));
        check("Step 2/2 : RUN make it", Some((2, 2, "RUN make it")));
        check("[2/3] STEP 4/5: COPY kiro-cli /given", Some((4, 5, "copying files")));
        check("STEP 1/1: LABEL a=b", Some((1, 1, "setting it up")));
        check("Step by step", None);
        check("Step 3/2 : FROM x", None);
        check("Step 0/2 : FROM x", None);
        check(" ---> Running in 0123", None);
        check("[ 1/2] done", None);
        check("", None);
    }

    #[test]
    fn failures_by_what_was_said() {
        fn check(error: &str, output: &[&str], expect: BuildFailure) {
            let output: Vec<String> = output.iter().map(|line| (*line).to_owned()).collect();
            let at = BuildProgress { step: 4, of: 9, text: "installing programs".into() };
            assert_eq!(BuildFailure::read(error, &output, Some(&at)), expect, "{error}");
        }
        let network = |said: &str| BuildFailure::Network { said: said.into() };
        const EXIT: &str = "The command '/bin/sh -c set -eu' returned a non-zero code: 100";
        check(
            "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
            &[],
            network("Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host"),
        );
        check(
            EXIT,
            &["Err:1 http://deb.debian.org trixie", "  Temporary failure resolving 'deb.debian.org'"],
            network("Err:1 http://deb.debian.org trixie · Temporary failure resolving 'deb.debian.org'"),
        );
        check(
            EXIT,
            &["curl: (6) Could not resolve host: prod.download.cli.kiro.dev"],
            network("curl: (6) Could not resolve host: prod.download.cli.kiro.dev"),
        );
        check(
            "toomanyrequests: You have reached your pull rate limit.",
            &[],
            network("toomanyrequests: You have reached your pull rate limit"),
        );
        check(
            "pull access denied for nope, repository does not exist or may require 'docker login'",
            &[],
            BuildFailure::NoBase {
                said: "pull access denied for nope, repository does not exist or may require 'docker login'".into(),
            },
        );
        check(
            EXIT,
            &["kiro.zip: FAILED", "sha256sum: WARNING: 1 computed checksum did NOT match"],
            BuildFailure::Checksum,
        );
        check("write /var/lib/docker/x: no space left on device", &[], BuildFailure::DiskFull);
        check(EXIT, &["dpkg: error: cannot write: No space left on device"], BuildFailure::DiskFull);
        check(
            EXIT,
            &[
                "one",
                "two",
                " ",
                "three",
                "three",
                "There is no kiro-cli for riscv64.",
                "Removing intermediate container 12",
            ],
            BuildFailure::Step {
                step: 4,
                doing: "installing programs".into(),
                said: "two · three · There is no kiro-cli for riscv64".into(),
            },
        );
        assert_eq!(
            BuildFailure::read("dockerfile parse error line 1: unknown instruction: NOPE", &[], None),
            BuildFailure::Other { said: "dockerfile parse error line 1: unknown instruction: NOPE".into() }
        );
    }

    #[test]
    fn what_is_said_is_one_short_line() {
        let BuildFailure::Other { said } = BuildFailure::read(&"very\nlong ".repeat(200), &[], None) else { panic!() };
        assert!(said.chars().count() == LONGEST + 1 && !said.contains('\n'), "{said}");
    }

    #[test]
    fn colours_are_no_words() {
        for (line, expect) in [
            ("\u{1b}[91mit broke", "it broke"),
            ("\u{1b}[0mRemoving \u{1b}[1;31mall\u{1b}[0m", "Removing all"),
            ("plain [91m", "plain [91m"),
            ("cut \u{1b}[", "cut "),
        ] {
            assert_eq!(uncoloured(line), expect);
        }
    }

    #[test]
    fn whose_image_it_is() {
        for (step, expect) in [
            ("/bin/sh -c #(nop)  LABEL com.nanoclaw.context=0a1b", true),
            ("ENTRYPOINT [\"/app/entrypoint.sh\"]", true),
            ("/bin/sh -c #(nop)  ENTRYPOINT [\"/app/entrypoint.sh\"]", true),
            ("RUN /bin/sh -c apt-get install -y gh # buildkit", false),
            ("", false),
        ] {
            assert_eq!(is_ours(step, "com.nanoclaw.context"), expect, "{step}");
        }
    }

    #[test]
    fn which_image_is_old() {
        fn check(labels: &[(&str, &str)], expect: ImageState) {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(age(&labels, "context", "ours", "0.1.0"), expect, "{labels:?}");
        }
        check(&[("context", "ours"), (LABEL_RUNNER, "0.1.0")], ImageState::Ready);
        check(&[("context", "another"), (LABEL_RUNNER, "0.1.0")], ImageState::Stale);
        check(&[(LABEL_RUNNER, "0.1.0")], ImageState::Ready);
        check(&[(LABEL_RUNNER, "0.0.9")], ImageState::Stale);
        check(&[], ImageState::Ready);
    }
}
