//! What the simulated contacts saw of the linked devices, in order, for whoever drives the server. It records and never
//! judges; it keeps the newest items only. Written by the router, read by the admin calls.
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::stanza::lock;

/// Enough for the largest load test, and still a bound.
const KEPT: usize = 200_000;
/// The most items of one answer; `next` leads to the rest.
const PAGE: usize = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    Text,
    Receipt,
    Chatstate,
    Presence,
}

/// One thing that reached a contact. Fields without a meaning for the kind are empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Counts from 1, without gaps.
    pub seq: u64,
    /// When the server had it (RFC 3339, UTC).
    pub at: Timestamp,
    pub kind: ItemKind,
    /// The account whose linked device sent it, digits.
    pub from: String,
    /// The account that got it, digits; empty for a presence.
    pub to: String,
    /// The chat as a JID: the group, or `<to>@s.whatsapp.net`.
    pub chat: String,
    /// The message's id.
    pub id: String,
    pub text: String,
    /// `text`; a receipt's type (`delivery` where the wire has none); `composing` or `paused`; `available` or `unavailable`.
    pub r#type: String,
}

/// A page of items. `next` is the `since` of the next call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Received {
    pub next: u64,
    pub items: Vec<Item>,
}

/// An item before it has its place.
#[derive(Default)]
pub(crate) struct Entry {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) chat: String,
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) r#type: String,
}

pub(crate) struct Journal {
    items: Mutex<VecDeque<Item>>,
    last: watch::Sender<u64>,
    pub(crate) duplicates: AtomicU64,
    pub(crate) undecryptable: AtomicU64,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            items: Mutex::default(),
            last: watch::Sender::new(0),
            duplicates: AtomicU64::new(0),
            undecryptable: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, kind: ItemKind, entry: Entry) {
        let Entry { from, to, chat, id, text, r#type } = entry;
        let mut items = lock(&self.items);
        let seq = *self.last.borrow() + 1;
        items.push_back(Item { seq, at: Timestamp::now(), kind, from, to, chat, id, text, r#type });
        if items.len() > KEPT {
            items.pop_front();
        }
        // Under the lock, so that a reader woken by a number finds its item.
        self.last.send_replace(seq);
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The items after `since` (0 for all), waiting up to `wait` for the first one.
    pub(crate) async fn received(&self, since: u64, wait: Duration) -> Received {
        let mut last = self.last.subscribe();
        // Running out of time is an answer too: an empty page.
        let _ = tokio::time::timeout(wait, last.wait_for(|last| *last > since)).await;
        let items = lock(&self.items);
        let first = items.front().map_or(1, |item| item.seq);
        let skip = usize::try_from(since.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let items: Vec<Item> = items.iter().skip(skip).take(PAGE).cloned().collect();
        Received { next: items.last().map_or(since, |item| item.seq), items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str) -> Entry {
        Entry { id: id.into(), ..Entry::default() }
    }

    #[tokio::test]
    async fn a_waiting_reader_gets_the_next_item() {
        let journal = std::sync::Arc::new(Journal::new());
        journal.record(ItemKind::Text, text("one"));
        let first = journal.received(0, Duration::ZERO).await;
        assert_eq!((first.next, first.items.len()), (1, 1));
        let reader = tokio::spawn({
            let journal = journal.clone();
            async move { journal.received(1, Duration::from_secs(60)).await }
        });
        journal.record(ItemKind::Text, text("two"));
        let second = reader.await.unwrap();
        assert_eq!((second.next, second.items[0].id.as_str()), (2, "two"));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_new_is_an_empty_page_that_keeps_its_place() {
        let journal = Journal::new();
        journal.record(ItemKind::Text, text("one"));
        let page = journal.received(1, Duration::from_secs(30)).await;
        assert_eq!(page, Received { next: 1, items: vec![] });
    }
}
