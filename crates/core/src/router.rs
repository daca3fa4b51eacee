//! What a new message in a registered chat leads to.

use crate::{chat::Message, trigger::Trigger};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Kept as context for a later message (M4), or the agent's own words (M7).
    Ignore,
    /// Handed to the run that is alive for this chat, with the context since the cursor (Q5).
    Pipe,
    /// The group waits in the queue for a run (Q1).
    Enqueue,
}

/// `takes_messages` tells whether a message run of this group is alive and takes follow-ups.
pub fn route(message: &Message, trigger: &Trigger, takes_messages: bool) -> Route {
    if !wakes(message, trigger) {
        Route::Ignore
    } else if takes_messages {
        Route::Pipe
    } else {
        Route::Enqueue
    }
}

/// Whether a message asks the agent for an answer (M3, M7).
pub fn wakes(message: &Message, trigger: &Trigger) -> bool {
    !message.is_bot && trigger.matches(&message.content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chat::Jid,
        group::{Folder, Group},
    };

    #[test]
    fn ignore_pipe_enqueue() {
        // M4, M7, Q5
        let group = Group::new(Jid::new("1@g.us"), "Family", Folder::new("family").unwrap());
        let trigger = Trigger::of(&group, "Andy");
        for (content, is_bot, alive, expect) in [
            ("hello", false, false, Route::Ignore),
            ("hello", false, true, Route::Ignore),
            ("@Andy hello", false, false, Route::Enqueue),
            ("@Andy hello", false, true, Route::Pipe),
            ("@Andy hello", true, true, Route::Ignore),
        ] {
            let message = Message {
                seq: 1,
                id: "1".into(),
                chat: group.jid.clone(),
                sender: "2@s.whatsapp.net".into(),
                sender_name: "Bob".into(),
                content: content.into(),
                sent_at: jiff::Timestamp::UNIX_EPOCH,
                is_bot,
            };
            assert_eq!(route(&message, &trigger, alive), expect, "{content} {is_bot} {alive}");
        }
    }
}
