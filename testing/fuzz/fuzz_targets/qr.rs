//! Codes for the camera as WhatsApp's server may give them (W1). Drawing one takes a thousand times as long as reading a message,
//! so it is a target of its own.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nanoclaw_host::channel::whatsapp::wire;

fuzz_target!(|input: (&str, u64)| {
    let (data, lasts) = input;
    wire::qr(data, lasts);
});
