//! A linked device's mailbox: every stanza for it is kept until the device receipts or acks it, and sent again at the
//! next login, marked as offline. Owns the order on the wire; knows nothing of what the stanzas hold.
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use wacore_binary::Node;

use crate::faults::{BacklogStop, Passage};
use crate::stanza::{USER_DOMAIN, lock, node};
use crate::transport::Link;

/// Backlog stanzas that come before the device asks for a batch, as the real server does it.
const PRIMER: usize = 5;

/// What names a stanza in a receipt or ack: the same id may come from several senders.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The tag: message, receipt or notification.
    pub(crate) class: &'static str,
    /// The account that it came from, digits; the group for a notification.
    pub(crate) sender: String,
    pub(crate) id: String,
}

#[derive(Clone)]
pub(crate) struct Stanza {
    pub(crate) key: Key,
    pub(crate) node: Node,
    pub(crate) passage: Passage,
}

impl Stanza {
    pub(crate) fn new(key: Key, node: Node) -> Self {
        Self { key, node, passage: Passage::Whole }
    }
}

/// A stanza that a fault keeps back.
struct Held {
    stanza: Stanza,
    until: Instant,
    /// Also let go behind the next stanza (fault `reorder`).
    behind_next: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// Not logged in, or not yet `<active/>`.
    Closed,
    Backlog(Backlog),
    /// The rest of the backlog and its end never come on this connection (fault `stall-backlog`).
    Stalled,
    Live,
}

/// Handing out what waited.
#[derive(Clone, Copy, PartialEq)]
struct Backlog {
    /// The next number to send, and the first one behind the backlog.
    next: u64,
    end: u64,
    /// How many it had.
    total: usize,
    /// A fault stops it after so many more, and breaks the connection or not.
    stop: Option<(usize, bool)>,
}

struct State {
    stanzas: BTreeMap<u64, Stanza>,
    numbers: HashMap<Key, Vec<u64>>,
    next: u64,
    held: Vec<Held>,
    link: Option<Link>,
    stage: Stage,
}

pub(crate) struct Mailbox {
    state: Mutex<State>,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                stanzas: BTreeMap::new(),
                numbers: HashMap::new(),
                next: 0,
                held: Vec::new(),
                link: None,
                stage: Stage::Closed,
            }),
        }
    }

    /// Takes the device's new connection and returns the one before it.
    pub(crate) fn attach(&self, link: Link) -> Option<Link> {
        let mut state = lock(&self.state);
        state.stage = Stage::Closed;
        state.link.replace(link)
    }

    /// Forgets the connection, if it is still the current one.
    pub(crate) fn detach(&self, link: &Link) {
        let mut state = lock(&self.state);
        if state.link.as_ref().is_some_and(|current| current.is(link)) {
            state.link = None;
            state.stage = Stage::Closed;
        }
    }

    pub(crate) fn link(&self) -> Option<Link> {
        lock(&self.state).link.clone()
    }

    /// Whether the device is connected and has asked for its messages.
    pub(crate) fn is_online(&self) -> bool {
        let state = lock(&self.state);
        state.link.is_some() && state.stage != Stage::Closed
    }

    pub(crate) fn len(&self) -> usize {
        let state = lock(&self.state);
        state.stanzas.len() + state.held.len()
    }

    /// Keeps the stanza and sends it, or leaves it for the backlog.
    pub(crate) fn put(&self, stanza: Stanza) {
        let mut state = lock(&self.state);
        state.put(stanza);
        let behind: Vec<Held> = state.held.extract_if(.., |held| held.behind_next).collect();
        behind.into_iter().for_each(|held| state.put(held.stanza));
    }

    /// Keeps the stanza back until a moment, or also until another one has gone.
    pub(crate) fn hold(self: &Arc<Self>, stanza: Stanza, until: Instant, behind_next: bool) {
        lock(&self.state).held.push(Held { stanza, until, behind_next });
        let mailbox = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            if let Some(mailbox) = mailbox.upgrade() {
                let mut state = lock(&mailbox.state);
                // All that are due, in their order: timers of the same moment fire in any order.
                let due: Vec<Held> = state.held.extract_if(.., |held| held.until <= until).collect();
                due.into_iter().for_each(|held| state.put(held.stanza));
            }
        });
    }

    /// Sends a stanza that nobody waits for, now or never.
    pub(crate) fn send_live(&self, node: &Node) {
        let state = lock(&self.state);
        if let (Some(link), true) = (&state.link, state.stage != Stage::Closed) {
            link.send(node);
        }
    }

    /// The device asked for its messages: announces the backlog and starts it, to its end or to where a fault stops it.
    pub(crate) fn activate(&self, stop: Option<BacklogStop>) {
        let mut state = lock(&self.state);
        if state.stage != Stage::Closed {
            return;
        }
        let total = state.stanzas.len();
        let stop = stop.map(|stop| (stop.after.unwrap_or(total / 2).min(total), stop.breaks));
        state.stage = Stage::Backlog(Backlog { next: 0, end: state.next, total, stop });
        if total > 0 {
            state.send(&preview(state.stanzas.values()));
        }
        state.send_backlog(PRIMER);
    }

    /// The device asked for up to `count` more of its backlog.
    pub(crate) fn batch(&self, count: usize) {
        lock(&self.state).send_backlog(count);
    }

    /// The device is done with a stanza: with all copies of it, or (`oldest`) with the one that was sent first.
    pub(crate) fn done(&self, key: &Key, oldest: bool) {
        let mut state = lock(&self.state);
        let Some(mut numbers) = state.numbers.remove(key) else { return };
        let rest = if oldest { numbers.split_off(1) } else { Vec::new() };
        for number in numbers {
            state.stanzas.remove(&number);
        }
        if !rest.is_empty() {
            state.numbers.insert(key.clone(), rest);
        }
    }
}

impl State {
    fn put(&mut self, stanza: Stanza) {
        let number = self.next;
        self.next += 1;
        self.numbers.entry(stanza.key.clone()).or_default().push(number);
        self.stanzas.insert(number, stanza);
        if self.stage == Stage::Live {
            self.send_stanza(number, false);
        }
    }

    fn send(&self, node: &Node) {
        if let Some(link) = &self.link {
            link.send(node);
        }
    }

    /// Sends a stanza that is kept, marked as one of the backlog or not.
    fn send_stanza(&mut self, number: u64, offline: bool) {
        let Some(stanza) = self.stanzas.get_mut(&number) else { return };
        let passage = std::mem::take(&mut stanza.passage);
        let mut node = stanza.node.clone();
        if offline {
            node.attrs.insert("offline", "0");
        }
        match passage {
            Passage::Whole => self.send(&node),
            Passage::Twice => (0..2).for_each(|_| self.send(&node)),
            Passage::Half => self.let_go().iter().for_each(|link| link.send_half(&node)),
        }
    }

    /// The connection is gone from here on, whatever is done with it.
    fn let_go(&mut self) -> Option<Link> {
        self.stage = Stage::Closed;
        self.link.take()
    }

    /// Sends up to `count` stanzas of the backlog; after its last one the end mark, and all that came meanwhile.
    fn send_backlog(&mut self, count: usize) {
        let Stage::Backlog(Backlog { next, end, total, stop }) = self.stage else { return };
        let count = stop.map_or(count, |(left, _)| left.min(count));
        let batch: Vec<u64> = self.stanzas.range(next..end).take(count).map(|(number, _)| *number).collect();
        for number in &batch {
            self.send_stanza(*number, true);
        }
        if self.link.is_none() {
            return;
        }
        let stop = stop.map(|(left, breaks)| (left - batch.len(), breaks));
        let next = batch.last().map_or(next, |last| last + 1);
        match stop {
            Some((0, true)) => self.let_go().iter().for_each(Link::break_off),
            Some((0, false)) => self.stage = Stage::Stalled,
            _ if self.stanzas.range(next..end).next().is_some() => {
                self.stage = Stage::Backlog(Backlog { next, end, total, stop });
            }
            _ => {
                self.send(&end_of_backlog(total));
                self.stage = Stage::Live;
                let since: Vec<u64> = self.stanzas.range(end..).map(|(number, _)| *number).collect();
                since.into_iter().for_each(|number| self.send_stanza(number, false));
            }
        }
    }
}

fn preview<'a>(stanzas: impl Iterator<Item = &'a Stanza>) -> Node {
    let mut counts = BTreeMap::from([("message", 0u64), ("receipt", 0), ("notification", 0), ("appdata", 0)]);
    for stanza in stanzas {
        *counts.entry(stanza.key.class).or_default() += 1;
    }
    let preview = node("offline_preview").attr("count", counts.values().sum::<u64>());
    let preview = counts.into_iter().fold(preview, |preview, (class, count)| preview.attr(class, count));
    node("ib").attr("from", USER_DOMAIN).children([preview.build()]).build()
}

fn end_of_backlog(count: usize) -> Node {
    let offline = node("offline").attr("count", count as u64).build();
    node("ib").attr("from", USER_DOMAIN).children([offline]).build()
}
