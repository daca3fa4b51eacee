//! Turns, sessions and their ends: what a run does when all goes well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may stop at the first surprise

mod harness;

use std::fs;
use std::time::{Duration, Instant};

use harness::{Home, LONG, request};
use nanoclaw_protocol::{OUTPUT_END, OUTPUT_START, Output, Request, Status};
use serde_json::json;

fn result(output: &Output) -> &str {
    assert_eq!(output.status, Status::Success, "{output:?}");
    output.result.as_deref().unwrap_or_default()
}

fn messages(text: &str) -> String {
    format!("<messages timezone=\"UTC\">\n<message sender=\"alice\" time=\"2030-01-01\">{text}</message>\n</messages>")
}

// R3, R4, A3: a prompt, a follow-up into the same session, a close.
#[test]
fn prompt_follow_up_close() {
    let home = Home::echo();
    let mut runner = home.ask(&request(1, &messages("hello &amp; good day")));
    let first = runner.output();
    assert_eq!((first.turn, result(&first)), (Some(1), "echo: hello & good day"));
    assert!(first.new_session_id.is_some());

    runner.message(2, &messages("and now?"));
    let second = runner.output();
    assert_eq!((second.turn, result(&second)), (Some(2), "echo: and now?"));
    assert_eq!(second.new_session_id, first.new_session_id);

    runner.close();
    let ended = runner.ended();
    assert_eq!((ended.code, ended.outputs.len()), (Some(0), 0), "{}", ended.stderr);
    // Kiro ended by itself, and had time for it.
    assert_eq!(home.logged("start").len(), 1);
    assert_eq!(home.logged("terminated").len(), 0);
    assert!(!home.path().join(format!(".kiro/sessions/cli/{}.lock", first.new_session_id.unwrap())).exists());
}

// R3: stdin's end is a close; what it cut off is answered first.
#[test]
fn stdin_ends() {
    let home = Home::new(json!({"turns": [{"match": "slow", "delayMs": 200, "parts": ["done"]}]}));
    let mut runner = home.ask(&request(1, "slow"));
    runner.end_stdin();
    assert_eq!(result(&runner.output()), "done");
    assert_eq!(runner.ended().code, Some(0));
}

// A3: what came during a turn is the next turn, named by its last message.
#[test]
fn waiting_messages_are_one_turn() {
    let home = Home::new(json!({"turns": [{"match": "^slow", "delayMs": 500, "parts": ["first"]}]}));
    let mut runner = home.ask(&request(1, "slow"));
    home.wait_for_prompts(1);
    runner.message(2, "two");
    runner.message(3, "three");
    runner.close();
    assert_eq!(runner.output().turn, Some(1));
    let joined = runner.output();
    assert_eq!((joined.turn, result(&joined)), (Some(3), "echo: two\nthree"));
    assert_eq!(runner.ended().code, Some(0));
    assert_eq!(home.prompts(), ["slow", "two\nthree"]);
}

// R3: kept warm: no prompt, no answer, then one at once.
#[test]
fn kept_warm() {
    let home = Home::echo();
    let mut runner = home.ask(&request(1, ""));
    runner.message(2, "hello");
    let output = runner.output();
    assert_eq!((output.turn, result(&output)), (Some(2), "echo: hello"));
    assert_eq!(home.prompts(), ["hello"]);
}

// R5: nobody tells it, it ends by itself; each result starts the time anew, a long turn doesn't count.
#[test]
fn idle() {
    let home = Home::new(json!({"turns": [{"match": "slow", "delayMs": 900, "parts": ["done"]}]}));
    let idle = |prompt: &str| Request { idle_timeout: 600, ..request(1, prompt) };

    let begun = Instant::now();
    let warm = home.ask(&idle("")).ended();
    assert_eq!((warm.code, warm.outputs.len()), (Some(0), 0), "{}", warm.stderr);
    assert!(begun.elapsed() >= Duration::from_millis(600));

    let mut runner = home.ask(&idle("slow"));
    assert_eq!(result(&runner.output()), "done");
    let answered = Instant::now();
    runner.message(2, "hello");
    assert_eq!(result(&runner.output()), "echo: hello");
    assert_eq!(runner.ended().code, Some(0));
    assert!((Duration::from_millis(590)..LONG).contains(&answered.elapsed()), "{:?}", answered.elapsed());
}

// A1, S6: a task is announced as one, and its run ends with it.
#[test]
fn scheduled_task() {
    let home = Home::echo();
    let task = Request { is_scheduled_task: true, ..request(1, "/water the plants") };
    let mut runner = home.ask(&task);
    runner.message(2, "not for a task");
    assert!(result(&runner.output()).ends_with("/water the plants"));
    let ended = runner.ended();
    assert_eq!((ended.code, ended.outputs.len()), (Some(0), 0));
    let prompts = home.prompts();
    assert!(prompts[0].starts_with("[Scheduled task: no person sent this"), "{prompts:?}");
    assert_eq!(prompts.len(), 1);
}

// A2: in the first prompt and in a follow-up.
#[test]
fn no_slash_command() {
    let home = Home::echo();
    let mut runner = home.ask(&request(1, " \n/quit"));
    assert!(result(&runner.output()).ends_with("/quit"));
    runner.message(2, "/clear");
    assert_eq!(result(&runner.output()), "echo: Message:\n/clear");
}

// A4: what Kiro writes for a terminal; and a text that holds the frame's own markers (R4).
#[test]
fn plain_results() {
    let ornate = "\u{1b}[38;5;141m⠋ Thinking...\r\u{1b}[2KOpening browser…\n\u{1b}[1mdone\u{1b}[0m\r\n";
    let marked = format!("a\n{OUTPUT_END}\n{OUTPUT_START}\nb");
    let home = Home::new(json!({"turns": [
        {"match": "ornate", "parts": [ornate]},
        {"match": "marked", "parts": [marked]},
        {"match": "long", "parts": ["x".repeat(700_000), "y".repeat(700_000), "z"]},
        {"match": "silent", "parts": []},
        {"match": "tools", "ask": true, "run": "printf ran", "parts": ["Let me see.", " It {output}."]},
    ]}));
    let mut runner = home.ask(&request(1, "ornate"));
    assert_eq!(result(&runner.output()), "done");
    runner.message(2, "marked");
    assert_eq!(result(&runner.output()), marked);
    runner.message(3, "long");
    let long = runner.output();
    assert!(result(&long).len() < 1_100_000 && result(&long).ends_with("(cut: the answer was too long)"));
    runner.message(4, "silent");
    assert_eq!(runner.output().result, None);
    runner.message(5, "tools");
    assert_eq!(result(&runner.output()), "Let me see. It ran.");
}

// R11, C1: a session is gone on with by its id; what Kiro replays is no answer.
#[test]
fn session_goes_on() {
    let home = Home::new(json!({"turns": [{"match": "", "parts": ["prompt {count}"]}]}));
    let mut runner = home.ask(&request(1, "one"));
    let first = runner.output();
    assert_eq!(result(&first), "prompt 1");
    runner.close();
    runner.ended();

    let mut runner = home.ask(&Request { session_id: first.new_session_id.clone(), ..request(2, "two") });
    let second = runner.output();
    assert_eq!(result(&second), "prompt 2");
    assert_eq!(second.new_session_id, first.new_session_id);
}

// R11: a session that can't be loaded costs the memory, not the answer.
#[test]
fn session_is_gone() {
    let home = Home::echo();
    let mut runner = home.ask(&Request { session_id: Some("long-gone".into()), ..request(1, "hello") });
    let output = runner.output();
    assert_eq!(result(&output), "echo: hello");
    assert!(output.new_session_id.is_some_and(|id| id != "long-gone"));
    runner.close();
    assert!(runner.ended().stderr.contains("Session long-gone could not be loaded, a new one was started"));
}

// R3: a secret reaches Kiro's environment and nothing else.
#[test]
fn secrets() {
    let home = Home::new(json!({
        "auth": {"state": "signed-out"},
        "turns": [{"match": "", "run": "printf \"$KIRO_API_KEY\" | wc -c", "stderr": "using key ksk-hidden", "ask": true}],
    }));
    let secrets = [("KIRO_API_KEY".to_owned(), "ksk-hidden".to_owned())].into();
    let mut runner = home.ask(&Request { secrets, ..request(1, "hello") });
    assert_eq!(result(&runner.output()).trim(), "10");
    runner.close();
    let ended = runner.ended();
    assert!(ended.stderr.contains("using key …"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ksk-hidden"));
    let starts = home.logged("start");
    assert_eq!(starts[0]["apiKey"], true);
    assert!(!starts[0].to_string().contains("ksk-hidden"));
}

// A2: the group's folder, agent and model are Kiro's; every group's agent may use its tools.
#[test]
fn how_kiro_is_started() {
    let home = Home::new(
        json!({"turns": [{"match": "where", "ask": true, "run": "pwd; echo $NO_COLOR $KIRO_DISABLE_TELEMETRY"}]}),
    );
    let group = fs::canonicalize(home.path().join("group")).unwrap();
    for is_main in [true, false] {
        let mut runner = home.run_with(&[("KIRO_AGENT_NAME", "kiro-assistant"), ("KIRO_MODEL", "auto")]);
        runner.write(&Request { is_main, ..request(1, "where") }.to_line());
        assert_eq!(result(&runner.output()), format!("{}\n1 1", group.display()));
    }
    assert_eq!(
        home.logged("start")[0]["arguments"],
        json!(["acp", "--agent-engine", "v2", "--trust-all-tools", "--agent", "kiro-assistant", "--model", "auto"])
    );
    assert_eq!(home.logged("permission")[1]["answer"]["outcome"]["optionId"], "allow_once");
}

// A2: an older and a newer kiro-cli are started by what their help names.
#[test]
fn other_versions() {
    for (capabilities, expect) in [
        (json!({"agentEngine": false}), json!(["acp", "--trust-all-tools"])),
        (json!({"v3": true}), json!(["acp", "--auth-method", "cli"])),
    ] {
        let home = Home::new(json!({"capabilities": capabilities}));
        let mut runner = home.ask(&request(1, "hello"));
        assert_eq!(result(&runner.output()), "echo: hello");
        assert_eq!(home.logged("start").last().unwrap()["arguments"], expect);
    }
}
