//! The link to WhatsApp: its states, each with its sentence (W5).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How the link is. The terminal states don't retry by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    LoggedOut,
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QrCode {
    pub data: String,
    /// The code drawn as an SVG document.
    pub svg: String,
    pub expires_at: Timestamp,
}

/// A code to type on the phone: a secret while it lasts, never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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

    /// What is, and what helps, in one or two sentences. Times that count down are left to the surface.
    pub fn sentence(&self) -> String {
        match self {
            Link::Starting => "WhatsApp is starting.".to_owned(),
            Link::Pairing { qr: None, code: None } => {
                "The codes are used up. Ask for new ones to link WhatsApp.".to_owned()
            }
            Link::Pairing { .. } => "Scan the code with your phone to link WhatsApp.".to_owned(),
            Link::Connecting => "Connecting to WhatsApp.".to_owned(),
            Link::Connected { .. } => "Connected to WhatsApp.".to_owned(),
            Link::Offline { .. } => "WhatsApp can't be reached. NanoClaw tries again by itself.".to_owned(),
            Link::LoggedOut => "Your phone has unlinked NanoClaw. Link it again.".to_owned(),
            Link::Replaced => "Another program uses this link. Take over to use it here.".to_owned(),
            Link::Banned { until: Some(until) } => {
                format!(
                    "WhatsApp has blocked this account until {}. Wait until then.",
                    until.strftime("%Y-%m-%d %H:%M UTC")
                )
            }
            Link::Banned { until: None } => {
                "WhatsApp has blocked this account for a while. Wait, then try again.".to_owned()
            }
            Link::Outdated => "WhatsApp no longer accepts this version. Update NanoClaw.".to_owned(),
            Link::Locked => "WhatsApp has locked this account. Open WhatsApp on your phone to unlock it.".to_owned(),
            Link::Refused { code } => {
                format!("WhatsApp refused the connection ({code}). Try again by hand.")
            }
            Link::Passkey => {
                "Your phone asks for a passkey, which NanoClaw can't give. Link by a pairing code.".to_owned()
            }
        }
    }
}

/// A phone number as E.164 without its plus sign, or `None` when it can't be one (W2).
pub fn phone_digits(typed: &str) -> Option<String> {
    let typed = typed.trim();
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
