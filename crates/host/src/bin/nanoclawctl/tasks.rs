//! `tasks`: what the agents do by themselves, at their times.

use clap::Subcommand;
use nanoclaw_core::{command::Command, schedule::Context};
use serde_json::Value;

use crate::out::{Failure, Out, at, list, local, plain};

/// Characters of a prompt or a result that a table shows.
const SHOWN: usize = 50;

#[derive(Debug, Subcommand)]
pub enum TasksWords {
    /// List the tasks, the next due first
    List,
    /// Plan a task
    Add {
        /// The chat it works for, by its folder or JID
        #[arg(long, value_name = "FOLDER")]
        group: String,
        /// What the agent is to do
        #[arg(long)]
        prompt: String,
        #[arg(long, value_enum)]
        schedule: ScheduleKind,
        /// cron: "minute hour day month weekday"; interval: milliseconds; once: local time, as 2030-01-31T09:00:00
        #[arg(long, allow_hyphen_values = true)]
        value: String,
        /// Go on with the chat's conversation, or start a fresh one each time
        #[arg(long, value_enum, default_value = "isolated")]
        context: ContextKind,
    },
    /// Tell the next five times of a schedule, and plan nothing
    Preview {
        #[arg(long, value_enum)]
        schedule: ScheduleKind,
        /// As for `add`
        #[arg(long, allow_hyphen_values = true)]
        value: String,
    },
    /// Let a task rest
    Pause { id: String },
    /// Let a task go on, from its next time
    Resume { id: String },
    /// Remove a task, with its history
    Cancel {
        id: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Run a task now, besides its times
    Run { id: String },
    /// List the runs of a task, the latest first
    History { id: String },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ScheduleKind {
    Cron,
    Interval,
    Once,
}

impl ScheduleKind {
    fn word(self) -> String {
        let word = match self {
            ScheduleKind::Cron => "cron",
            ScheduleKind::Interval => "interval",
            ScheduleKind::Once => "once",
        };
        word.to_owned()
    }
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ContextKind {
    Group,
    Isolated,
}

pub fn command(words: TasksWords) -> Command {
    match words {
        TasksWords::List => Command::TasksList {},
        TasksWords::Add { group, prompt, schedule, value, context } => Command::TasksAdd {
            group,
            prompt,
            schedule: schedule.word(),
            value,
            context: match context {
                ContextKind::Group => Context::Group,
                ContextKind::Isolated => Context::Isolated,
            },
        },
        TasksWords::Preview { schedule, value } => Command::TasksPreview { schedule: schedule.word(), value },
        TasksWords::Pause { id } => Command::TasksPause { id },
        TasksWords::Resume { id } => Command::TasksResume { id },
        TasksWords::Cancel { id, .. } => Command::TasksCancel { id },
        TasksWords::Run { id } => Command::TasksRun { id },
        TasksWords::History { id } => Command::TasksHistory { id },
    }
}

/// The list of `tasks list` for a person.
pub fn tell_list(answer: &Value, out: &mut Out) -> Result<(), Failure> {
    let rows = list(answer, "").iter().map(|task| {
        [
            at(task, "/id").to_owned(),
            at(task, "/group").to_owned(),
            at(task, "/status").to_owned(),
            format!("{} {}", at(task, "/schedule"), at(task, "/value")),
            local(at(task, "/nextRun")),
            shown(at(task, "/prompt")),
        ]
    });
    let none = "No tasks are planned. See `nanoclawctl tasks add --help`.";
    out.table(["ID", "GROUP", "STATUS", "SCHEDULE", "NEXT", "PROMPT"], rows.collect(), none)
}

/// The times of `tasks preview` for a person.
pub fn tell_preview(answer: &Value, out: &mut Out) -> Result<(), Failure> {
    list(answer, "/times").iter().try_for_each(|time| out.line(plain(at(time, "/text"))))
}

/// The list of `tasks history` for a person.
pub fn tell_history(answer: &Value, out: &mut Out) -> Result<(), Failure> {
    let rows = list(answer, "").iter().map(|run| {
        let late = if run["late"] == true { format!("late, due {}", local(at(run, "/dueAt"))) } else { String::new() };
        let said = if at(run, "/error").is_empty() { at(run, "/result") } else { at(run, "/error") };
        let seconds = run["durationMs"].as_f64().unwrap_or_default() / 1000.0;
        [local(at(run, "/runAt")), format!("{seconds:.1} s"), at(run, "/status").to_owned(), late, shown(said)]
    });
    out.table(["RUN", "TOOK", "STATUS", "", "RESULT"], rows.collect(), "This task has not run yet.")
}

/// What was done.
pub fn sentence(command: &Command, answer: &Value) -> String {
    match command {
        Command::TasksAdd { .. } => {
            format!("The task {} is planned, next at {}.", at(answer, "/id"), local(at(answer, "/nextRun")))
        }
        Command::TasksPause { id } => format!("The task {id} rests."),
        Command::TasksResume { id } => format!("The task {id} goes on."),
        Command::TasksCancel { id } => format!("The task {id} is removed."),
        Command::TasksRun { id } => format!("The task {id} runs as soon as it can."),
        _ => "Done.".to_owned(),
    }
}

fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
