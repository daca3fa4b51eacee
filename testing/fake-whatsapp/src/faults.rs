//! Misfortunes to order, per account: what the next logins, backlogs and messages of its linked devices suffer.
//! It keeps the orders; transport, router and queue carry them out.
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::stanza::lock;

/// A misfortune. `times` counts the messages, logins or backlogs that it strikes (1 if absent, 0 takes the order back).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Fault {
    /// The next logins are refused with `<failure reason=code>`; `expire_seconds` goes with 402, a temporary ban.
    FailLogin {
        code: u16,
        expire_seconds: Option<u64>,
        #[serde(default = "once")]
        times: u32,
    },
    /// Now: another session takes the stream over (`<conflict type="replaced">`).
    Replace {},
    /// Now: the connection breaks without a word.
    Drop {},
    /// Each of the next messages arrives `ms` later.
    Delay {
        ms: u64,
        #[serde(default = "once")]
        times: u32,
    },
    /// The ciphertext of the next messages is damaged; the sender's phone answers the retry receipt.
    Corrupt {
        #[serde(default = "once")]
        times: u32,
    },
    /// The next messages arrive twice.
    Duplicate {
        #[serde(default = "once")]
        times: u32,
    },
    /// The next message arrives behind the one after it, or after `ms` (2000 if absent) when none follows.
    Reorder {
        #[serde(default = "two_seconds")]
        ms: u64,
        #[serde(default = "once")]
        times: u32,
    },
    /// The next texts of its linked devices are acked with this error, and go nowhere.
    Refuse {
        code: u16,
        #[serde(default = "once")]
        times: u32,
    },
    /// Now: the connection stays open and nothing passes in either direction, for `ms` or as long as it lives.
    Silence { ms: Option<u64> },
    /// At the next logins the connection breaks after the first stanzas of the backlog.
    CutBacklog {
        #[serde(default = "once")]
        times: u32,
    },
}

fn once() -> u32 {
    1
}

fn two_seconds() -> u64 {
    2_000
}

/// How the next message is to be delivered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) twice: bool,
    pub(crate) delay: Option<Duration>,
    pub(crate) reorder: Option<Duration>,
}

#[derive(Clone, Copy)]
pub(crate) struct LoginFailure {
    pub(crate) code: u16,
    pub(crate) expire_seconds: Option<u64>,
}

#[derive(Default)]
struct Orders {
    fail_login: Option<(LoginFailure, u32)>,
    delay: Option<(Duration, u32)>,
    reorder: Option<(Duration, u32)>,
    refuse: Option<(u16, u32)>,
    corrupt: u32,
    duplicate: u32,
    cut_backlog: u32,
}

#[derive(Default)]
pub(crate) struct Faults {
    orders: Mutex<HashMap<String, Orders>>,
}

impl Faults {
    /// Writes an order down. The faults that strike at once (`replace`, `drop`, `silence`) are not for here.
    pub(crate) fn order(&self, pn: &str, fault: &Fault) -> Result<()> {
        let mut orders = lock(&self.orders);
        let orders = orders.entry(pn.to_owned()).or_default();
        match *fault {
            Fault::FailLogin { code, expire_seconds, times } => {
                ensure!(
                    expire_seconds.is_none() || code == 402,
                    "expireSeconds belongs to code 402 (a temporary ban), not to {code}"
                );
                orders.fail_login = Some((LoginFailure { code, expire_seconds }, times));
            }
            Fault::Delay { ms, times } => orders.delay = Some((Duration::from_millis(ms), times)),
            Fault::Reorder { ms, times } => orders.reorder = Some((Duration::from_millis(ms), times)),
            Fault::Refuse { code, times } => orders.refuse = Some((code, times)),
            Fault::Corrupt { times } => orders.corrupt = times,
            Fault::Duplicate { times } => orders.duplicate = times,
            Fault::CutBacklog { times } => orders.cut_backlog = times,
            Fault::Replace {} | Fault::Drop {} | Fault::Silence { .. } => {}
        }
        Ok(())
    }

    pub(crate) fn next_login(&self, pn: &str) -> Option<LoginFailure> {
        self.with(pn, |orders| take(&mut orders.fail_login)).flatten()
    }

    pub(crate) fn next_backlog_is_cut(&self, pn: &str) -> bool {
        self.with(pn, |orders| count_down(&mut orders.cut_backlog)).unwrap_or_default()
    }

    /// The error that the next text is refused with.
    pub(crate) fn next_refusal(&self, pn: &str) -> Option<u16> {
        self.with(pn, |orders| take(&mut orders.refuse)).flatten()
    }

    pub(crate) fn next_message_is_corrupt(&self, pn: &str) -> bool {
        self.with(pn, |orders| count_down(&mut orders.corrupt)).unwrap_or_default()
    }

    pub(crate) fn next_delivery(&self, pn: &str) -> Delivery {
        self.with(pn, |orders| Delivery {
            twice: count_down(&mut orders.duplicate),
            delay: take(&mut orders.delay),
            reorder: take(&mut orders.reorder),
        })
        .unwrap_or_default()
    }

    fn with<T>(&self, pn: &str, read: impl FnOnce(&mut Orders) -> T) -> Option<T> {
        lock(&self.orders).get_mut(pn).map(read)
    }
}

fn count_down(times: &mut u32) -> bool {
    let due = *times > 0;
    *times = times.saturating_sub(1);
    due
}

fn take<T: Copy>(order: &mut Option<(T, u32)>) -> Option<T> {
    let (value, times) = order.as_mut()?;
    count_down(times).then_some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Fault, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_orders_and_refuses_what_it_does_not_know() {
        assert_eq!(
            parse(r#"{"kind":"fail-login","code":402,"expireSeconds":60}"#),
            Ok(Fault::FailLogin { code: 402, expire_seconds: Some(60), times: 1 })
        );
        assert_eq!(parse(r#"{"kind":"replace"}"#), Ok(Fault::Replace {}));
        assert!(parse(r#"{"kind":"melt"}"#).unwrap_err().contains("unknown variant `melt`"));
        assert!(parse(r#"{"kind":"drop","times":3}"#).unwrap_err().contains("unknown field `times`"));
        assert!(parse(r#"{"kind":"delay"}"#).unwrap_err().contains("missing field `ms`"));
    }

    #[test]
    fn an_order_strikes_as_often_as_it_says() {
        let faults = Faults::default();
        faults.order("1", &Fault::Duplicate { times: 2 }).unwrap();
        let struck: Vec<bool> = (0..3).map(|_| faults.next_delivery("1").twice).collect();
        assert_eq!(struck, [true, true, false]);
        assert_eq!(faults.next_delivery("2"), Delivery::default());
    }

    #[test]
    fn only_a_ban_expires() {
        let order = Fault::FailLogin { code: 403, expire_seconds: Some(1), times: 1 };
        assert!(Faults::default().order("1", &order).is_err());
    }
}
