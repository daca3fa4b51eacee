//! What kiro-cli writes: its sign-in state on the host, its answers in the container (A4, K1).

#![no_main]

use libfuzzer_sys::fuzz_target;
use nanoclaw_core::kiro::{SignIn, Whoami};

#[path = "../../../container/agent-runner/src/text.rs"]
mod text;

fuzz_target!(|input: (Option<i32>, &str, &str)| {
    let (exit, stdout, stderr) = input;
    let whoami = Whoami::read(exit, stdout, stderr);
    assert!(!whoami.text.is_empty());
    // "Can't tell" is never shown as signed out, nor a failure as signed in.
    match whoami.state {
        SignIn::SignedIn => assert_eq!(exit, Some(0)),
        SignIn::SignedOut => assert_eq!(exit, Some(1)),
        SignIn::Unknown | SignIn::Missing => {}
    }
    for cleaned in [text::plain(stdout), text::error(stderr)] {
        assert!(!cleaned.contains(['\u{1b}', '\r']), "{cleaned:?}");
    }
});
