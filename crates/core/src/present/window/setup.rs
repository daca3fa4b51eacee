//! The assistant of the first start: what is left between a fresh install and a first answer, read from the status alone,
//! so that it can be left at any step and goes on where it stands.

use super::{
    button, clean, containers, kiro,
    pages::{SetupView, Step, StepKey},
    runs_on_host, told,
    view::{Button, Look, Mark, Panel},
    whatsapp,
};
use crate::{
    kiro::SignIn,
    link::LinkState,
    present::tray::Website,
    problem::Problem,
    status::{AppStatus, EngineState, ImageState, RunState, Wanted},
};

pub(super) fn view(status: &AppStatus) -> SetupView {
    let steps = steps(status);
    let engine = &status.engine;
    let builds = !runs_on_host(status)
        && engine.state == EngineState::Ready
        && engine.image.state == ImageState::Missing
        && !engine.image.serves();
    let is_incomplete = steps.iter().any(|step| !step.done && !matches!(step.key, StepKey::Welcome | StepKey::Hello));
    let is_new = status.groups.is_empty() || (is_incomplete && !status.answered);
    let never_linked = matches!(
        status.whatsapp.state,
        LinkState::Pairing | LinkState::Starting | LinkState::Connecting | LinkState::Passkey | LinkState::Connected
    );
    let is_first = is_new && never_linked;
    // Who listens in more chats has answers to look at; nobody asks them for a greeting.
    let waits_for_hello = !status.answered && matches!(&*status.groups, [only] if only.is_main);
    SetupView {
        is_first,
        is_open: is_first || waits_for_hello,
        notices: told(status, is_told_by_no_step(status)),
        begin: containers::panel(status).and_then(|panel| panel.button).filter(|_| builds),
        progress: containers::progress(status),
        steps,
    }
}

/// A problem that would stay unseen, as the assistant stands alone in the window.
fn is_told_by_no_step(status: &AppStatus) -> impl Fn(&Problem) -> bool {
    let main = status.groups.iter().find(|group| group.is_main).map(|group| group.folder.clone());
    move |problem| {
        let by_step = matches!(
            problem.code.as_str(),
            "engine-absent"
                | "engine-forbidden"
                | "image-missing"
                | "image-not-built"
                | "kiro-missing"
                | "kiro-signed-out"
                | "kiro-key-missing"
                | "kiro-key-refused"
        );
        !by_step && !problem.is_links() && (problem.group.is_none() || problem.group != main)
    }
}

fn steps(status: &AppStatus) -> Vec<Step> {
    let name = clean(&status.assistant);
    let engine = &status.engine;
    let has_docker = runs_on_host(status) || engine.state == EngineState::Ready;
    let has_image = runs_on_host(status) || engine.image.serves();
    let place = containers::panel(status);
    let done = |title: &str, text: &str| {
        Some(Panel { mark: Mark::Ready, title: title.to_owned(), text: text.into(), button: None })
    };
    let step = |key, label: &str, title: String, text: String, done, panel| Step {
        key,
        label: label.to_owned(),
        title,
        text,
        done,
        panel,
        help: None,
    };
    let primary = |panel: Panel| Panel {
        button: panel.button.map(|mut button| {
            button.look = Look::Primary;
            button
        }),
        ..panel
    };
    vec![
        step(
            StepKey::Welcome,
            "Welcome",
            format!("Meet {name}"),
            format!(
                "{name} lives in your WhatsApp, works in a closed box on this computer, and answers when it is called."
            ),
            false,
            None,
        ),
        Step {
            help: (!has_docker).then(|| kiro::website("Get Docker", Website::Docker)),
            ..step(
                StepKey::Docker,
                "Docker",
                format!("Docker keeps {name} in a box"),
                format!("{name} works inside Docker, where it sees only the folders that you allow."),
                has_docker,
                if has_docker {
                    done("Docker is running", "There is nothing to do here.")
                } else {
                    place.clone().map(primary)
                },
            )
        },
        step(
            StepKey::Image,
            "Agent image",
            format!("Build {name}\u{2019}s box"),
            "This is done once, and then only for updates. You can go on meanwhile.".to_owned(),
            has_image,
            match &place {
                _ if has_image => done("The agent image is there", "There is nothing to do here."),
                Some(panel) if has_docker => Some(primary(panel.clone())),
                _ => Some(Panel {
                    mark: Mark::Off,
                    title: "This needs Docker".to_owned(),
                    text: "It can be built as soon as Docker is running.".into(),
                    button: None,
                }),
            },
        ),
        step(
            StepKey::Kiro,
            "Kiro",
            "Sign in to Kiro".to_owned(),
            format!("Kiro is what thinks. How {name} signs in can be changed later, on the page Kiro."),
            status.kiro.of_runs(status.runtime).is_some_and(|seen| seen.state == SignIn::SignedIn),
            None,
        ),
        step(
            StepKey::Whatsapp,
            "WhatsApp",
            "Link WhatsApp".to_owned(),
            "As with WhatsApp on the web, your phone stays the owner.".to_owned(),
            status.whatsapp.state == LinkState::Connected,
            None,
        ),
        step(
            StepKey::Main,
            "Private channel",
            "Choose your private channel".to_owned(),
            format!("There {name} answers everything, and may act for all chats. Best is your chat with yourself."),
            status.groups.iter().any(|group| group.is_main),
            None,
        ),
        step(
            StepKey::Hello,
            "First answer",
            format!("Say hello to {name}"),
            hello(status),
            answered(status),
            greeting(status),
        ),
    ]
}

/// Whether main's agent has answered, and the answer has gone out.
fn answered(status: &AppStatus) -> bool {
    status.answered && status.whatsapp.queued_out == 0
}

fn hello(status: &AppStatus) -> String {
    match status.groups.iter().find(|group| group.is_main) {
        Some(main) => format!("Write \u{201c}Hello\u{201d} in {} on your phone.", super::quoted(&main.name)),
        None => "Choose your private channel first.".to_owned(),
    }
}

/// How far the first message is.
fn greeting(status: &AppStatus) -> Option<Panel> {
    let main = status.groups.iter().find(|group| group.is_main)?;
    let name = clean(&status.assistant);
    let run = status.runs.iter().find(|run| run.group == main.folder);
    let waits = status.queue.iter().any(|queue| queue.group == main.folder && queue.messages > 0);
    let say = |mark, title: String, text: &str| Panel { mark, title, text: text.into(), button: None };
    let failed = status.problems.iter().find(|problem| problem.group.as_deref() == Some(&main.folder));
    Some(match (run.map(|run| run.state), failed) {
        _ if answered(status) => say(Mark::Ready, format!("{name} has answered"), "All is set up."),
        _ if status.wanted == Wanted::Paused => Panel {
            button: Some(Button { look: Look::Primary, ..super::pause(status) }),
            ..say(Mark::Paused, "Paused".to_owned(), &format!("{name} answers nothing until you resume."))
        },
        (None, Some(failed)) => say(Mark::Note, clean(&failed.text), &failed.cure),
        (Some(RunState::Starting), _) => {
            say(Mark::Busy, format!("{name} is starting"), "The first time takes a few seconds.")
        }
        (Some(_), _) => say(Mark::Working, format!("{name} is writing"), "The answer comes to your phone."),
        (None, None) if waits && whatsapp::panel(status).mark == Mark::Ready => {
            say(Mark::Busy, "Your message is here".to_owned(), "It is taken up as soon as a container can start.")
        }
        (None, None) => say(Mark::Busy, "Waiting for your message".to_owned(), "This page notices by itself."),
    })
}

/// The way to it, for a page that says that something is left.
pub(super) fn way(label: &str) -> super::Button {
    button(label, Look::Primary, super::go(super::Page::Setup))
}
