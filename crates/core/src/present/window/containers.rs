//! The Containers page: what runs, for which chat, on what; what waits; what can be started. The Overview shows the same
//! rows shorter. People know chats, not containers: a row is titled with the chat.

use serde_json::json;

use super::{
    ask, button, clean, of_problem, quoted, runs_on_host,
    view::{
        Button, Chat, Confirm, ContainersView, Detail, Folder, Line, Look, Mark, Page, Panel, Progress, Run, Startable,
        State, Vital, Waiting,
    },
};
use crate::{
    failure::Access,
    present::words::memory,
    problem::Problem,
    status::{
        AppStatus, EngineState, GroupStatus, ImageState, ImageStatus, QueueStatus, RunKind, RunState, RunStatus,
        Wanted, rfc3339,
    },
};

pub(super) fn view(status: &AppStatus) -> ContainersView {
    let can_start = status.wanted == Wanted::Running && obstacle(status).is_none();
    let has_none = |group: &&GroupStatus| {
        let mut busy =
            status.runs.iter().map(|run| &run.group).chain(status.queue.iter().map(|waiting| &waiting.group));
        busy.all(|folder| *folder != group.folder)
    };
    let mut startable: Vec<&GroupStatus> = status.groups.iter().filter(has_none).filter(|_| can_start).collect();
    startable.sort_by_key(|group| (!group.is_main, group.name.to_lowercase()));
    ContainersView {
        panel: panel(status),
        progress: progress(status),
        running: status.runs.iter().map(|run| of_run(status, run)).collect(),
        quiet: quiet(status),
        waiting: status.queue.iter().map(|waiting| of_waiting(status, waiting)).collect(),
        startable: startable.into_iter().map(|group| of_startable(status, group)).collect(),
        place: place(status),
        rebuild: rebuild(status),
    }
}

/// Something without which no run can start: its name within a sentence.
pub(super) struct Obstacle {
    pub name: &'static str,
}

pub(super) fn obstacle(status: &AppStatus) -> Option<Obstacle> {
    let engine = &status.engine;
    match engine.state {
        _ if runs_on_host(status) => None,
        EngineState::Absent | EngineState::Forbidden | EngineState::Starting => Some(Obstacle { name: "Docker" }),
        EngineState::Ready if !engine.image.serves() => Some(Obstacle { name: "the agent image" }),
        EngineState::Ready => None,
    }
}

/// How many chats are being worked for. A chat has one run at a time (Q1).
pub(super) fn working(status: &AppStatus) -> usize {
    status.runs.iter().filter(|run| matches!(run.state, RunState::Starting | RunState::Working)).count()
}

pub(super) fn count(status: &AppStatus) -> Option<String> {
    (!status.runs.is_empty()).then(|| status.runs.len().to_string())
}

pub(super) fn vital(status: &AppStatus) -> Vital {
    let engine = &status.engine;
    let (mark, text): (Mark, Line) = match (engine.state, engine.image.state) {
        _ if runs_on_host(status) => (Mark::Note, "Not used: agents run unprotected".into()),
        (EngineState::Absent, _) => (Mark::Offline, "Not running".into()),
        (EngineState::Forbidden, _) => (Mark::NeedsYou, "You may not use it".into()),
        (EngineState::Starting, _) => (Mark::Busy, "Starting".into()),
        (_, ImageState::Missing) => (Mark::NeedsYou, "Running, agent image missing".into()),
        (_, ImageState::Failed) => (Mark::NeedsYou, "Running, agent image not built".into()),
        (_, ImageState::Building) => (Mark::Busy, "Running, agent image is being built".into()),
        (_, ImageState::Stale) => (Mark::Note, "Running, agent image is old".into()),
        (_, ImageState::Ready) => (Mark::Ready, "Running, agent image ready".into()),
    };
    Vital { title: "Docker".to_owned(), mark, text, page: Some(Page::Containers) }
}

/// What is wrong or special with the place that agents run in.
pub(super) fn panel(status: &AppStatus) -> Option<Panel> {
    let engine = &status.engine;
    let with = |mark, title: &str, text: &str, button| {
        Some(Panel { mark, title: title.to_owned(), text: text.into(), button })
    };
    let say = |mark, title: &str, text: &str| with(mark, title, text, None);
    let build = |label: &str, look| Some(button(label, look, ask("image.build", json!({}), None)));
    match (engine.state, engine.image.state) {
        _ if runs_on_host(status) => say(
            Mark::Note,
            "Agents run without containers",
            "They run as programs of this computer and can reach all that you can. The setting AGENT_RUNTIME says so.",
        ),
        (EngineState::Absent, _) => with(
            Mark::Offline,
            "Docker is not running",
            "Start Docker. Messages wait, and are answered by themselves when it is back.",
            offered(status, "engine-absent"),
        ),
        (EngineState::Forbidden, _) => {
            found(status, "engine-forbidden").map(|problem| of_problem(problem, Mark::NeedsYou, Look::Primary))
        }
        (EngineState::Starting, _) => say(Mark::Busy, "Docker is starting", "Messages wait until it is there."),
        (_, ImageState::Missing) => with(
            Mark::NeedsYou,
            "The agent image is missing",
            "Containers start from it. Building it takes some minutes. Messages wait until then.",
            build("Build the image", Look::Primary),
        ),
        (_, ImageState::Failed) => not_built(status).map(|problem| of_problem(problem, Mark::NeedsYou, Look::Primary)),
        (_, ImageState::Building) => with(
            Mark::Busy,
            "The agent image is being built",
            if engine.image.serves() {
                "This takes some minutes. Agents go on with the one that is there."
            } else {
                "This is done once and takes some minutes. Messages wait until then."
            },
            Some(button("Cancel", Look::Plain, ask("image.cancel", json!({}), None))),
        ),
        (_, ImageState::Stale | ImageState::Ready) if not_built(status).is_some() => {
            not_built(status).map(|problem| of_problem(problem, Mark::Note, Look::Plain))
        }
        (_, ImageState::Stale) => with(
            Mark::Note,
            "The agent image is from another version",
            "Agents go on with it, and may lack what this NanoClaw can do. Building it again takes some minutes.",
            build("Build it again", Look::Plain),
        ),
        (EngineState::Ready, ImageState::Ready) => None,
    }
}

/// What a problem offers to do about it.
fn offered(status: &AppStatus, code: &str) -> Option<Button> {
    let offer = found(status, code)?.command.as_ref()?;
    Some(button(&offer.label, Look::Primary, ask(&offer.command, offer.args.clone(), None)))
}

/// Why the last build failed.
fn not_built(status: &AppStatus) -> Option<&Problem> {
    found(status, "image-not-built")
}

fn found<'a>(status: &'a AppStatus, code: &str) -> Option<&'a Problem> {
    status.problems.iter().find(|problem| problem.code == code)
}

pub(super) fn progress(status: &AppStatus) -> Option<Progress> {
    let building = status.engine.image.state == ImageState::Building;
    let progress = status.engine.image.progress.as_ref().filter(|_| building)?;
    Some(Progress { step: progress.step, of: progress.of, text: clean(&progress.text) })
}

fn of_run(status: &AppStatus, run: &RunStatus) -> Run {
    let chat = chat(status, &run.group);
    let (mark, word) = match run.state {
        RunState::Starting => (Mark::Busy, "Starting"),
        RunState::Working => (Mark::Working, "Working"),
        RunState::Idle => (Mark::Off, "Ready to go on"),
        RunState::Stopping => (Mark::Busy, "Stopping"),
    };
    let about = run.about.as_deref().map(quoted).filter(|_| run.state != RunState::Idle);
    let text = match (run.kind, about) {
        (RunKind::Task, None) => "Does a planned task".to_owned(),
        (RunKind::Task, Some(about)) => format!("Does the task {about}"),
        (_, Some(about)) => format!("Answers {about}"),
        (RunKind::Messages, None) => "Answers messages".to_owned(),
        (RunKind::KeptWarm, None) => "Started by hand".to_owned(),
    };
    let busy = match run.state {
        // Nobody has asked it anything yet.
        RunState::Starting => run.kind != RunKind::KeptWarm,
        RunState::Working => true,
        RunState::Idle | RunState::Stopping => false,
    };
    let lost = Confirm {
        title: format!("Stop the work for {}?", quoted(&chat.name)),
        text: "What it works on now stays without an answer. A new message starts it again.".to_owned(),
        label: "Stop".to_owned(),
    };
    // The container is named, not the chat: a run that has just taken another's place is never stopped by mistake.
    let act = |label: &str, command: &str, look, confirm| Button {
        name: format!("{label} {}", quoted(&chat.name)),
        off: run.state == RunState::Stopping,
        ..button(label, look, ask(command, json!({"target": run.container}), confirm))
    };
    Run {
        id: run.id.clone(),
        state: State { mark, word: word.to_owned() },
        text,
        container: run.container.clone(),
        started_at: rfc3339(run.started_at),
        memory: run.memory_bytes.map(memory),
        cpu: run.cpu_percent.map(|percent| format!("{percent:.0} %")),
        mounts: run.mounts.iter().map(folder).collect(),
        restart: act("Restart", "containers.restart", Look::Plain, None),
        stop: act("Stop", "containers.stop", Look::Danger, busy.then_some(lost)),
        chat,
    }
}

fn folder(mount: &crate::mounts::Mount) -> Folder {
    Folder {
        host: mount.host.display().to_string(),
        container: mount.container.clone(),
        access: if mount.read_only { "read only" } else { "read and write" }.to_owned(),
    }
}

fn of_waiting(status: &AppStatus, waiting: &QueueStatus) -> Waiting {
    let work = match (waiting.messages, waiting.tasks) {
        (_, 0) => "New messages".to_owned(),
        (0, 1) => "A planned task".to_owned(),
        (0, n) => format!("{n} planned tasks"),
        (_, 1) => "New messages and a planned task".to_owned(),
        (_, n) => format!("New messages and {n} planned tasks"),
    };
    let text = match (waiting.retry_at, waiting.attempt) {
        (Some(at), 0 | 1) => Line::at(format!("{work} · failed once, next try {{in}}"), at),
        (Some(at), n) => Line::at(format!("{work} · failed {n} times, next try {{in}}"), at),
        (None, _) => work.into(),
    };
    Waiting { chat: chat(status, &waiting.group), text }
}

/// What a chat's agent answers to.
pub(super) fn answers(status: &AppStatus, group: &GroupStatus) -> String {
    match (&group.trigger, group.requires_trigger) {
        _ if group.is_main => "Your private channel".to_owned(),
        (_, false) => "Answers every message".to_owned(),
        (Some(trigger), true) => format!("Answers @{}", clean(trigger.trim_start_matches('@'))),
        (None, true) => format!("Answers @{}", clean(&status.assistant)),
    }
}

/// What a chat's agent is at, where it is at work or waits for its turn.
pub(super) fn state_of(status: &AppStatus, folder: &str) -> Option<State> {
    let name = clean(&status.assistant);
    let run = status.runs.iter().find(|run| run.group == folder && run.state != RunState::Idle);
    match run {
        Some(_) => Some(State { mark: Mark::Working, word: format!("{name} is working") }),
        None if status.queue.iter().any(|waiting| waiting.group == folder) => {
            Some(State { mark: Mark::Off, word: "Waits for its turn".to_owned() })
        }
        None => None,
    }
}

fn of_startable(status: &AppStatus, group: &GroupStatus) -> Startable {
    let chat = chat(status, &group.folder);
    let text = answers(status, group);
    let start = Button {
        name: format!("Start a container for {}", quoted(&chat.name)),
        ..button("Start", Look::Quiet, ask("containers.start", json!({"target": group.folder}), None))
    };
    Startable { chat, text, start }
}

/// The chat of a folder; one that is registered no more is called by its folder.
pub(super) fn chat(status: &AppStatus, folder: &str) -> Chat {
    let group = status.groups.iter().find(|group| group.folder == folder);
    let name = group.map(|group| clean(&group.name)).filter(|name| !name.is_empty());
    Chat {
        name: name.unwrap_or_else(|| folder.to_owned()),
        folder: folder.to_owned(),
        is_group: group.is_none_or(|group| group.jid.is_group()),
    }
}

/// What is said where nothing runs: never a promise that can't be kept.
fn quiet(status: &AppStatus) -> Detail {
    let name = clean(&status.assistant);
    let say = |title: String, text: &str| Detail { title, text: text.to_owned() };
    match (status.wanted, obstacle(status)) {
        (Wanted::Quitting, _) => say("Nothing runs any more".to_owned(), ""),
        (Wanted::Paused, _) => say("Nothing runs while paused".to_owned(), "Messages are kept."),
        (_, Some(Obstacle { name })) => {
            say(format!("Nothing can run without {name}"), "Work waits and goes on by itself.")
        }
        _ if status.whatsapp.state != crate::link::LinkState::Connected => {
            say("Nothing comes in without WhatsApp".to_owned(), "Planned tasks go on.")
        }
        _ if status.kiro.is_signed_out(status.runtime) => match status.kiro.access() {
            Access::SignIn => say(
                format!("{name} can't answer while Kiro is signed out"),
                "Messages wait, and are answered by themselves after the sign-in.",
            ),
            Access::Key | Access::NoKey => say(
                format!("{name} can't answer without an API key that Kiro takes"),
                "Messages wait, and are answered by themselves when there is one.",
            ),
        },
        _ if status.groups.is_empty() => {
            say("No chat is chosen yet".to_owned(), &format!("{name} starts by itself once it listens in a chat."))
        }
        _ => say("All quiet".to_owned(), &format!("{name} starts by itself when someone writes @{name}.")),
    }
}

fn rebuild(status: &AppStatus) -> Option<Button> {
    let engine = &status.engine;
    let can = !runs_on_host(status) && engine.state == EngineState::Ready && engine.image.state == ImageState::Ready;
    can.then(|| Button {
        name: "Rebuild the agent image".to_owned(),
        off: status.wanted == Wanted::Quitting,
        ..button("Rebuild", Look::Plain, ask("image.build", json!({}), None))
    })
}

fn place(status: &AppStatus) -> Vec<Vital> {
    let engine = &status.engine;
    if runs_on_host(status) || matches!(engine.state, EngineState::Absent | EngineState::Forbidden) {
        return Vec::new();
    }
    let row = |title: String, mark, text: Line| Vital { title, mark, text, page: None };
    let name = engine.name.as_deref().map_or("Docker".to_owned(), clean);
    let title = match engine.version.as_deref().map(clean) {
        Some(version) => format!("{name} {version}"),
        None => name,
    };
    let (mark, word) = match engine.state {
        EngineState::Ready => (Mark::Ready, "Running"),
        EngineState::Starting | EngineState::Absent | EngineState::Forbidden => (Mark::Busy, "Starting"),
    };
    let (image, said) = match engine.image.state {
        ImageState::Ready => (Mark::Ready, "Ready"),
        ImageState::Missing => (Mark::NeedsYou, "Missing"),
        ImageState::Building => (Mark::Busy, "Being built"),
        ImageState::Failed => (Mark::NeedsYou, "Not built"),
        ImageState::Stale => (Mark::Note, "Older than this NanoClaw"),
    };
    vec![row(title, mark, word.into()), row("Agent image".to_owned(), image, of_image(&engine.image, said))]
}

/// How the image is, which one that is, and how old.
fn of_image(image: &ImageStatus, said: &str) -> Line {
    let Some(id) = short_id(image) else { return said.into() };
    let known = format!("{said} · {} · {id}", clean(&image.name));
    image.created_at.map_or(known.as_str().into(), |at| Line::at(format!("{known} · made {{ago}}"), at))
}

/// As engines show it.
pub(super) fn short_id(image: &ImageStatus) -> Option<String> {
    Some(image.id.as_deref()?.trim_start_matches("sha256:").chars().take(12).collect())
}
