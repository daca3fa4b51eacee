//! The menu bar's icon and menu as a value (T1, T2, T3): what is true and what a person can do about it.
//!
//! A row carries what it does as data ([`Action`]); `src-tauri` draws the value, changes only what differs, and does the
//! actions.

use jiff::Zoned;
use serde::{Deserialize, Serialize};

use super::{
    window::Page,
    words::{age, count, first_sentence, moment, name, plain},
};
use crate::{
    command::Command,
    failure::Access,
    kiro::SignIn,
    link::LinkState,
    problem::{Offer, Problem},
    settings::{KiroMode, Runtime},
    status::{
        AppStatus, EngineState, GroupStatus, ImageState, Level, RunKind, RunState, RunStatus, SchedulerState, Wanted,
    },
};

/// Containers that the menu itself shows; the others stand in a menu of their own.
const MOST_RUNS: usize = 20;
/// Problems beside the headline's that the menu shows; the window shows all.
const MOST_PROBLEMS: usize = 3;
/// Characters of a problem's sentence.
const LONGEST_SENTENCE: usize = 70;
/// Chats that "Start a container" lists.
const MOST_CHATS: usize = 20;

#[derive(Clone, Debug, PartialEq)]
pub struct Tray {
    /// One picture for each level (T1).
    pub icon: Level,
    /// A word beside the icon, where one is wanted: nothing while all goes well.
    pub title: &'static str,
    pub menu: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// Without an action it is grey and can't be chosen.
    Item {
        text: String,
        action: Option<Action>,
    },
    /// With a tick while `on`.
    Check {
        text: String,
        on: bool,
        action: Option<Action>,
    },
    Menu {
        text: String,
        rows: Vec<Row>,
    },
    Separator,
}

/// What choosing a row does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    Command(Command),
    /// Shows the window on a page.
    Open(Page),
    /// Shows the log of a run, by its id.
    ShowLog(String),
    /// Shows the one log.
    OpenLog,
    /// Shows a chat's folder, by its name.
    OpenFolder(String),
    OpenWebsite(Website),
    /// Turns starting at login on or off (T5).
    StartAtLogin(bool),
    /// Ends NanoClaw in order and starts it again.
    Restart,
    /// Ends NanoClaw; without `yes` the person is asked while an agent is at work.
    Quit {
        yes: bool,
    },
}

/// An address that is opened in the browser. No surface gives the address itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Website {
    /// How to install Docker.
    Docker,
    /// How to install kiro-cli.
    Kiro,
    /// Where the sign-in to Kiro that is under way is confirmed: `kiro.login.url` of the status.
    KiroSignIn,
}

/// How many rows at the top and at the bottom of a menu with rows `old` become those of one with rows `new` by changing
/// texts and ticks alone; those between them are other rows. A row that does something else is another one, so that a click
/// never does what the row did a moment before or will do after.
pub fn same_rows(old: &[Row], new: &[Row]) -> (usize, usize) {
    fn same((old, new): &(&Row, &Row)) -> bool {
        match (old, new) {
            (Row::Item { action: old, .. }, Row::Item { action: new, .. })
            | (Row::Check { action: old, .. }, Row::Check { action: new, .. }) => old == new,
            (Row::Menu { rows: old, .. }, Row::Menu { rows: new, .. }) => {
                old.len() == new.len() && old.iter().zip(new).all(|pair| same(&pair))
            }
            (Row::Separator, Row::Separator) => true,
            _ => false,
        }
    }
    let top = old.iter().zip(new).take_while(same).count();
    let rest = old.len().min(new.len()) - top;
    (top, old.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count())
}

/// The tray for a status. `now` is in the zone that people read times in; ages count from the status' own times.
pub fn tray(status: &AppStatus, now: &Zoned) -> Tray {
    let mut menu = head(status);
    menu.push(Row::Separator);
    menu.extend(vitals(status, now));
    menu.push(Row::Separator);
    menu.extend(containers(status, now));
    menu.push(Row::Separator);
    menu.extend(foot(status));
    if status.wanted == Wanted::Quitting {
        menu.iter_mut().for_each(turn_grey);
    }
    let title = match status.headline.level {
        Level::NeedsYou => "Needs you",
        Level::Offline => "Offline",
        Level::Paused => "Paused",
        Level::Working | Level::Ready => "",
    };
    Tray { icon: status.headline.level, title, menu }
}

fn item(text: impl Into<String>, action: Action) -> Row {
    Row::Item { text: text.into(), action: Some(action) }
}

fn grey(text: impl Into<String>) -> Row {
    Row::Item { text: text.into(), action: None }
}

fn turn_grey(row: &mut Row) {
    match row {
        Row::Item { action, .. } | Row::Check { action, .. } => *action = None,
        Row::Menu { rows, .. } => rows.iter_mut().for_each(turn_grey),
        Row::Separator => {}
    }
}

/// The worst thing that is true, what helps, and what waits.
fn head(status: &AppStatus) -> Vec<Row> {
    if status.wanted == Wanted::Quitting {
        return vec![grey("Quitting"), grey("What is being answered may finish first")];
    }
    let (headline, rest) = first_sentence(&status.headline.text);
    let cure = cure(status);
    // What a person has to do is said by the cure itself, but for what only the phone can do.
    let on_phone = status.whatsapp.state == LinkState::Locked;
    let said = cure.is_some() && status.headline.level == Level::NeedsYou && !on_phone;
    let mut rows = vec![grey(headline)];
    rows.extend(cure);
    rows.extend(rest.filter(|_| !said).map(|rest| grey(rest.strip_suffix('.').unwrap_or(rest))));
    rows.extend(waiting(status).map(grey));
    rows.extend(others(status));
    rows
}

/// The problems beside the headline's, each with what does something about it.
fn others(status: &AppStatus) -> Vec<Row> {
    let beside = |problem: &&Problem| problem.text != status.headline.text && !problem.is_links();
    let others: Vec<_> = status.problems.iter().filter(beside).collect();
    let mut rows = Vec::new();
    for problem in others.iter().take(MOST_PROBLEMS) {
        let said = short(first_sentence(&problem.text).0);
        match problem.command.as_ref().and_then(offer) {
            Some(cure) => rows.extend([grey(said), cure]),
            None => rows.push(item(format!("{}…", said.trim_end_matches('…')), Action::Open(Page::Overview))),
        }
    }
    let rest = others.len().saturating_sub(MOST_PROBLEMS) as u64;
    if rest > 0 {
        rows.push(item(format!("{}…", count(rest, "more problem", "more problems")), Action::Open(Page::Overview)));
    }
    rows
}

/// A sentence, as much of it as a menu has room for.
fn short(sentence: &str) -> String {
    let kept = plain(sentence);
    match kept.char_indices().nth(LONGEST_SENTENCE) {
        Some((end, _)) => format!("{}…", kept.get(..end).unwrap_or_default().trim_end()),
        None => kept,
    }
}

/// What helps against the headline's trouble, in the headline's own order.
fn cure(status: &AppStatus) -> Option<Row> {
    let open = |text: &str, page| Some(item(text, Action::Open(page)));
    let command = |text: &str, command| Some(item(text, Action::Command(command)));
    match status.headline.level {
        Level::Ready | Level::Working => return None,
        Level::Paused => return command("Resume", Command::Resume {}),
        Level::NeedsYou | Level::Offline => {}
    }
    match status.whatsapp.state {
        LinkState::Pairing => return open("Link WhatsApp…", Page::Whatsapp),
        LinkState::LoggedOut | LinkState::SignedOut => return open("Link again…", Page::Whatsapp),
        LinkState::Passkey => return open("Link by a code…", Page::Whatsapp),
        LinkState::Replaced | LinkState::Refused | LinkState::Banned | LinkState::Outdated | LinkState::Locked => {
            return status.problems.iter().find(|problem| problem.is_links())?.command.as_ref().and_then(offer);
        }
        LinkState::Starting | LinkState::Connecting | LinkState::Connected | LinkState::Offline => {}
    }
    if let Some(problem) = status.problems.iter().find(|problem| problem.text == status.headline.text) {
        return problem.command.as_ref().and_then(offer).or_else(|| open("What helps…", Page::Overview));
    }
    match status.whatsapp.state {
        LinkState::Offline => command("Try now", Command::Reconnect {}),
        _ => None,
    }
}

fn offer(offer: &Offer) -> Option<Row> {
    // Its code and address are seen in the window.
    if offer.command == "kiro.login" {
        return Some(item(format!("{}…", offer.label), Action::Open(Page::Kiro)));
    }
    let command = Command::parse(&offer.command, Some(offer.args.clone())).ok()?;
    Some(item(&offer.label, Action::Command(command)))
}

/// What waits, where it does so for longer than a moment: a row that comes and goes makes the menu jump.
fn waiting(status: &AppStatus) -> Option<String> {
    let goes_on = matches!(status.headline.level, Level::Ready | Level::Working) && engine_serves(status);
    let chats = status.queue.iter().filter(|queue| queue.messages + queue.tasks > 0).count() as u64;
    let waits = [
        (status.kiro.parked, "message", "messages", true),
        (chats, "chat", "chats", !goes_on || !status.runs.is_empty()),
        (status.whatsapp.queued_out, "answer", "answers", !goes_on),
    ];
    let (number, one, many, _) = waits.into_iter().find(|(number, .., lasts)| *number > 0 && *lasts)?;
    Some(format!("{} waiting", count(number, &format!("{one} is"), &format!("{many} are"))))
}

/// WhatsApp, Kiro, Docker and the scheduler; each row opens its page.
fn vitals(status: &AppStatus, now: &Zoned) -> [Row; 4] {
    let row = |label: &str, text: String, page| item(format!("{label}: {text}"), Action::Open(page));
    [
        row("WhatsApp", whatsapp(status), Page::Whatsapp),
        row("Kiro", kiro(status).to_owned(), Page::Kiro),
        row("Docker", docker(status), Page::Containers),
        row("Tasks", tasks(status, now), Page::Tasks),
    ]
}

fn whatsapp(status: &AppStatus) -> String {
    let text = match status.whatsapp.state {
        LinkState::Connected => match status.whatsapp.push_name.as_deref().map(|own| name(own, "")).as_deref() {
            Some("") | None => "connected",
            Some(own) => return format!("connected as {own}"),
        },
        LinkState::Starting => "starting",
        LinkState::Pairing => "not linked",
        LinkState::Connecting => "connecting",
        LinkState::Offline => "offline",
        LinkState::LoggedOut => "unlinked by your phone",
        LinkState::SignedOut => "signed out",
        LinkState::Replaced => "in use by another program",
        LinkState::Banned => "account blocked for a while",
        LinkState::Outdated => "needs a newer NanoClaw",
        LinkState::Locked => "account locked",
        LinkState::Refused => "refused the connection",
        LinkState::Passkey => "asks for a passkey",
    };
    text.to_owned()
}

fn kiro(status: &AppStatus) -> &'static str {
    match status.kiro.state(status.runtime) {
        _ if status.kiro.access() == Access::NoKey => "has no API key",
        Some(SignIn::SignedIn) if status.kiro.mode == KiroMode::ApiKey => "uses an API key",
        Some(SignIn::SignedIn) => "signed in",
        Some(SignIn::SignedOut) if status.kiro.mode == KiroMode::ApiKey => "refuses the API key",
        Some(SignIn::SignedOut) => "signed out",
        Some(SignIn::Missing) => "not installed",
        Some(SignIn::Unknown) | None => "can't tell",
    }
}

fn docker(status: &AppStatus) -> String {
    if status.runtime == Runtime::Host {
        return "not used, agents run unprotected".to_owned();
    }
    let engine = &status.engine;
    let text = match (engine.state, engine.image.state) {
        (EngineState::Absent, _) => "not running",
        (EngineState::Forbidden, _) => "not for you",
        (EngineState::Starting, _) => "starting",
        (EngineState::Ready, ImageState::Ready) => "running",
        (EngineState::Ready, ImageState::Stale) => "running, image is old",
        (EngineState::Ready, ImageState::Missing) => "running, image missing",
        (EngineState::Ready, ImageState::Failed) => "running, image not built",
        (EngineState::Ready, ImageState::Building) => match &engine.image.progress {
            Some(progress) => return format!("building the image, step {} of {}", progress.step, progress.of),
            None => "building the image",
        },
    };
    text.to_owned()
}

fn tasks(status: &AppStatus, now: &Zoned) -> String {
    let text = match status.scheduler.state {
        SchedulerState::Stopped => "stopped",
        SchedulerState::Paused => "paused",
        SchedulerState::Running if status.wanted == Wanted::Paused => "paused",
        SchedulerState::Running => match &status.scheduler.next {
            None => "none planned",
            Some(_) if !engine_serves(status) => "waiting for Docker",
            Some(_) if status.kiro.is_signed_out(status.runtime) => "waiting for Kiro",
            Some(next) => return format!("next {}", moment(&next.at.to_zoned(now.time_zone().clone()), now)),
        },
    };
    text.to_owned()
}

/// Whether a run could start, as far as the engine goes.
fn engine_serves(status: &AppStatus) -> bool {
    status.runtime == Runtime::Host || (status.engine.state == EngineState::Ready && status.engine.image.serves())
}

/// The runs with what can be done to them, and the chats that one can be started for (T3).
fn containers(status: &AppStatus, now: &Zoned) -> Vec<Row> {
    let mut rows: Vec<Row> = status.runs.iter().map(|run| run_row(status, run, now)).collect();
    if rows.len() > MOST_RUNS {
        let rest = rows.split_off(MOST_RUNS);
        rows.push(Row::Menu { text: "More…".to_owned(), rows: rest });
    }
    let can_start = engine_serves(status) && status.wanted == Wanted::Running;
    if rows.is_empty() {
        rows.push(grey(if engine_serves(status) { "No containers running" } else { "No containers can run" }));
    }
    let has_run = |group: &&GroupStatus| !status.runs.iter().any(|run| run.group == group.folder);
    let without_run: Vec<&GroupStatus> = status.groups.iter().filter(has_run).collect();
    if can_start && !without_run.is_empty() {
        let start = |group: &&GroupStatus| {
            let command = Command::ContainersStart { target: group.folder.clone() };
            item(name(&group.name, &group.folder), Action::Command(command))
        };
        let mut chats: Vec<Row> = without_run.iter().take(MOST_CHATS).map(start).collect();
        chats.extend(more(without_run.len(), MOST_CHATS));
        rows.push(Row::Menu { text: "Start a container".to_owned(), rows: chats });
    }
    rows
}

fn more(all: usize, shown: usize) -> Option<Row> {
    (all > shown).then(|| item(format!("{} more…", all - shown), Action::Open(Page::Containers)))
}

fn run_row(status: &AppStatus, run: &RunStatus, now: &Zoned) -> Row {
    let group = status.groups.iter().find(|group| group.folder == run.group);
    let chat = group.map_or_else(|| name(&run.group, "?"), |group| name(&group.name, &group.folder));
    let doing = match (run.state, run.kind) {
        (RunState::Starting, _) => "starting, ",
        (RunState::Stopping, _) => "stopping, ",
        (RunState::Idle, _) => "ready, ",
        (RunState::Working, RunKind::Task) => "task, ",
        (RunState::Working, RunKind::Messages | RunKind::KeptWarm) => "",
    };
    let act = |text: &str, command| match run.state {
        RunState::Stopping => grey(text),
        _ => item(text, Action::Command(command)),
    };
    Row::Menu {
        text: format!("{chat}, {doing}{}", age(now.timestamp().duration_since(run.started_at))),
        rows: vec![
            act("Stop", Command::ContainersStop { target: run.container.clone() }),
            act("Restart", Command::ContainersRestart { target: run.container.clone() }),
            item("Show log", Action::ShowLog(run.id.clone())),
            item("Open folder", Action::OpenFolder(run.group.clone())),
        ],
    }
}

fn foot(status: &AppStatus) -> Vec<Row> {
    let switch = match (status.wanted, status.headline.level) {
        (Wanted::Paused, Level::Paused) => None, // the headline's cure
        (Wanted::Paused, _) => Some(item("Resume", Action::Command(Command::Resume {}))),
        _ => Some(item("Pause", Action::Command(Command::Pause {}))),
    };
    let at_login = status.autostart.map(|on| Action::StartAtLogin(!on));
    let rest = [
        item("Open NanoClaw…", Action::Open(Page::Overview)),
        Row::Check { text: "Start at login".to_owned(), on: status.autostart == Some(true), action: at_login },
        item("Quit NanoClaw", Action::Quit { yes: false }),
    ];
    switch.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, tz::TimeZone};

    use super::*;
    use crate::present::states::{self, NOW};

    fn now() -> Zoned {
        NOW.to_zoned(TimeZone::UTC)
    }

    fn drawn(tray: &Tray) -> String {
        let level = serde_json::to_value(tray.icon).unwrap();
        let mut text = format!("[{}] {}\n", level.as_str().unwrap(), tray.title);
        draw(&tray.menu, 1, &mut text);
        text
    }

    fn draw(rows: &[Row], depth: usize, into: &mut String) {
        let does = |action: &Option<Action>| match action {
            None => "  (grey)".to_owned(),
            Some(Action::Command(command)) => format!("  = {}", serde_json::to_string(command).unwrap()),
            Some(Action::Open(page)) => format!("  = open {page:?}"),
            Some(other) => format!("  = {other:?}"),
        };
        for row in rows {
            into.push_str(&"    ".repeat(depth));
            match row {
                Row::Item { text, action } => into.push_str(&format!("{text}{}", does(action))),
                Row::Check { text, on, action } => {
                    into.push_str(&format!("{} {text}{}", if *on { "✓" } else { "·" }, does(action)));
                }
                Row::Separator => into.push_str("────"),
                Row::Menu { text, rows } => {
                    into.push_str(&format!("{text} ▸\n"));
                    draw(rows, depth + 1, into);
                    continue;
                }
            }
            into.push('\n');
        }
    }

    #[test]
    fn every_state_has_its_icon_and_menu() {
        // T1, T2, T3
        for (state, status) in states::all() {
            insta::assert_snapshot!(state, drawn(&tray(&status, &now())));
        }
    }

    #[test]
    fn a_row_keeps_its_place_only_while_it_does_the_same() {
        // T2
        let menu = |state: &str| tray(&states::named(state), &now()).menu;
        let later = tray(&states::named("working"), &(&now() + SignedDuration::from_mins(9))).menu;
        assert!(menu("working") != later, "an age changed");
        for (old, new) in [(menu("working"), later), (menu("ready"), menu("kiro_unknown"))] {
            assert_eq!(same_rows(&old, &new), (new.len(), 0));
        }
        for (old, new) in [("ready", "working"), ("ready", "paused"), ("working", "quitting"), ("ready", "troubled")] {
            let (old, new) = (menu(old), menu(new));
            let (top, bottom) = same_rows(&old, &new);
            assert!(top + bottom < new.len(), "{old:?} → {new:?}");
        }
        // Work begins: the rows above it and below it are the same ones.
        let (ready, working) = (menu("ready"), menu("working"));
        let (top, bottom) = same_rows(&ready, &working);
        let others = |menu: &[Row]| menu[top..menu.len() - bottom].to_vec();
        insta::assert_debug_snapshot!("rows_that_come_with_work", (others(&ready), others(&working)));
    }

    #[test]
    fn a_click_while_quitting_does_nothing() {
        // Q6
        fn has_action(row: &Row) -> bool {
            match row {
                Row::Item { action, .. } | Row::Check { action, .. } => action.is_some(),
                Row::Menu { rows, .. } => rows.iter().any(has_action),
                Row::Separator => false,
            }
        }
        assert!(!tray(&states::named("quitting"), &now()).menu.iter().any(has_action));
    }
}
