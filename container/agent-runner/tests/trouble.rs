//! What a run does when something is wrong: each ends with a frame that says so, or none, never with a panic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may stop at the first surprise

mod harness;

use std::fs;
use std::time::{Duration, Instant};

use harness::{Ended, Home, Runner, Way, request};
use nanoclaw_protocol::{Cause, FollowUp, MAX_LINE_BYTES, Output, Status};
use serde_json::json;

in_each_way! {
    bad_follow_up signed_out a_tools_sign_in causes long_error longest_request terminated rubbish endless_line
}

/// The one frame of a run that failed.
fn error(ended: &Ended, code: i32) -> &Output {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(ended.outputs.len(), 1, "{:?}", ended.outputs);
    assert_eq!(ended.outputs[0].status, Status::Error);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    &ended.outputs[0]
}

fn fed(text: &str) -> Ended {
    let home = Home::echo();
    let mut runner = home.run();
    runner.write(text);
    runner.end_stdin();
    runner.ended()
}

// R3: rubbish on stdin is said, never a panic.
#[test]
fn no_request() {
    for (text, expect) in [
        ("", "No request came"),
        ("\n \n", "No request came"),
        ("hello\n", "not understood"),
        ("\u{0}\u{1}\n", "not understood"),
        ("{\"turn\":1}\n", "missing field"),
        ("[]\n", "not understood"),
        (&request(1, "cut off").to_line()[..40], "not understood"),
        (&format!("{}\n", "[".repeat(100_000)), "not understood"),
    ] {
        let ended = fed(text);
        let output = error(&ended, 2);
        assert!(output.error.as_ref().unwrap().contains(expect), "{output:?}");
        assert_eq!(output.turn, None);
    }
}

// R3: a line without end doesn't fill the memory.
#[test]
fn oversized_request() {
    let ended = fed(&format!("{}\n", "x".repeat(MAX_LINE_BYTES + 1)));
    assert!(error(&ended, 2).error.as_ref().unwrap().contains("longer than 8388608 bytes"));
}

// R3: the longest line that is allowed.
fn longest_request(way: Way) {
    let home = way.home(json!({"turns": [{"match": "", "parts": ["read"]}]}));
    let short = request(1, "").to_line().len() - 1;
    let mut runner = home.ask(&request(1, &"x".repeat(MAX_LINE_BYTES - short)));
    assert_eq!(runner.output().result.as_deref(), Some("read"));
}

// A3, R3: the turn under way is answered first.
fn bad_follow_up(way: Way) {
    let home = way.home(json!({"turns": [{"match": "slow", "delayMs": 300, "parts": ["done"]}]}));
    let mut runner = home.ask(&request(1, "slow"));
    runner.write("{\"type\":\"dance\"}\n");
    assert_eq!(runner.output().result.as_deref(), Some("done"));
    let ended = runner.ended();
    assert!(error(&ended, 2).error.as_ref().unwrap().contains("dance"));
}

// A5: each way of being signed out has its cause, at once.
fn signed_out(way: Way) {
    for (state, cause, text) in [
        ("signed-out", Cause::SignedOut, "ot logged in"),
        ("browser", Cause::Browser, "Failed to open browser for authentication"),
        ("expired", Cause::Expired, "ExpiredTokenException"),
    ] {
        let begun = Instant::now();
        let home = way.home(json!({"auth": {"state": state}}));
        let mut runner = home.ask(&request(7, "hello"));
        let output = runner.output();
        assert!(begun.elapsed() < Duration::from_secs(10), "{state}: {:?}", begun.elapsed());
        assert_eq!((output.status, output.turn, output.cause), (Status::Error, Some(7), Some(cause)), "{output:?}");
        let error = output.error.unwrap();
        assert!(error.contains(text) && !error.contains("Opening browser"), "{error}");
        runner.terminate();
        assert_ne!(runner.ended().code, Some(0));
    }
}

// A5: what a tool or an MCP server says of a sign-in of its own is no failure of Kiro's.
fn a_tools_sign_in(way: Way) {
    let home =
        way.home(json!({"turns": [{"match": "", "stderr": "You are not logged in to the shop.", "parts": ["Fine."]}]}));
    let mut runner = home.ask(&request(1, "hello"));
    assert_eq!(runner.output().result.as_deref(), Some("Fine."));
}

// A5: other causes, told from a JSON-RPC error or from stderr.
fn causes(way: Way) {
    let home = way.home(json!({"turns": [
        {"match": "quota", "error": "ThrottlingException: Rate exceeded"},
        {"match": "network", "stderr": "error: dispatch failure: dns error", "parts": ["par"], "exit": 1},
        {"match": "crash", "stderr": "out of luck", "exit": 101},
        {"match": "mcp", "exit": 3},
    ]}));
    for (prompt, cause, text) in [
        ("quota", Cause::Quota, "ThrottlingException: Rate exceeded"),
        ("network", Cause::Network, "dns error"),
        ("crash", Cause::Unknown, "out of luck\nkiro-cli ended: exit status: 101"),
        ("mcp", Cause::Mcp, "exit status: 3"),
    ] {
        let ended = home.ask(&request(1, prompt)).ended();
        let output = error(&ended, 1);
        assert_eq!((output.cause, output.turn), (Some(cause), Some(1)), "{output:?}");
        assert!(output.error.as_ref().unwrap().contains(text), "{output:?}");
    }
}

// A5: a kiro-cli that does not know what is asked of it, in none of the ways.
#[test]
fn too_old() {
    let capabilities = json!({"acp": false, "streamJson": false, "agentEngine": false, "noInteractive": false});
    let ended = Home::new(json!({"capabilities": capabilities})).ask(&request(1, "hello")).ended();
    assert_eq!(error(&ended, 1).cause, Some(Cause::Old));
}

// A4: of an error the end is kept.
fn long_error(way: Way) {
    let text = format!("{} the end", "x".repeat(5000));
    let home = way.home(json!({"turns": [{"match": "", "error": text}]}));
    let ended = home.ask(&request(1, "hello")).ended();
    let kept = error(&ended, 1).error.clone().unwrap();
    assert_eq!(kept.chars().count(), 1000);
    assert!(kept.trim_end_matches("\nkiro-cli ended: exit status: 1").ends_with(" the end"), "{kept}");
}

// A5
#[test]
fn no_kiro() {
    let home = Home::echo();
    let mut runner = home.run_with(&[("NANOCLAW_KIRO_CLI_PATH", "/nowhere/kiro-cli")]);
    runner.write(&request(1, "hello").to_line());
    assert_eq!(error(&runner.ended(), 1).cause, Some(Cause::Missing));
}

// A4: what no protocol has is passed over; an end in its midst is a failure.
fn rubbish(way: Way) {
    if way == Way::Text {
        return; // any line is text
    }
    let raw = "rubbish {\n[1,\n{\"type\":7}\nnull\n{\"type\":\"sessionUpdate\",\"update\":[]}\n\u{0}\n";
    let home = way.home(json!({"turns": [
        {"match": "on", "raw": raw, "parts": ["done"]},
        {"match": "off", "raw": raw, "parts": ["half"], "exit": 0},
    ]}));
    let mut runner = home.ask(&request(1, "on"));
    assert_eq!(runner.output().result.as_deref(), Some("done"));
    runner.message(2, "off");
    let ended = runner.ended();
    let output = error(&ended, 1);
    assert_eq!(output.turn, Some(2));
    assert!(output.error.as_ref().unwrap().contains("kiro-cli ended: exit status: 0"), "{output:?}");
}

// A4: a line without end fails the turn at once, and fills neither memory nor log.
fn endless_line(way: Way) {
    let home = way.home(json!({"turns": [{"match": "", "flood": 40_000_000, "delayMs": 0, "parts": ["never"]}]}));
    let ended = home.ask(&request(1, "hello")).ended();
    assert!(error(&ended, 1).error.as_ref().unwrap().contains("a line without end"), "{:?}", ended.outputs);
    assert!(ended.stderr.len() < 100_000);
}

// R4: Kiro's end between turns ends the run; the next message finds no runner that swallows it.
#[test]
fn kiro_ends_between_turns() {
    let kill = "while [ -d ~ ]; do [ -e ~/kill ] && kill -9 $PPID && break; sleep 0.1; done";
    let home =
        Home::new(json!({"turns": [{"match": "", "run": format!("({kill}) >/dev/null 2>&1 &"), "parts": ["done"]}]}));
    let mut runner = home.ask(&request(1, "hello"));
    assert_eq!(runner.output().result.as_deref(), Some("done"));
    fs::write(home.path().join("kill"), "").unwrap();
    let ended = runner.ended();
    assert_eq!(error(&ended, 1).turn, None);
}

// A4: SIGTERM reaches Kiro; a turn cut this way is no success; nor is it a failure that the host would report.
fn terminated(way: Way) {
    fn stop(runner: Runner) {
        let begun = Instant::now();
        runner.terminate();
        let ended = runner.ended();
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
        assert_eq!((ended.code, ended.outputs.len()), (Some(143), 0), "{}", ended.stderr);
    }
    let home = way.home(json!({"turns": [{"match": "slow", "delayMs": 20_000, "parts": ["never"]}]}));
    let runner = home.ask(&request(1, "slow"));
    home.wait_for_prompts(1);
    stop(runner);
    assert_eq!(home.logged("terminated").len(), 1);

    let mut warm = home.ask(&request(1, ""));
    warm.message(2, "ready?");
    warm.output();
    stop(warm);
    // By chat Kiro goes by itself after a turn.
    if way == Way::Acp {
        assert_eq!(home.logged("terminated").len(), 2);
    }
}

// A4: before the request too.
#[test]
fn terminated_before_the_request() {
    let home = Home::echo();
    let mut runner = home.run();
    // A line of white space that is taken shows that it reads.
    runner.write("\n");
    runner.wait_until_read();
    runner.terminate();
    assert_eq!(runner.ended().code, Some(143));
}

// R3: follow-ups that nobody answered any more do no harm.
#[test]
fn messages_after_close() {
    let home = Home::echo();
    let mut runner = home.ask(&request(1, "hello"));
    runner.output();
    runner.write(&format!(
        "{}{}",
        FollowUp::Close.to_line(),
        FollowUp::Message { turn: 2, text: "late".into() }.to_line()
    ));
    let ended = runner.ended();
    assert_eq!((ended.code, ended.outputs.len()), (Some(0), 0));
}
