//! AppStatus → what the window shows, with every sentence ready, so that its page only draws.
//!
//! All text about a state that people read in the window stands here and in the modules below. Must not tell one trouble
//! twice: the worst problem is the headline, the others are notices. Called by the desktop for each new status.

mod chats;
mod containers;
mod kiro;
mod pages;
mod setup;
mod view;
mod whatsapp;

use serde_json::{Value, json};

pub use pages::*;
pub use view::*;

use super::{
    tray::Action,
    words::{first_sentence, plain as clean},
};
use crate::{
    command::Command,
    link::LinkState,
    problem::Problem,
    settings::Runtime,
    status::{AppStatus, ImageState, Level, SchedulerState, Wanted, rfc3339},
};

pub fn window(status: &AppStatus) -> WindowView {
    WindowView {
        at: rfc3339(status.at),
        assistant: clean(&status.assistant),
        zone: status.zone.clone(),
        state: state(status),
        tabs: tabs(status),
        pause: pause(status),
        headline: headline(status),
        notices: notices(status),
        vitals: vec![whatsapp::vital(status), kiro::vital(status), containers::vital(status), tasks(status)],
        whatsapp: whatsapp::view(status),
        kiro: kiro::view(status),
        containers: containers::view(status),
        chats: chats::view(status),
        setup: setup::view(status),
        about: about(status),
        autostart: status
            .autostart
            .map(|on| Switch { on, button: button("Start at login", Look::Plain, desktop(Action::StartAtLogin(!on))) }),
        open_log: button("Open the log file", Look::Plain, desktop(Action::OpenLog)),
        restart: restart(status),
        quit: quit(status),
    }
}

/// How all is, in a word; a link on its way is told apart from one that is lost.
fn state(status: &AppStatus) -> State {
    let state = |mark, word: &str| State { mark, word: word.to_owned() };
    match (status.wanted, status.headline.level) {
        (Wanted::Quitting, _) => state(Mark::Busy, "Quitting"),
        (_, Level::NeedsYou) => state(Mark::NeedsYou, "Needs you"),
        (_, Level::Offline) if link_is_the_headline(status) && is_on_its_way(status) => {
            state(Mark::Busy, if status.whatsapp.state == LinkState::Starting { "Starting" } else { "Connecting" })
        }
        (_, Level::Offline) => state(Mark::Offline, "Offline"),
        (_, Level::Paused) => state(Mark::Paused, "Paused"),
        (_, Level::Ready | Level::Working) if preparing(status).is_some() => {
            let meanwhile = status.engine.image.state == ImageState::Building && status.engine.image.serves();
            state(Mark::Busy, if meanwhile { "Building" } else { "Getting ready" })
        }
        (_, Level::Working) => state(Mark::Working, "Working"),
        (_, Level::Ready) => state(Mark::Ready, "Ready"),
    }
}

fn tabs(status: &AppStatus) -> Vec<Tab> {
    let flag = |vital: Vital| match vital.mark {
        Mark::NeedsYou => Some(State { mark: Mark::NeedsYou, word: "Needs you".to_owned() }),
        Mark::Offline => Some(State { mark: Mark::Offline, word: "Offline".to_owned() }),
        _ => None,
    };
    let tab = |page, label: &str, flag, count| Tab { page, label: label.to_owned(), flag, count };
    vec![
        tab(Page::Overview, "Overview", None, None),
        tab(Page::Whatsapp, "WhatsApp", flag(whatsapp::vital(status)), None),
        tab(Page::Kiro, "Kiro", flag(kiro::vital(status)), None),
        tab(Page::Containers, "Containers", flag(containers::vital(status)), containers::count(status)),
        tab(Page::Chats, "Chats", None, None),
        tab(Page::Tasks, "Tasks", None, None),
        tab(Page::Logs, "Logs", None, None),
        tab(Page::Settings, "Settings", None, None),
        tab(Page::About, "About", None, None),
    ]
}

fn pause(status: &AppStatus) -> Button {
    let (label, command) = if status.wanted == Wanted::Paused { ("Resume", "resume") } else { ("Pause", "pause") };
    Button { off: status.wanted == Wanted::Quitting, ..button(label, Look::Plain, ask(command, json!({}), None)) }
}

/// Nothing is lost by it, but work that began again is work done twice.
/// What is asked before an end while an agent is at work.
fn before_the_end(status: &AppStatus, verb: &str) -> Option<Confirm> {
    (containers::working(status) > 0).then(|| Confirm {
        title: format!("{verb} while {} is at work?", clean(&status.assistant)),
        text: "It gets 10 seconds to finish. What is not answered by then is asked again at the next start.".to_owned(),
        label: format!("{verb} NanoClaw"),
    })
}

fn restart(status: &AppStatus) -> Button {
    let act = Act::Desktop { action: Action::Restart, confirm: before_the_end(status, "Restart") };
    Button { off: status.wanted == Wanted::Quitting, ..button("Restart NanoClaw", Look::Plain, act) }
}

fn quit(status: &AppStatus) -> Button {
    let confirm = before_the_end(status, "Quit");
    let act = Act::Desktop { action: Action::Quit { yes: confirm.is_some() }, confirm };
    Button { off: status.wanted == Wanted::Quitting, ..button("Quit NanoClaw", Look::Plain, act) }
}

/// The worst thing that is true, and what cures it.
fn headline(status: &AppStatus) -> Panel {
    let name = clean(&status.assistant);
    let say =
        |mark, title: &str, text: String, button| Panel { mark, title: title.to_owned(), text: text.into(), button };
    if status.wanted == Wanted::Quitting {
        return say(Mark::Busy, "Quitting", "Running work gets a moment to finish.".to_owned(), None);
    }
    if matches!(status.headline.level, Level::Working | Level::Ready)
        && let Some(preparing) = preparing(status)
    {
        return preparing;
    }
    match status.headline.level {
        level @ (Level::NeedsYou | Level::Offline) => match headline_problem(status) {
            Some(problem) => {
                let mark = if level == Level::NeedsYou { Mark::NeedsYou } else { Mark::Offline };
                of_trouble(status, problem, mark, Look::Primary)
            }
            None => whatsapp::headline(status),
        },
        Level::Paused => {
            let text = format!("{name} answers nothing and starts nothing until you resume. Messages are kept.");
            let resume = button("Resume", Look::Primary, ask("resume", json!({}), None));
            say(Mark::Paused, "Paused", text, Some(resume))
        }
        Level::Working => {
            let title = match containers::working(status) {
                1 => "Working for one chat".to_owned(),
                n => format!("Working for {n} chats"),
            };
            say(Mark::Working, &title, listens(status), None)
        }
        Level::Ready if status.groups.is_empty() => {
            say(Mark::Ready, "Ready for a first chat", listens(status), Some(setup::way("Choose a chat")))
        }
        Level::Ready if status.problems.is_empty() => say(Mark::Ready, "All is well", listens(status), None),
        Level::Ready => say(Mark::Ready, "Ready", listens(status), None),
    }
}

/// What has to come before anything can run, and comes by itself: the engine's start, the image's making.
fn preparing(status: &AppStatus) -> Option<Panel> {
    containers::panel(status).filter(|panel| panel.mark == Mark::Busy)
}

fn listens(status: &AppStatus) -> String {
    let name = clean(&status.assistant);
    let listens = match status.groups.len() {
        0 => return format!("{name} listens in no chat yet."),
        1 => format!("{name} listens in one chat."),
        n => format!("{name} listens in {n} chats."),
    };
    match status.queue.len() {
        0 => listens,
        1 => format!("{listens} One of them waits for its turn."),
        n => format!("{listens} {n} of them wait for their turn."),
    }
}

/// The problem that is the headline; `None` where the link to WhatsApp is.
fn headline_problem(status: &AppStatus) -> Option<&Problem> {
    status.problems.iter().find(|problem| problem.text == status.headline.text)
}

fn link_is_the_headline(status: &AppStatus) -> bool {
    matches!(status.headline.level, Level::NeedsYou | Level::Offline) && headline_problem(status).is_none()
}

fn is_on_its_way(status: &AppStatus) -> bool {
    matches!(status.whatsapp.state, LinkState::Starting | LinkState::Connecting)
}

/// The problems beside the headline's.
fn notices(status: &AppStatus) -> Vec<Panel> {
    let shown = headline_problem(status).filter(|_| status.wanted != Wanted::Quitting);
    told(status, |problem| shown != Some(problem) && !problem.is_links())
}

/// The problems that are to be told. Those of one kind with one cure are one notice.
fn told(status: &AppStatus, is_told: impl Fn(&Problem) -> bool) -> Vec<Panel> {
    let mut notices: Vec<(&Problem, Panel)> = Vec::new();
    for problem in status.problems.iter().filter(|problem| is_told(problem)) {
        let known = notices.iter_mut().find(|(first, _)| {
            (&first.code, &first.cure, &first.command) == (&problem.code, &problem.cure, &problem.command)
        });
        match known {
            Some((_, panel)) => panel.text.text = format!("{} {}", clean(&problem.text), panel.text.text),
            None => notices.push((problem, of_trouble(status, problem, Mark::Note, Look::Plain))),
        }
    }
    notices.into_iter().map(|(_, panel)| panel).collect()
}

/// What the Containers page tells too is told in its words.
fn of_trouble(status: &AppStatus, problem: &Problem, mark: Mark, look: Look) -> Panel {
    let of_sign_in = ["kiro-signed-out", "kiro-key-missing", "kiro-key-refused"].contains(&problem.code.as_str());
    if of_sign_in {
        let told = Some(kiro::panel(status)).filter(|panel| panel.mark == Mark::NeedsYou);
        let told = told.unwrap_or_else(|| of_problem(problem, mark, look));
        let label = if problem.code == "kiro-signed-out" { "Sign in to Kiro" } else { "Give a key" };
        return Panel { mark, button: Some(button(label, look, go(Page::Kiro))), ..told };
    }
    let is_told_there = matches!(problem.code.as_str(), "engine-absent" | "image-missing" | "image-stale");
    match containers::panel(status).filter(|_| is_told_there) {
        Some(told) => Panel { mark, button: told.button.map(|button| Button { look, ..button }), ..told },
        None => of_problem(problem, mark, look),
    }
}

fn of_problem(problem: &Problem, mark: Mark, look: Look) -> Panel {
    // What this orchestrator can't be asked for yet is no button.
    let offer = problem.command.as_ref();
    let offer = offer.filter(|offer| Command::parse(&offer.command, Some(offer.args.clone())).is_ok());
    Panel {
        mark,
        title: clean(problem.text.strip_suffix('.').unwrap_or(&problem.text)),
        text: clean(&problem.cure).into(),
        button: offer.map(|offer| button(&offer.label, look, ask(&offer.command, offer.args.clone(), None))),
    }
}

/// What is installed here.
fn about(status: &AppStatus) -> AboutView {
    let fact = |title: &str, value: String| Fact { title: title.to_owned(), value, button: None };
    let engine = match (&status.engine.name, &status.engine.version) {
        _ if runs_on_host(status) => "not used".to_owned(),
        (Some(name), Some(version)) => format!("{} {}", clean(name), clean(version)),
        (Some(name), None) => clean(name),
        (None, _) => "not found".to_owned(),
    };
    let image = &status.engine.image;
    let image = containers::short_id(image).map(|id| format!("{} ({id})", clean(&image.name)));
    AboutView {
        text: "An agent on WhatsApp, from the menu bar.".into(),
        facts: vec![
            fact("NanoClaw", status.version.clone()),
            fact("Docker", engine),
            fact("Agent image", image.unwrap_or_else(|| "none".to_owned())),
            fact("Licence", "MIT".to_owned()),
        ],
    }
}

fn tasks(status: &AppStatus) -> Vital {
    let vital = |mark, text: Line| Vital { title: "Tasks".to_owned(), mark, text, page: Some(Page::Tasks) };
    match (status.scheduler.state, containers::obstacle(status), &status.scheduler.next) {
        (SchedulerState::Paused, _, _) => vital(Mark::Paused, "Paused".into()),
        (SchedulerState::Stopped, _, _) => vital(Mark::Off, "Stopped".into()),
        (SchedulerState::Running, Some(obstacle), _) => {
            vital(Mark::Off, format!("Waiting for {}", obstacle.name).into())
        }
        (SchedulerState::Running, None, Some(next)) => vital(Mark::Ready, Line::at("Next {when}", next.at)),
        (SchedulerState::Running, None, None) => vital(Mark::Ready, "None planned".into()),
    }
}

/// Whether agents run as programs of this computer, as the person chose.
fn runs_on_host(status: &AppStatus) -> bool {
    status.runtime == Runtime::Host
}

fn button(label: &str, look: Look, act: Act) -> Button {
    Button { label: label.to_owned(), name: label.to_owned(), look, off: false, act }
}

fn ask(command: &str, args: Value, confirm: Option<Confirm>) -> Act {
    Act::Command { command: command.to_owned(), args, confirm }
}

fn desktop(action: Action) -> Act {
    Act::Desktop { action, confirm: None }
}

fn go(page: Page) -> Act {
    Act::Page { page }
}

/// A chat's name within a sentence: in quotes, and set apart so that its direction does not turn the sentence's.
fn quoted(name: &str) -> String {
    format!("“\u{2068}{}\u{2069}”", clean(name))
}

#[cfg(test)]
mod tests;
