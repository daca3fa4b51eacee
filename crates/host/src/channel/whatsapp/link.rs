//! What an event of the library means for the link (W5), as pure translations.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use nanoclaw_core::link::{Link, QrCode};
use qrcode::{EcLevel, render::svg};
use whatsapp_rust::types::events::{ConnectFailureReason, Event};

/// The library's longest back-off.
const LONGEST_BACKOFF: u64 = 900;

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

/// How long the library waits after its `failures`th failure in a row, but for its random tenth: it tells nobody, so its
/// sequence is counted along here.
pub(super) fn backoff(failures: u32) -> Duration {
    let (mut wait, mut next) = (1, 1);
    for _ in 0..failures {
        (wait, next) = (next, (wait + next).min(LONGEST_BACKOFF));
    }
    Duration::from_secs(wait)
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
    fn the_back_off_grows_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = (0..7).map(|n| backoff(n).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 3, 5, 8, 13]);
        assert_eq!(backoff(1000).as_secs(), LONGEST_BACKOFF);
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
