//! What WhatsApp's server and other people's clients write, as far as our own code reads it: messages with what surrounds
//! them, and refusals (M1, M2, M9, W5).

#![no_main]

use libfuzzer_sys::fuzz_target;
use nanoclaw_core::{chat, link::Link, prompt};
use nanoclaw_host::channel::whatsapp::wire::{self, Envelope};

type Written<'a> = (&'a [u8], &'a str, &'a str, &'a str, i64, bool, i32);

fuzz_target!(|input: Written| {
    let (bytes, chat, sender, push_name, number, from_me, code) = input;
    let envelope = Envelope { id: "1", chat, sender, push_name, sent_at: number, from_me };
    for (chat, sender) in [(chat, sender), ("1@g.us", "2@s.whatsapp.net"), ("3@lid", "3:4@lid")] {
        let Some(inbound) = wire::message(bytes, Envelope { chat, sender, ..envelope }) else { continue };
        assert!(inbound.text.as_deref() != Some(""), "a text is there or it is not");
        assert!(!inbound.sender_name.is_empty() || inbound.sender.starts_with('@'), "{inbound:?}");
        assert!(!inbound.chat.as_str().contains(':'), "a chat has no device: {inbound:?}");
        chat::is_ignored(&inbound.chat);
        if let Some(text) = &inbound.text {
            chat::is_bot(text, inbound.from_me, false, "Andy", from_me);
            prompt::public_part(text);
        }
    }
    for link in wire::refusal(code, number).into_iter().flatten() {
        assert!(!link.sentence().is_empty() && !link.is_connected());
        assert!(!matches!(link, Link::Pairing { .. }), "nobody refused is asked to scan");
    }
});
