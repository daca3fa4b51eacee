//! The link to WhatsApp: its states, each with its sentence, its cure and its command (W5); what may be asked of it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How the link is. The terminal states don't retry by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Link {
    Starting,
    /// Waiting to be linked: the present QR code and pairing code; both empty once the codes are used up (W1).
    Pairing {
        qr: Option<QrCode>,
        code: Option<PairingCode>,
    },
    Connecting,
    Connected {
        jid: String,
        push_name: String,
    },
    Offline {
        retry_at: Option<Timestamp>,
    },
    /// By the phone, or by WhatsApp.
    LoggedOut,
    /// By a person here; `told`: WhatsApp has taken this device off the phone's list.
    SignedOut {
        told: bool,
    },
    Replaced,
    Banned {
        until: Option<Timestamp>,
    },
    Outdated,
    Locked,
    Refused {
        code: u16,
    },
    Passkey,
}

/// A code for the phone's camera: a secret while it lasts, never logged.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QrCode {
    pub data: String,
    /// The code drawn as an SVG document.
    pub svg: String,
    pub expires_at: Timestamp,
}

/// A code to type on the phone: a secret while it lasts, never logged.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairingCode {
    pub code: String,
    /// E.164.
    pub phone: String,
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for QrCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairingCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The state's name in AppStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    Starting,
    Pairing,
    Connecting,
    Connected,
    Offline,
    LoggedOut,
    SignedOut,
    Replaced,
    Banned,
    Outdated,
    Locked,
    Refused,
    Passkey,
}

impl Link {
    pub fn state(&self) -> LinkState {
        match self {
            Link::Starting => LinkState::Starting,
            Link::Pairing { .. } => LinkState::Pairing,
            Link::Connecting => LinkState::Connecting,
            Link::Connected { .. } => LinkState::Connected,
            Link::Offline { .. } => LinkState::Offline,
            Link::LoggedOut => LinkState::LoggedOut,
            Link::SignedOut { .. } => LinkState::SignedOut,
            Link::Replaced => LinkState::Replaced,
            Link::Banned { .. } => LinkState::Banned,
            Link::Outdated => LinkState::Outdated,
            Link::Locked => LinkState::Locked,
            Link::Refused { .. } => LinkState::Refused,
            Link::Passkey => LinkState::Passkey,
        }
    }

    pub fn is_connected(&self) -> bool {
        matches!(self, Link::Connected { .. })
    }

    /// Whether only a person, or the end of a ban, brings it back.
    pub fn is_final(&self) -> bool {
        use Link::*;
        match self {
            Pairing { qr, code } => qr.is_none() && code.is_none(),
            LoggedOut | SignedOut { .. } | Replaced | Banned { .. } | Outdated | Locked | Refused { .. } | Passkey => {
                true
            }
            Starting | Connecting | Connected { .. } | Offline { .. } => false,
        }
    }

    /// The code of the trouble that a final state is.
    pub fn code(&self) -> &'static str {
        match self {
            Link::LoggedOut => "whatsapp-logged-out",
            Link::SignedOut { .. } => "whatsapp-signed-out",
            Link::Replaced => "whatsapp-replaced",
            Link::Banned { .. } => "whatsapp-banned",
            Link::Outdated => "whatsapp-outdated",
            Link::Locked => "whatsapp-locked",
            Link::Refused { .. } => "whatsapp-refused",
            Link::Passkey => "whatsapp-passkey",
            Link::Pairing { .. } => "whatsapp-not-linked",
            Link::Starting | Link::Connecting | Link::Connected { .. } | Link::Offline { .. } => "whatsapp-offline",
        }
    }

    /// What is, and what helps; nothing helps where nothing is wrong. Times that count down are left to the surface.
    pub fn wording(&self) -> (String, String) {
        let (text, cure) = match self {
            Link::Starting => ("WhatsApp is starting.", ""),
            Link::Pairing { qr: None, code: None } => ("The codes are used up.", "Ask for new ones to link WhatsApp."),
            Link::Pairing { .. } => ("Scan the code with your phone to link WhatsApp.", ""),
            Link::Connecting => ("Connecting to WhatsApp.", ""),
            Link::Connected { .. } => ("Connected to WhatsApp.", ""),
            Link::Offline { .. } => ("WhatsApp can't be reached.", "NanoClaw tries again by itself."),
            Link::LoggedOut => ("Your phone has unlinked NanoClaw.", "Link it again."),
            Link::SignedOut { told: true } => ("You signed out of WhatsApp.", "Link it again to go on."),
            Link::SignedOut { told: false } => (
                "You signed out, but WhatsApp could not be told.",
                "If NanoClaw still stands under Linked devices on your phone, remove it there.",
            ),
            Link::Replaced => ("Another program uses this link.", "Take over to use it here."),
            Link::Banned { until: Some(until) } => {
                let until = until.strftime("%Y-%m-%d %H:%M UTC");
                return (
                    format!("WhatsApp has blocked this account until {until}."),
                    "NanoClaw connects by itself when that is over. Trying before makes it longer.".to_owned(),
                );
            }
            Link::Banned { until: None } => {
                ("WhatsApp has blocked this account for a while.", "Wait some hours, then try again.")
            }
            Link::Outdated => (
                "WhatsApp no longer accepts this version.",
                "Try again in an hour: NanoClaw asks WhatsApp for the version to use. If that does not help, update NanoClaw.",
            ),
            Link::Locked => {
                ("WhatsApp has locked this account.", "Open WhatsApp on your phone to unlock it, then connect again.")
            }
            Link::Refused { code } => {
                return (format!("WhatsApp refused the connection ({code})."), "Try again by hand.".to_owned());
            }
            Link::Passkey => {
                ("Your phone asks for a passkey, which NanoClaw can't give.", "Link by a code for your phone number.")
            }
        };
        (text.to_owned(), cure.to_owned())
    }

    /// Both of [`Link::wording`].
    pub fn sentence(&self) -> String {
        let (text, cure) = self.wording();
        if cure.is_empty() { text } else { format!("{text} {cure}") }
    }

    /// The command that helps, and the word on its button.
    pub fn offer(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Link::Pairing { qr: None, code: None } => Some(("Show new codes", "pair")),
            Link::LoggedOut | Link::SignedOut { .. } => Some(("Link again", "pair")),
            Link::Replaced => Some(("Take over", "reconnect")),
            Link::Locked => Some(("Connect again", "reconnect")),
            Link::Banned { until: None } | Link::Outdated | Link::Refused { .. } => Some(("Try again", "reconnect")),
            Link::Offline { .. } => Some(("Try now", "reconnect")),
            _ => None,
        }
    }
}

/// Why a try to link came to nothing (W2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairingFailure {
    /// WhatsApp has this answer for a number that is none of its own, and for one that asks too often.
    Number,
    TooMany,
    /// There are no codes for this account.
    NoCodes,
    /// WhatsApp gave no code, and no reason that a person could act by.
    NoCode,
    /// The phone took the code, and yet it is not linked.
    NotLinked,
}

impl PairingFailure {
    /// What is, and what helps.
    pub fn wording(self) -> (&'static str, &'static str) {
        match self {
            Self::Number => (
                "WhatsApp gives no code for this phone number.",
                "Check the number. If it is right, wait an hour, or link by the QR code.",
            ),
            Self::TooMany => {
                ("WhatsApp gives no more codes for now.", "Wait an hour before the next, or link by the QR code.")
            }
            Self::NoCodes => ("WhatsApp gives this account no codes.", "Link by the QR code."),
            Self::NoCode => ("WhatsApp gave no code.", "Try again in a minute, or link by the QR code."),
            Self::NotLinked => ("Linking the phone failed.", "Try again with a new code."),
        }
    }
}

/// At most three pairing codes in ten minutes: WhatsApp bars a number for hours that asks for more (W2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeLimit {
    asked: Vec<Timestamp>,
}

impl CodeLimit {
    const MOST: usize = 3;
    const SPAN: SignedDuration = SignedDuration::from_mins(10);

    /// Counts a code, where one may be asked for.
    pub fn take(&mut self, now: Timestamp) -> bool {
        let may = self.next_at(now).is_none();
        if may {
            self.asked.retain(|at| counts(*at, now));
            self.asked.push(now);
        }
        may
    }

    /// When the next one may be asked for; `None` for now.
    pub fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        let counting: Vec<_> = self.asked.iter().filter(|at| counts(**at, now)).collect();
        let over = counting.len().checked_sub(Self::MOST)?;
        counting.get(over).map(|at| **at + Self::SPAN)
    }
}

/// One from the future is from before the clock was set back.
fn counts(at: Timestamp, now: Timestamp) -> bool {
    at <= now && now.duration_since(at) < CodeLimit::SPAN
}

/// A phone number as E.164 without its plus sign, or `None` when it can't be one (W2).
pub fn phone_digits(typed: &str) -> Option<String> {
    let typed = typed.trim();
    // How many countries dial their plus sign.
    let typed = typed.strip_prefix("00").unwrap_or(typed);
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let rest_is_punctuation = typed
        .strip_prefix('+')
        .unwrap_or(typed)
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '.' | '/'));
    (rest_is_punctuation && (7..=15).contains(&digits.len()) && !digits.starts_with('0')).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers() {
        // W2
        for (typed, expect) in [
            ("+49 151 23456789", Some("4915123456789")),
            ("1 (555) 000-1111", Some("15550001111")),
            ("0049 151 23456789", Some("4915123456789")),
            ("+0049 151 23456789", None),
            ("0151 23456789", None),
            ("+49", None),
            ("+49 151 CALL-ME", None),
            ("+1234567890123456", None),
            ("", None),
        ] {
            assert_eq!(phone_digits(typed).as_deref(), expect, "{typed}");
        }
    }

    #[test]
    fn three_codes_in_ten_minutes() {
        // W2
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let mut limit = CodeLimit::default();
        for (second, may, next) in [
            (0, true, None),
            (100, true, None),
            (200, true, Some(600)),
            (300, false, Some(600)),
            (599, false, Some(600)),
            (600, true, Some(700)),
            (650, false, Some(700)),
            (700, true, Some(800)),
            (5000, true, None),
        ] {
            assert_eq!(limit.take(at(second)), may, "{second}");
            assert_eq!(limit.next_at(at(second)), next.map(at), "{second}");
        }
        // The clock was set back a day.
        assert!(limit.take(at(-86_400)));
    }

    #[test]
    fn codes_are_not_in_debug_output() {
        // W1
        let link = Link::Pairing {
            qr: Some(QrCode {
                data: "2@secret".into(),
                svg: "<svg>secret</svg>".into(),
                expires_at: Timestamp::UNIX_EPOCH,
            }),
            code: Some(PairingCode {
                code: "ABCDEFGH".into(),
                phone: "+15550001111".into(),
                expires_at: Timestamp::UNIX_EPOCH,
            }),
        };
        let shown = format!("{link:?}");
        assert!(!shown.contains("secret") && !shown.contains("ABCD") && !shown.contains("1555"), "{shown}");
    }
}
