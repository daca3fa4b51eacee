//! What an event of the library means for the link (W5), as pure translations.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::link::{Link, QrCode};
use qrcode::{EcLevel, render::svg};
use whatsapp_rust::types::events::{ConnectFailureReason, Event};

/// The state in which an event leaves a link that won't come back by itself; `None` for all other events.
pub(super) fn last_state(event: &Event, now: Timestamp) -> Option<Link> {
    match event {
        Event::LoggedOut(out) if out.reason == ConnectFailureReason::AccountLocked => Some(Link::Locked),
        Event::LoggedOut(_) => Some(Link::LoggedOut),
        Event::StreamReplaced(_) => Some(Link::Replaced),
        Event::TemporaryBan(ban) => {
            let length = SignedDuration::from_secs(ban.expire.num_seconds());
            Some(Link::Banned { until: now.checked_add(length).ok() })
        }
        Event::ClientOutdated(_) => Some(Link::Outdated),
        // A ban that doesn't say how long it lasts comes as a plain failure.
        Event::ConnectFailure(failure) if failure.reason == ConnectFailureReason::TempBanned => {
            Some(Link::Banned { until: None })
        }
        Event::ConnectFailure(failure) if !failure.reason.should_reconnect() => {
            Some(Link::Refused { code: u16::try_from(failure.reason.code()).unwrap_or(0) })
        }
        // The link would hang: the passkey is the phone's, and there is no browser to hand it over.
        Event::PairPasskeyRequest(_) | Event::PairPasskeyConfirmation(_) | Event::PairPasskeyError(_) => {
            Some(Link::Passkey)
        }
        _ => None,
    }
}

/// A code for the phone's camera, with its picture.
///
/// # Errors
/// When the data is more than a QR code can hold.
pub(super) fn qr_code(data: &str, lasts: Duration) -> Result<QrCode> {
    // The code is shown on a clean screen: the least error correction makes the largest modules.
    let picture = qrcode::QrCode::with_error_correction_level(data, EcLevel::L).context("draw the QR code")?;
    let svg = picture.render::<svg::Color>().min_dimensions(256, 256).build();
    Ok(QrCode { data: data.to_owned(), svg, expires_at: after(lasts).context("a QR code without end")? })
}

/// The moment `wait` from now.
pub(super) fn after(wait: Duration) -> Option<Timestamp> {
    Timestamp::now().checked_add(SignedDuration::try_from(wait).ok()?).ok()
}

/// How long to wait after the `failures`th failure in a row (W6): ten tries in the first hour without a network, the first
/// at once after a connection that had held. What is out of reach for longer comes back with a wake or a network change.
pub(super) fn backoff(failures: u32) -> Duration {
    const SECONDS: [u64; 8] = [0, 1, 2, 5, 15, 60, 300, 900];
    let longest = SECONDS.len() - 1;
    Duration::from_secs(SECONDS[longest.min(failures as usize)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use whatsapp_rust::{
        types::events::{
            ClientOutdated, ConnectFailure, Connected, LoggedOut, PairPasskeyRequest, StreamReplaced, TempBanReason,
            TemporaryBan,
        },
        wacore::chrono,
    };

    fn logged_out(reason: ConnectFailureReason) -> Event {
        Event::LoggedOut(LoggedOut::builder().on_connect(true).reason(reason).build())
    }

    fn failure(reason: ConnectFailureReason) -> Event {
        Event::ConnectFailure(ConnectFailure::builder().reason(reason).build())
    }

    #[test]
    fn each_refusal_has_its_state() {
        // W5
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let ban =
            TemporaryBan::builder().code(TempBanReason::BlockedByUsers).expire(chrono::Duration::seconds(3600)).build();
        let passkey = PairPasskeyRequest::builder().request_options_json("{}".to_owned()).build();
        for (event, expect) in [
            (logged_out(ConnectFailureReason::LoggedOut), Some(Link::LoggedOut)),
            (logged_out(ConnectFailureReason::UnknownLogout), Some(Link::LoggedOut)),
            (logged_out(ConnectFailureReason::AccountLocked), Some(Link::Locked)),
            (Event::StreamReplaced(StreamReplaced::builder().build()), Some(Link::Replaced)),
            (Event::TemporaryBan(ban), Some(Link::Banned { until: Timestamp::from_second(1_700_003_600).ok() })),
            (failure(ConnectFailureReason::TempBanned), Some(Link::Banned { until: None })),
            (Event::ClientOutdated(ClientOutdated::builder().build()), Some(Link::Outdated)),
            (failure(ConnectFailureReason::Generic), Some(Link::Refused { code: 400 })),
            (failure(ConnectFailureReason::BadUserAgent), Some(Link::Refused { code: 409 })),
            (failure(ConnectFailureReason::Unknown(499)), Some(Link::Refused { code: 499 })),
            (failure(ConnectFailureReason::InternalServerError), None),
            (failure(ConnectFailureReason::ServiceUnavailable), None),
            (Event::PairPasskeyRequest(passkey), Some(Link::Passkey)),
            (Event::Connected(Connected::builder().build()), None),
        ] {
            assert_eq!(last_state(&event, now), expect, "{event:?}");
        }
    }

    #[test]
    fn an_hour_without_a_network_is_ten_tries() {
        // W6
        let mut tries = vec![0];
        for failures in 1.. {
            let next = tries.last().unwrap() + backoff(failures).as_secs();
            if next > 3600 {
                break;
            }
            tries.push(next);
        }
        assert_eq!(tries, [0, 1, 3, 8, 23, 83, 383, 1283, 2183, 3083]);
        assert_eq!(backoff(u32::MAX).as_secs(), 900);
        assert_eq!(backoff(0), Duration::ZERO, "after a connection that had held");
    }

    #[test]
    fn a_qr_code_has_a_picture_and_an_end_to_come() {
        // W1
        let data = format!("2@{},{}", "r".repeat(120), "k".repeat(132));
        let qr = qr_code(&data, Duration::from_secs(20)).unwrap();
        assert!(qr.svg.contains("<svg") && !qr.svg.contains(&data));
        assert!(qr.expires_at > Timestamp::now());
        assert!(qr_code(&"x".repeat(9000), Duration::from_secs(20)).is_err());
    }
}
