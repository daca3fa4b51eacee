//! What WhatsApp hands out after a connect: how much of it there is to be, and how much came (W6, M12).
//!
//! Kept by the session, which decides what follows.

use std::time::Duration;

use tokio::time::Instant;
use whatsapp_rust::types::events::{Event, OfflineSyncCompleted};

use super::Config;

/// The library calls a backlog whole after this long, whether it is or not.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// The library tells of the backlog's end while messages of it are still being read: how long to wait for another one, where
/// more were announced than came.
const READING: Duration = Duration::from_secs(2);

pub(super) struct Backlog {
    opened_at: Instant,
    /// How many stanzas, and messages among them, WhatsApp has announced.
    announced: (i32, usize),
    /// Messages that came.
    messages: usize,
    /// All of it has been handed out.
    handed_out: bool,
    /// When messages of it are waited for no longer.
    read_by: Option<Instant>,
}

impl Backlog {
    pub fn new(opened_at: Instant) -> Self {
        Backlog { opened_at, announced: (0, 0), messages: 0, handed_out: false, read_by: None }
    }

    pub fn announced(&mut self, stanzas: i32, messages: i32) {
        self.announced = (stanzas, usize::try_from(messages).unwrap_or_default());
    }

    pub fn heard(&mut self, event: &Event, config: &Config) {
        self.messages += match event {
            Event::Messages(batch) => batch.messages.len(),
            Event::UndecryptableMessage(_) => 1,
            _ => 0,
        };
        let reading = Instant::now() + config.limit(READING);
        self.read_by = self.read_by.map(|_| reading);
    }

    /// Whether what the library calls the end is one.
    pub fn is_whole(&self, completed: &OfflineSyncCompleted, config: &Config) -> bool {
        self.opened_at.elapsed() < config.limit(LONGEST) || completed.count >= self.announced.0.max(1)
    }

    pub fn hand_out(&mut self, config: &Config) {
        self.handed_out = true;
        self.read_by = Some(Instant::now() + config.limit(READING));
    }

    pub fn is_handed_out(&self) -> bool {
        self.handed_out
    }

    /// All of it is here, or is waited for no longer.
    pub fn is_read(&self) -> bool {
        self.handed_out && (self.messages >= self.announced.1 || self.read_by.is_none())
    }

    pub fn read_by(&self) -> Option<Instant> {
        self.read_by
    }

    /// Whether the wait for messages has just ended.
    pub fn time(&mut self, now: Instant) -> bool {
        self.read_by.take_if(|at| *at <= now).is_some()
    }

    pub fn settled(&mut self) {
        self.read_by = None;
    }
}

/// Connections in a row whose backlog did not come to its end: when they are enough, one is served without.
#[derive(Default)]
pub(super) struct Unfinished {
    all: u32,
    /// Those that brought nothing.
    fruitless: u32,
}

impl Unfinished {
    /// A long backlog may need many connections, each of which brings some of it. But where people go on talking each brings
    /// something also if the end never comes.
    const ALL: u32 = 5;
    const FRUITLESS: u32 = 3;

    pub fn count(&mut self, backlog: &Backlog) {
        self.all = self.all.saturating_add(1);
        if backlog.messages == 0 {
            self.fruitless = self.fruitless.saturating_add(1);
        }
    }

    /// No more are sought for its sake.
    pub fn is_enough(&self) -> bool {
        self.all >= Self::ALL || self.fruitless >= Self::FRUITLESS
    }
}
