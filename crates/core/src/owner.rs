//! What the owner asks of NanoClaw itself, in the main chat: answered by the host, never by the agent, so that it works also
//! while no agent can (paused, no engine, Kiro signed out). Pure words; the orchestrator does it.

use jiff::tz::TimeZone;

use crate::{
    chat::Message,
    group::Group,
    present::words,
    status::{AppStatus, RunKind, RunState},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// How it is.
    Status,
    /// Stop what runs for the main chat.
    Stop,
}

/// What was there to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A run.
    Run {
        container: String,
        /// Messages that it was not given were dropped as well.
        waited: bool,
    },
    /// No run, but what waited for one: for its next try, for a place, for a sign-in.
    Waiting,
    Nothing,
}

/// The order that a text is in the main chat: the word alone, in whatever case.
pub fn order(text: &str) -> Option<Order> {
    [("/status", Order::Status), ("/stop", Order::Stop)]
        .into_iter()
        .find_map(|(word, order)| text.trim().eq_ignore_ascii_case(word).then_some(order))
}

/// The order that a message is, if it is one.
pub fn asked(message: &Message, group: &Group) -> Option<Order> {
    order(&message.content).filter(|_| group.is_main() && !message.is_bot)
}

/// How it is, for a chat: the headline, what is wrong and what helps, what runs, what comes next.
pub fn report(status: &AppStatus, zone: &TimeZone) -> String {
    let name = |folder: &str| {
        let group = status.groups.iter().find(|group| group.folder == folder);
        words::name(group.map_or(folder, |group| &group.name), folder)
    };
    let mut lines = vec![status.headline.text.clone()];
    lines.extend(status.problems.iter().map(|problem| format!("• {} {}", problem.text, problem.cure)));
    lines.extend(status.runs.iter().map(|run| {
        let age = words::age(status.at.duration_since(run.started_at));
        let what = match (run.state, run.kind) {
            (RunState::Starting, _) => "is starting",
            (RunState::Idle, _) => "waits for more",
            (RunState::Stopping, _) => "is stopping",
            (RunState::Working, RunKind::Task) => "works on a task",
            (RunState::Working, _) => "is at work",
        };
        format!("The agent of {} {what}, up for {age}.", name(&run.group))
    }));
    let waiting = status.queue.iter().filter(|queue| queue.messages + queue.tasks > 0).map(|queue| name(&queue.group));
    let waiting: Vec<String> = waiting.collect();
    if !waiting.is_empty() {
        lines.push(format!("Waiting: {}.", waiting.join(", ")));
    }
    let now = status.at.to_zoned(zone.clone());
    lines.extend(status.scheduler.next.as_ref().map(|next| {
        let at = words::moment(&next.at.to_zoned(zone.clone()), &now);
        format!("The next task is {at}, for {}.", name(&next.group))
    }));
    lines.join("\n")
}

/// What stopping led to.
pub fn stopped(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Run { container, waited } => {
            let waited = if *waited { ", and drop what waited" } else { "" };
            format!("I stop what I was at in this chat ({container}){waited}.")
        }
        Stopped::Waiting => "I drop what waited in this chat; nothing ran for it.".to_owned(),
        Stopped::Nothing => "Nothing runs for this chat.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chat::Jid, group::Folder, present::states};

    #[test]
    fn an_order_is_the_word_alone_in_main() {
        let main = Group::new(Jid::new("1@g.us"), "Me", Folder::main());
        let family = Group::new(Jid::new("2@g.us"), "Family", Folder::new("family").unwrap());
        for (content, is_bot, group, expect) in [
            ("/status", false, &main, Some(Order::Status)),
            (" /STATUS\n", false, &main, Some(Order::Status)),
            ("/Stop", false, &main, Some(Order::Stop)),
            ("/status now", false, &main, None),
            ("status", false, &main, None),
            ("//stop", false, &main, None),
            ("@Andy /stop", false, &main, None),
            ("", false, &main, None),
            ("/status", true, &main, None),
            ("/status", false, &family, None),
        ] {
            let message = Message {
                seq: 1,
                id: "1".into(),
                chat: group.jid.clone(),
                sender: "2@s.whatsapp.net".into(),
                sender_name: "Ann".into(),
                content: content.into(),
                sent_at: jiff::Timestamp::UNIX_EPOCH,
                is_bot,
            };
            assert_eq!(asked(&message, group), expect, "{content:?} {is_bot} {}", group.folder);
        }
    }

    #[test]
    fn a_report_says_how_it_is_and_what_helps() {
        for (name, parts) in [
            ("ready", &["All is well.", "The next task is today at 13:00, for "][..]),
            ("docker_down", &["Docker", "\n• ", "\nWaiting: "]),
            ("two_running_one_queued", &[" waits for more, up for 6 min.", " works on a task, up for 4 h 24 min."]),
            ("paused", &["paused"]),
        ] {
            let status = states::named(name);
            let told = report(&status, &TimeZone::UTC);
            assert!(told.starts_with(&status.headline.text), "{told}");
            for part in parts {
                assert!(told.to_lowercase().contains(&part.to_lowercase()), "{name} lacks {part:?}:\n{told}");
            }
            let cures = status.problems.iter().map(|problem| &problem.cure);
            assert!(cures.into_iter().all(|cure| told.contains(cure.as_str())), "{told}");
        }
    }
}
