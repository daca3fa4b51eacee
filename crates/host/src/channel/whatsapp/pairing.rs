//! A session before a phone has linked it: its QR codes, and the code to type on the phone (W1, W2).

use std::sync::Arc;

use jiff::Timestamp;
use nanoclaw_core::link::{Link, PairingCode, PairingFailure, QrCode};
use tokio::time::Instant;
use tracing::{debug, warn};
use whatsapp_rust::{
    Client,
    pair_code::{CompanionOs, PairCodeOptions, PairCodeRejection},
    types::events::Event,
};

use super::{Config, link, session::Carried, voice::Voice};
use crate::logging::word;

#[derive(Default)]
pub(super) struct Pairing {
    /// A code to type has been asked for on this connection: it lives no longer than that.
    asked: bool,
    qr: Option<QrCode>,
    code: Option<PairingCode>,
    code_ends: Option<Instant>,
}

impl Pairing {
    pub fn code_ends(&self) -> Option<Instant> {
        self.code_ends
    }

    /// The link's last state, where an event leaves it in one.
    pub fn event(
        &mut self,
        event: &Event,
        client: &Arc<Client>,
        config: &Config,
        voice: &mut Voice,
        carried: &mut Carried,
    ) -> Option<Link> {
        match event {
            Event::PairError(error) => {
                warn!("linking failed: {}", error.error);
                voice.pairing_failed(PairingFailure::NotLinked);
            }
            Event::PairingQrCode(qr) => {
                self.qr = link::qr_code(&qr.code, qr.timeout).inspect_err(|err| warn!("{err:#}")).ok();
                if !std::mem::replace(&mut self.asked, true) {
                    ask(client, voice, carried);
                }
            }
            Event::PairingQrCodesExhausted(exhausted) => {
                self.qr = None;
                if exhausted.disconnected {
                    return Some(used_up());
                }
            }
            Event::PairingCode(code) => {
                self.code = link::after(code.timeout).zip(carried.phone.as_ref()).map(|(expires_at, phone)| {
                    PairingCode { code: code.code.clone(), phone: format!("+{phone}"), expires_at }
                });
                self.code_ends = Some(Instant::now() + config.pause(code.timeout));
            }
            Event::PairingCodeRefresh(_) => {
                self.code = None;
                ask(client, voice, carried);
            }
            Event::PairingCodeError(error) => {
                // Another is for a person to ask for, not for the next connection.
                (self.code, carried.phone) = (None, None);
                let failure = failure(error.rejection);
                warn!(reason = word(&failure), "WhatsApp gave no pairing code");
                voice.pairing_failed(failure);
            }
            _ => return None,
        }
        self.show(voice);
        None
    }

    /// A code that has run out is not shown any longer; the last one ends the linking.
    pub fn time(&mut self, now: Instant, voice: &mut Voice) -> Option<Link> {
        self.code_ends.take_if(|at| *at <= now)?;
        self.code = None;
        if self.qr.is_none() {
            return Some(used_up());
        }
        self.show(voice);
        None
    }

    fn show(&self, voice: &mut Voice) {
        voice.link(Link::Pairing { qr: self.qr.clone(), code: self.code.clone() });
    }
}

pub(super) fn used_up() -> Link {
    Link::Pairing { qr: None, code: None }
}

fn failure(rejection: Option<PairCodeRejection>) -> PairingFailure {
    use PairCodeRejection::*;
    match rejection {
        Some(BadRequest) => PairingFailure::Number,
        Some(RateOverlimit) => PairingFailure::TooMany,
        Some(Forbidden | FeatureNotAvailable) => PairingFailure::NoCodes,
        _ => PairingFailure::NoCode,
    }
}

/// Asks for a code, where one is wanted and WhatsApp may be asked. The answer comes as an event. A code that was given
/// before would be refused beside the new one. One that is refused counts as well: WhatsApp counts the asking.
fn ask(client: &Arc<Client>, voice: &Voice, carried: &mut Carried) {
    let Some(phone) = carried.phone.clone() else { return };
    let now = Timestamp::now();
    let may = carried.memory.change(|facts| facts.codes.take(now));
    voice.next_code(carried.memory.codes.next_at(now));
    if !may {
        carried.phone = None;
        voice.pairing_failed(PairingFailure::TooMany);
        return;
    }
    let os = match std::env::consts::OS {
        "macos" => CompanionOs::MacOs,
        "windows" => CompanionOs::Windows,
        _ => CompanionOs::Linux,
    };
    let options = PairCodeOptions {
        phone_number: phone,
        // The device's name is no system that WhatsApp knows, and it accepts no other here.
        display_os: Some(os.wire_str().to_owned()),
        ..PairCodeOptions::default()
    };
    let client = Arc::clone(client);
    tokio::spawn(async move {
        client.cancel_pair_code().await;
        client.pair_with_code(options).await.map(drop).inspect_err(|_| debug!("no pairing code"))
    });
}
