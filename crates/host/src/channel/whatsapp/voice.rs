//! What the channel says to the orchestrator: each link state once, and the answers to sends.

use jiff::Timestamp;
use nanoclaw_core::{
    chat::Jid,
    link::{Link, PairingFailure},
};
use tokio::sync::mpsc;

use crate::ports::{FromChannel, Obstacle};

pub(super) struct Voice {
    events: mpsc::UnboundedSender<FromChannel>,
    link: Option<Link>,
}

impl Voice {
    pub fn new(events: mpsc::UnboundedSender<FromChannel>) -> Self {
        Voice { events, link: None }
    }

    pub fn link(&mut self, link: Link) {
        if self.link.as_ref() != Some(&link) {
            self.link = Some(link.clone());
            self.say(FromChannel::Link(link));
        }
    }

    pub fn groups(&self, names: Vec<(Jid, String)>) {
        self.say(FromChannel::Groups(names));
    }

    /// When another pairing code may be asked for, where that is not now.
    pub fn next_code(&self, at: Option<Timestamp>) {
        self.say(FromChannel::NextCode { at });
    }

    pub fn pairing_failed(&self, failure: PairingFailure) {
        self.say(FromChannel::PairingFailed(failure));
    }

    /// A send that did not reach WhatsApp.
    pub fn not_sent(&self, id: String, reason: &str) {
        self.say(FromChannel::NotSent { id, reason: reason.to_owned(), obstacle: Obstacle::OutOfReach });
    }

    /// An orchestrator that has gone needs no answers.
    pub fn say(&self, event: FromChannel) {
        let _ = self.events.send(event);
    }

    /// For what is said by a task of its own.
    pub fn events(&self) -> mpsc::UnboundedSender<FromChannel> {
        self.events.clone()
    }
}
