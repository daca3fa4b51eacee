//! The QR code and the pairing code in the terminal. They are secrets while they last: only ever to stdout.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use serde_json::Value;

use crate::out::{Failure, Out, at, clock, internal};

/// Shows each code once, as they rotate (W1, W2).
#[derive(Debug, Default)]
pub struct Codes {
    no_qr: bool,
    qr: String,
    code: String,
}

impl Codes {
    /// For one who asked for a code to type and needs no picture.
    pub fn without_qr(no_qr: bool) -> Codes {
        Codes { no_qr, ..Codes::default() }
    }

    pub fn tell(&mut self, status: &Value, out: &mut Out) -> Result<(), Failure> {
        let code = at(status, "/whatsapp/pairingCode/code");
        if code != self.code {
            code.clone_into(&mut self.code);
            if !code.is_empty() {
                let (phone, until) =
                    (at(status, "/whatsapp/pairingCode/phone"), clock(at(status, "/whatsapp/pairingCode/expiresAt")));
                out.line(format_args!("\n    {}\n", grouped(code)))?;
                out.line(format_args!(
                    "Type this code on the phone {phone}: WhatsApp > Linked devices > Link a device > Link with phone \
                     number instead. It is good until {until}."
                ))?;
            }
        }
        let qr = if self.no_qr || !code.is_empty() { "" } else { at(status, "/whatsapp/qr/data") };
        if qr != self.qr {
            qr.clone_into(&mut self.qr);
            if !qr.is_empty() {
                let until = clock(at(status, "/whatsapp/qr/expiresAt"));
                out.line(drawn(qr, out.is_terminal())?)?;
                out.line(format_args!(
                    "Scan this with your phone: WhatsApp > Linked devices > Link a device. It is good until {until}."
                ))?;
            }
        }
        Ok(())
    }
}

/// As the phone shows it: `ABCD-EFGH`.
fn grouped(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((first, rest)) if rest.len() == 4 && !code.contains('-') => format!("{first}-{rest}"),
        _ => code.to_owned(),
    }
}

/// Two modules a character. In a terminal black on white whatever its colours are, else for white on black.
fn drawn(data: &str, coloured: bool) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(data, EcLevel::L)
        .map_err(|error| internal(format!("the QR code can't be drawn: {error}.")))?;
    let mut drawing = code.render::<Dense1x2>();
    if coloured {
        let lines = drawing.build();
        return Ok(lines.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n")).collect());
    }
    Ok(drawing.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_grouped_as_on_the_phone() {
        for (code, expect) in [("ABCD1234", "ABCD-1234"), ("ABCD-1234", "ABCD-1234"), ("ABC", "ABC"), ("ÄÄÄÄ", "ÄÄ-ÄÄ")]
        {
            assert_eq!(grouped(code), expect);
        }
    }

    #[test]
    fn a_qr_code_is_drawn_with_its_quiet_zone() {
        // W1
        let data = format!("2@{}", "x".repeat(230));
        let drawing = drawn(&data, false).unwrap();
        let lines: Vec<&str> = drawing.lines().collect();
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width) && width <= 80, "{width}");
        assert!(lines[0].chars().all(|c| c == '█') && lines.len() == width.div_ceil(2), "{drawing}");
        assert!(
            drawn(&data, true)
                .unwrap()
                .lines()
                .all(|line| line.starts_with("\x1b[30;107m") && line.ends_with("\x1b[0m"))
        );
    }
}
