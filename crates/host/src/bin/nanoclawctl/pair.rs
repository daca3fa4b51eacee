//! `pair`: asks for a link and shows the codes until the phone has taken one.

use nanoclaw_core::{
    command::{Command, CommandError},
    problem::Trouble,
};
use nanoclaw_host::{control::Client, paths::Home};

use crate::{
    ask::answered,
    codes::Codes,
    out::{Failure, Out, at, plain},
};

pub async fn pair(home: &Home, phone: Option<String>, yes: bool, out: &mut Out) -> Result<(), Failure> {
    let mut codes = Codes::without_qr(phone.is_some());
    let answer = answered(home, Command::Pair { phone, cancel: false, yes }, out).await?;
    if out.json {
        return out.value(&answer);
    }
    let mut watch = Client::connect(home).await?.watch().await?;
    // The first status may still tell of the link before.
    let mut before = None;
    let (mut shown, mut moved) = (false, false);
    while let Some(status) = watch.next().await? {
        let (state, text) = (at(&status, "/whatsapp/state"), plain(at(&status, "/whatsapp/text")));
        let has_code = !status["whatsapp"]["qr"].is_null() || !status["whatsapp"]["pairingCode"].is_null();
        moved |= shown || *before.get_or_insert_with(|| state.to_owned()) != state;
        match state {
            "pairing" if has_code => {
                shown = true;
                codes.tell(&status, out)?;
            }
            "pairing" if !shown => {}
            "connected" if moved => return out.line(text),
            "connected" | "starting" | "connecting" | "offline" => {}
            // The codes are used up, or WhatsApp refused.
            _ if moved => {
                let cure = "Try again with `nanoclawctl pair`.".to_owned();
                return Err(CommandError { code: format!("whatsapp-{state}"), message: text, cure }.into());
            }
            _ => {}
        }
    }
    Err(Trouble::NotRunning.into())
}
