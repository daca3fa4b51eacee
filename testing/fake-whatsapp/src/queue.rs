//! A linked device's mailbox: every stanza for it is kept until the device receipts or acks it, and sent again at the
//! next login, marked as offline. Owns the order on the wire; knows nothing of what the stanzas hold.
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use wacore_binary::Node;

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
    /// Goes over the wire twice in a row (fault `duplicate`).
    pub(crate) twice: bool,
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
    /// Handing out what waited: the next number to send, where the backlog ends, how many it had.
    Backlog {
        next: u64,
        end: u64,
        total: usize,
    },
    Live,
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

    /// The device asked for its messages: announces the backlog and starts it. `cut` breaks the connection instead of
    /// going on after the primer (fault `cut-backlog`).
    pub(crate) fn activate(&self, cut: bool) {
        let mut state = lock(&self.state);
        if state.stage != Stage::Closed {
            return;
        }
        let total = state.stanzas.len();
        state.stage = Stage::Backlog { next: 0, end: state.next, total };
        if total > 0 {
            state.send(&preview(total));
        }
        state.send_backlog(PRIMER);
        if cut && let Some(link) = state.link.take() {
            state.stage = Stage::Closed;
            link.close();
        }
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
        if self.stage == Stage::Live {
            self.send_stanza(&stanza);
        }
        self.numbers.entry(stanza.key.clone()).or_default().push(number);
        self.stanzas.insert(number, stanza);
    }

    fn send(&self, node: &Node) {
        if let Some(link) = &self.link {
            link.send(node);
        }
    }

    fn send_stanza(&self, stanza: &Stanza) {
        for _ in 0..if stanza.twice { 2 } else { 1 } {
            self.send(&stanza.node);
        }
    }

    /// Sends up to `count` stanzas of the backlog; after its last one the end mark, and all that came meanwhile.
    fn send_backlog(&mut self, count: usize) {
        let Stage::Backlog { next, end, total } = self.stage else { return };
        let batch: Vec<u64> = self.stanzas.range(next..end).take(count).map(|(number, _)| *number).collect();
        for number in &batch {
            if let Some(stanza) = self.stanzas.get(number) {
                let mut stanza = stanza.clone();
                stanza.node.attrs.insert("offline", "0");
                self.send_stanza(&stanza);
            }
        }
        let next = batch.last().map_or(next, |last| last + 1);
        if self.stanzas.range(next..end).next().is_some() {
            self.stage = Stage::Backlog { next, end, total };
            return;
        }
        self.send(&end_of_backlog(total));
        self.stage = Stage::Live;
        self.stanzas.range(end..).for_each(|(_, stanza)| self.send_stanza(stanza));
    }
}

fn preview(count: usize) -> Node {
    let preview = node("offline_preview")
        .attr("count", count as u64)
        .attr("message", count as u64)
        .attr("notification", 0u32)
        .attr("receipt", 0u32)
        .attr("appdata", 0u32)
        .build();
    node("ib").attr("from", USER_DOMAIN).children([preview]).build()
}

fn end_of_backlog(count: usize) -> Node {
    let offline = node("offline").attr("count", count as u64).build();
    node("ib").attr("from", USER_DOMAIN).children([offline]).build()
}
