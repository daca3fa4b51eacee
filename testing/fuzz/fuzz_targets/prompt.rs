//! Texts of chats and of agents: no text leaves its place in the prompt, nothing internal reaches a chat (M5, M6, M8).

#![no_main]

use libfuzzer_sys::fuzz_target;
use nanoclaw_core::prompt;

fuzz_target!(|answer: &str| {
    if let Some(public) = prompt::public_part(answer) {
        assert!(!public.trim().is_empty());
        assert!(!public.contains("<internal>"), "{public}");
        let signed = prompt::signed(&public, "Andy", false);
        assert_eq!(prompt::signed(&signed, "Andy", false), signed, "signed twice");
    }
});
