//! Misfortunes to order, per account: what the next logins, backlogs and messages of its linked devices suffer, or what
//! strikes them now. It keeps the orders; transport, router and queue carry them out.
use std::collections::HashMap;
use std::mem::discriminant;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::stanza::lock;

/// What a server may refuse a login with, and the codes that clients take for a reason.
const REASONS: std::ops::RangeInclusive<u16> = 400..=599;
/// The reason of a temporary ban.
const BANNED: u16 = 402;

/// A misfortune. `times` counts the messages, logins or backlogs that it strikes (1 if absent, 0 takes the order back); an
/// order takes the place of an earlier one of its kind. What has no `times` strikes now.
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
    /// The stream ends with `<stream:error code><conflict type/></stream:error>`, or with neither just closes.
    EndStream { code: Option<u16>, conflict: Option<String> },
    /// Another session takes the stream over (`<conflict type="replaced">`).
    Replace {},
    /// The connection breaks without a word.
    Drop {},
    /// Of the next messages half a frame arrives, and the connection breaks.
    CutFrame {
        #[serde(default = "once")]
        times: u32,
    },
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
    /// The contacts' phones can't open the next texts of its linked devices, and ask for them again; each copy counts.
    AskAgain {
        #[serde(default = "once")]
        times: u32,
    },
    /// The next requests for a pairing code are refused with this error: 400, 403, 429, 452 or 500.
    RefuseCode {
        code: u16,
        #[serde(default = "once")]
        times: u32,
    },
    /// The next messages come under the sender's LID alone: their stanzas name no number.
    HideNumber {
        #[serde(default = "once")]
        times: u32,
    },
    /// The next questions for all groups are refused.
    HideGroups {
        #[serde(default = "once")]
        times: u32,
    },
    /// The next questions for people by their numbers are refused.
    HidePeople {
        #[serde(default = "once")]
        times: u32,
    },
    /// The connection stays open and nothing passes in either direction, for `ms` or as long as it lives.
    Silence { ms: Option<u64> },
    /// At the next logins the connection breaks after so many stanzas of the backlog, half of them if absent.
    CutBacklog {
        after: Option<usize>,
        #[serde(default = "once")]
        times: u32,
    },
    /// At the next logins the backlog stops there instead, and neither its rest nor its end comes on that connection; with
    /// more than there are, the end alone is missing.
    StallBacklog {
        after: Option<usize>,
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

impl Fault {
    /// How often it strikes; `None` if that is now.
    fn times(&self) -> Option<u32> {
        match *self {
            Self::FailLogin { times, .. }
            | Self::CutFrame { times }
            | Self::Delay { times, .. }
            | Self::Corrupt { times }
            | Self::Duplicate { times }
            | Self::Reorder { times, .. }
            | Self::Refuse { times, .. }
            | Self::AskAgain { times }
            | Self::RefuseCode { times, .. }
            | Self::HideNumber { times }
            | Self::HideGroups { times }
            | Self::HidePeople { times }
            | Self::CutBacklog { times, .. }
            | Self::StallBacklog { times, .. } => Some(times),
            Self::EndStream { .. } | Self::Replace {} | Self::Drop {} | Self::Silence { .. } => None,
        }
    }

    fn check(&self) -> Result<()> {
        match *self {
            Self::FailLogin { code, expire_seconds, .. } => {
                ensure!(REASONS.contains(&code), "a login is refused with a code from 400 to 599, not {code}");
                ensure!(
                    expire_seconds.is_none() || code == BANNED,
                    "expireSeconds belongs to code 402 (a temporary ban), not to {code}"
                );
            }
            Self::EndStream { code: Some(code), .. } => {
                ensure!(REASONS.contains(&code), "a stream ends with a code from 400 to 599, not {code}");
            }
            _ => {}
        }
        Ok(())
    }
}

/// How the next message is to be delivered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) passage: Passage,
    pub(crate) delay: Option<Duration>,
    pub(crate) reorder: Option<Duration>,
}

/// How a stanza goes over the wire, the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Passage {
    #[default]
    Whole,
    Twice,
    /// Half of its frame, and then the connection breaks.
    Half,
}

#[derive(Clone, Copy)]
pub(crate) struct LoginFailure {
    pub(crate) code: u16,
    pub(crate) expire_seconds: Option<u64>,
}

/// Where a backlog stops: after so many stanzas (half of them if `None`); the connection breaks there or says no more.
#[derive(Clone, Copy)]
pub(crate) struct BacklogStop {
    pub(crate) after: Option<usize>,
    pub(crate) breaks: bool,
}

#[derive(Default)]
pub(crate) struct Faults {
    /// By account, each with how often it still strikes.
    orders: Mutex<HashMap<String, Vec<(Fault, u32)>>>,
}

impl Faults {
    /// Writes an order down. Returns whether it strikes now, and so is not for here. Errors: an order without sense.
    pub(crate) fn order(&self, pn: &str, fault: &Fault) -> Result<bool> {
        fault.check()?;
        let Some(times) = fault.times() else { return Ok(true) };
        let mut orders = lock(&self.orders);
        let orders = orders.entry(pn.to_owned()).or_default();
        orders.retain(|(other, _)| discriminant(other) != discriminant(fault));
        if times > 0 {
            orders.push((fault.clone(), times));
        }
        Ok(false)
    }

    pub(crate) fn next_login(&self, pn: &str) -> Option<LoginFailure> {
        self.take(pn, |fault| match *fault {
            Fault::FailLogin { code, expire_seconds, .. } => Some(LoginFailure { code, expire_seconds }),
            _ => None,
        })
    }

    pub(crate) fn next_backlog(&self, pn: &str) -> Option<BacklogStop> {
        self.take(pn, |fault| match *fault {
            Fault::CutBacklog { after, .. } => Some(BacklogStop { after, breaks: true }),
            Fault::StallBacklog { after, .. } => Some(BacklogStop { after, breaks: false }),
            _ => None,
        })
    }

    /// The error that the next text is refused with.
    pub(crate) fn next_refusal(&self, pn: &str) -> Option<u16> {
        self.take(pn, |fault| match *fault {
            Fault::Refuse { code, .. } => Some(code),
            _ => None,
        })
    }

    /// The error that the next request for a pairing code is refused with.
    pub(crate) fn next_code_refusal(&self, pn: &str) -> Option<u16> {
        self.take(pn, |fault| match *fault {
            Fault::RefuseCode { code, .. } => Some(code),
            _ => None,
        })
    }

    pub(crate) fn next_text_is_asked_for_again(&self, pn: &str) -> bool {
        self.take(pn, |fault| matches!(fault, Fault::AskAgain { .. }).then_some(())).is_some()
    }

    pub(crate) fn next_number_is_hidden(&self, pn: &str) -> bool {
        self.take(pn, |fault| matches!(fault, Fault::HideNumber { .. }).then_some(())).is_some()
    }

    pub(crate) fn next_groups_are_hidden(&self, pn: &str) -> bool {
        self.take(pn, |fault| matches!(fault, Fault::HideGroups { .. }).then_some(())).is_some()
    }

    pub(crate) fn next_people_are_hidden(&self, pn: &str) -> bool {
        self.take(pn, |fault| matches!(fault, Fault::HidePeople { .. }).then_some(())).is_some()
    }

    pub(crate) fn next_message_is_corrupt(&self, pn: &str) -> bool {
        self.take(pn, |fault| matches!(fault, Fault::Corrupt { .. }).then_some(())).is_some()
    }

    pub(crate) fn next_delivery(&self, pn: &str) -> Delivery {
        let passage = self.take(pn, |fault| match fault {
            Fault::Duplicate { .. } => Some(Passage::Twice),
            Fault::CutFrame { .. } => Some(Passage::Half),
            _ => None,
        });
        let delay = self.take(pn, |fault| match *fault {
            Fault::Delay { ms, .. } => Some(Duration::from_millis(ms)),
            _ => None,
        });
        let reorder = self.take(pn, |fault| match *fault {
            Fault::Reorder { ms, .. } => Some(Duration::from_millis(ms)),
            _ => None,
        });
        Delivery { passage: passage.unwrap_or_default(), delay, reorder }
    }

    /// The first order that `pick` takes strikes once.
    fn take<T>(&self, pn: &str, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        let mut orders = lock(&self.orders);
        let orders = orders.get_mut(pn)?;
        let (index, taken) = orders.iter().enumerate().find_map(|(index, (fault, _))| Some((index, pick(fault)?)))?;
        if let Some((_, left)) = orders.get_mut(index) {
            *left -= 1;
        }
        orders.retain(|(_, left)| *left > 0);
        Some(taken)
    }
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
    fn an_order_strikes_as_often_as_the_last_of_its_kind_says() {
        let faults = Faults::default();
        for times in [9, 2] {
            faults.order("1", &Fault::Duplicate { times }).unwrap();
        }
        let struck: Vec<bool> = (0..3).map(|_| faults.next_delivery("1").passage == Passage::Twice).collect();
        assert_eq!(struck, [true, true, false]);
        assert_eq!(faults.next_delivery("2"), Delivery::default());
        for times in [1, 0] {
            faults.order("1", &Fault::Corrupt { times }).unwrap();
        }
        assert!(!faults.next_message_is_corrupt("1"));
    }

    #[test]
    fn only_a_ban_expires_and_codes_are_codes() {
        for order in [
            Fault::FailLogin { code: 403, expire_seconds: Some(1), times: 1 },
            Fault::FailLogin { code: 200, expire_seconds: None, times: 1 },
            Fault::EndStream { code: Some(1000), conflict: None },
        ] {
            assert!(Faults::default().order("1", &order).is_err(), "{order:?}");
        }
    }
}
