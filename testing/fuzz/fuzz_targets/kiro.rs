//! What kiro-cli writes (A2, A4, K1): its sign-in state on the host; in the container its answers, its failures, what it asks
//! leave for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nanoclaw_core::kiro::{SignIn, Whoami};
use nanoclaw_protocol::Output;
use serde_json::Value;

#[path = "../../../container/agent-runner/src/kiro/answer.rs"]
mod answer;
#[path = "../../../container/agent-runner/src/cause.rs"]
mod cause;
#[path = "../../../container/agent-runner/src/text.rs"]
mod text;
#[path = "../../../container/agent-runner/src/kiro/tools.rs"]
mod tools;

use answer::Answer;
use tools::{Calls, Tools, decide};

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
    let _ = (cause::of(stderr), cause::of_sign_in(stderr));

    let (mut answer, mut calls) = (Answer::default(), Calls::default());
    for line in stdout.lines() {
        answer.credits_line(line);
        let Ok(said) = serde_json::from_str::<Value>(line) else { continue };
        answer.update(&said);
        answer.metadata(&said);
        calls.take(&said);
        // Where no tool is allowed, none is, however it is asked for.
        let (outcome, refused) = decide(&Tools(Some(Vec::new())), &calls, &said);
        assert!(refused.is_some());
        let options = said["options"].as_array().map_or(&[][..], Vec::as_slice);
        let chosen =
            options.iter().find(|option| outcome["outcome"] == "selected" && option["optionId"] == outcome["optionId"]);
        assert!(chosen.is_none_or(|option| option["kind"] != "allow_once" && option["kind"] != "allow_always"));
    }
    let answered = answer.finish();
    let frame = Output { usage: answered.usage, ..Output::success(1, answered.text) }.to_frame();
    assert_eq!(frame.lines().count(), 3, "a frame is three lines: {frame}");
});
