//! Texts of chats and of agents: no text leaves its place in the prompt, nothing internal reaches a chat (M5, M6, M8).

#![no_main]

use jiff::{Timestamp, tz::TimeZone};
use libfuzzer_sys::fuzz_target;
use nanoclaw_core::{
    chat::{Jid, Message},
    prompt,
};

fuzz_target!(|input: (&str, Vec<(&str, &str)>)| {
    let (answer, said) = input;
    if let Some(public) = prompt::public_part(answer) {
        assert!(!public.trim().is_empty());
        assert!(!public.contains("<internal>"), "{public}");
        let signed = prompt::signed(&public, "Andy", false);
        assert_eq!(prompt::signed(&signed, "Andy", false), signed, "signed twice");
    }
    let message = |(name, text): &(&str, &str)| Message {
        seq: 1,
        id: "1".to_owned(),
        chat: Jid::new("1@g.us"),
        sender: "2@s.whatsapp.net".to_owned(),
        sender_name: (*name).to_owned(),
        content: (*text).to_owned(),
        sent_at: Timestamp::UNIX_EPOCH,
        is_bot: false,
    };
    let prompt = prompt::format(&said.iter().map(message).collect::<Vec<_>>(), &TimeZone::UTC);
    assert!(prompt.starts_with("<messages ") && prompt.ends_with("</messages>"), "{prompt}");
    // Only our own tags are tags, and only their attributes are attributes.
    let tags = |tag: &str| prompt.matches(tag).count();
    assert_eq!(
        (tags("<message "), tags("</message>"), tags("<")),
        (said.len(), said.len(), 2 * said.len() + 2),
        "{prompt}"
    );
    assert_eq!(tags("\""), 2 + 4 * said.len(), "{prompt}");
});
