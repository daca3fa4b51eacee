//! Turns, sessions and their ends: what a run does when all goes well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may stop at the first surprise

mod harness;

use std::fs;
use std::time::{Duration, Instant};

use harness::{Home, LONG, Way, request};
use nanoclaw_protocol::{OUTPUT_END, OUTPUT_START, Output, Request, Status};
use serde_json::json;

in_each_way! {
    prompt_follow_up_close stdin_ends waiting_messages_are_one_turn kept_warm idle scheduled_task no_slash_command
    plain_results session_goes_on session_is_gone session_is_active secrets how_kiro_is_started usage
}

fn result(output: &Output) -> &str {
    assert_eq!(output.status, Status::Success, "{output:?}");
    output.result.as_deref().unwrap_or_default()
}

fn messages(text: &str) -> String {
    format!("<messages timezone=\"UTC\">\n<message sender=\"alice\" time=\"2030-01-01\">{text}</message>\n</messages>")
}

// R3, R4, A3: a prompt, a follow-up into the same session, a close.
fn prompt_follow_up_close(way: Way) {
    let home = way.echo();
    let mut runner = home.ask(&request(1, &messages("hello &amp; good day")));
    let first = runner.output();
    assert_eq!((first.turn, result(&first)), (Some(1), "echo: hello & good day"));
    assert_eq!(first.new_session_id.is_some(), way != Way::Text);

    runner.message(2, &messages("and now?"));
    let second = runner.output();
    assert_eq!((second.turn, result(&second)), (Some(2), "echo: and now?"));
    assert_eq!(second.new_session_id, first.new_session_id);

    runner.close();
    let ended = runner.ended();
    assert_eq!((ended.code, ended.outputs.len()), (Some(0), 0), "{}", ended.stderr);
    // Kiro ended by itself, and had time for it.
    assert_eq!(home.logged("terminated").len(), 0);
    let sessions = fs::read_dir(home.path().join(".kiro/sessions/cli")).unwrap().flatten();
    assert!(sessions.map(|file| file.path()).all(|path| path.extension().unwrap() != "lock"));
    let (way, starts) = match way {
        Way::Acp => ("Kiro 2.29.0 is driven by ACP.", 1),
        // The start that failed, the question for what it has, two turns.
        Way::StreamJson => ("Kiro has no ACP; it is driven by chat with stream-json.", 4),
        Way::Text => ("Kiro has no ACP; it is driven by chat with plain text; it remembers nothing", 4),
    };
    assert_eq!(home.logged("start").len(), starts);
    assert!(ended.stderr.contains(way), "{}", ended.stderr);
}

// R3: stdin's end is a close; what it cut off is answered first.
fn stdin_ends(way: Way) {
    let home = way.home(json!({"turns": [{"match": "slow", "delayMs": 200, "parts": ["done"]}]}));
    let mut runner = home.ask(&request(1, "slow"));
    runner.end_stdin();
    assert_eq!(result(&runner.output()), "done");
    assert_eq!(runner.ended().code, Some(0));
}

// A3: what came during a turn is the next turn, named by its last message.
fn waiting_messages_are_one_turn(way: Way) {
    let home = way.home(json!({"turns": [{"match": "^slow", "delayMs": 3000, "parts": ["first"]}]}));
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
fn kept_warm(way: Way) {
    let home = way.echo();
    let mut runner = home.ask(&request(1, ""));
    runner.message(2, "hello");
    let output = runner.output();
    assert_eq!((output.turn, result(&output)), (Some(2), "echo: hello"));
    assert_eq!(home.prompts(), ["hello"]);
}

// R5: nobody tells it, it ends by itself; each result starts the time anew, a long turn doesn't count.
fn idle(way: Way) {
    let home = way.home(json!({"turns": [{"match": "slow", "delayMs": 3500, "parts": ["done"]}]}));
    let idle = |prompt: &str| Request { idle_timeout: 3000, ..request(1, prompt) };

    let begun = Instant::now();
    let warm = home.ask(&idle("")).ended();
    assert_eq!((warm.code, warm.outputs.len()), (Some(0), 0), "{}", warm.stderr);
    assert!(begun.elapsed() >= Duration::from_millis(3000));

    let mut runner = home.ask(&idle("slow"));
    assert_eq!(result(&runner.output()), "done");
    let answered = Instant::now();
    runner.message(2, "hello");
    assert_eq!(result(&runner.output()), "echo: hello");
    assert_eq!(runner.ended().code, Some(0));
    assert!((Duration::from_millis(2990)..LONG).contains(&answered.elapsed()), "{:?}", answered.elapsed());
}

// A1, S6: a task is announced as one, and its run ends with it.
fn scheduled_task(way: Way) {
    let home = way.echo();
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
fn no_slash_command(way: Way) {
    let home = way.echo();
    let mut runner = home.ask(&request(1, " \n/quit"));
    assert!(result(&runner.output()).ends_with("/quit"));
    runner.message(2, "/clear");
    assert_eq!(result(&runner.output()), "echo: Message:\n/clear");
}

// A4: what Kiro writes for a terminal; and a text that holds the frame's own markers (R4).
fn plain_results(way: Way) {
    let ornate = "\u{1b}[38;5;141m⠋ Thinking...\r\u{1b}[2KOpening browser…\n\u{1b}[1mdone\u{1b}[0m\r\n";
    let marked = format!("a\n{OUTPUT_END}\n{OUTPUT_START}\nb");
    let home = way.home(json!({"turns": [
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

// R11, C1: a session is gone on with by its id, never by its folder; what Kiro replays is no answer.
fn session_goes_on(way: Way) {
    let home = way.home(json!({"turns": [{"match": "", "parts": ["prompt {count}"]}]}));
    let mut runner = home.ask(&request(1, "one"));
    let first = runner.output();
    assert_eq!(result(&first), "prompt 1");
    runner.close();
    runner.ended();
    // As a session of another group's would lie there in a shared store.
    home.ask(&request(9, "other")).output();

    // Where Kiro names no session it has none to go on with; one that is known by other means is taken by its id.
    let kept = fs::read_dir(home.path().join(".kiro/sessions/cli")).unwrap().flatten();
    let one = |path: &std::path::PathBuf| fs::read_to_string(path).unwrap_or_default().contains("\"one\"");
    let kept = kept.map(|file| file.path()).find(one).unwrap().file_stem().unwrap().to_str().unwrap().to_owned();
    assert_eq!(first.new_session_id, (way != Way::Text).then(|| kept.clone()));

    let mut runner = home.ask(&Request { session_id: Some(kept.clone()), ..request(2, "two") });
    let second = runner.output();
    assert_eq!(result(&second), "prompt 2");
    assert_eq!(second.new_session_id.as_deref(), Some(&*kept));
    runner.message(3, "three");
    assert_eq!(result(&runner.output()), "prompt 3");
}

// R11: a session that can't be loaded costs the memory, not the answer.
fn session_is_gone(way: Way) {
    lost_session(way, "", "Session not found: old");
}

// R11: as is found after an unclean end.
fn session_is_active(way: Way) {
    lost_session(way, "active", "Session is active in another process");
}

// R11: a load that ends Kiro, and one that hangs.
#[test]
fn session_load_ends_kiro() {
    lost_session(Way::Acp, "exit", "kiro-cli ended");
}

#[test]
fn session_load_hangs() {
    std::thread::scope(|both| {
        both.spawn(|| lost_session(Way::Acp, "hang", "Kiro did not answer session/load within 20 s."));
        both.spawn(|| lost_session(Way::StreamJson, "hang", "Kiro did not load the session within 20 s."));
    });
}

fn lost_session(way: Way, load: &str, why: &str) {
    let home = way.home(json!({"load": load}));
    let mut runner = home.ask(&Request { session_id: Some("old".into()), ..request(1, "hello") });
    let output = runner.output_within(2 * LONG);
    assert_eq!(result(&output), "echo: hello");
    assert_eq!(output.new_session_id.is_some_and(|id| id != "old"), way != Way::Text);
    home.play(way.script(json!({})));
    runner.message(2, "again");
    assert_eq!(result(&runner.output()), "echo: again");
    runner.close();
    let stderr = runner.ended().stderr;
    let line = format!("Session old could not be loaded, a new one was started: {why}");
    let line = if way == Way::Text { line.replace(why, &format!("error: {why}")) } else { line };
    assert!(stderr.contains(&line), "{stderr}");
}

// R3: a secret reaches Kiro's environment and nothing else.
fn secrets(way: Way) {
    let home = way.home(json!({
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

// A2: the group's folder, agent and model are Kiro's; a group for which all tools are allowed is never asked about one.
fn how_kiro_is_started(way: Way) {
    let home = way.home(
        json!({"turns": [{"match": "where", "ask": true, "run": "pwd; echo $NO_COLOR $KIRO_DISABLE_TELEMETRY"}]}),
    );
    let group = fs::canonicalize(home.path().join("group")).unwrap();
    let mut runner = home.run_with(&[("KIRO_AGENT_NAME", "kiro-assistant"), ("KIRO_MODEL", "auto")]);
    runner.write(&request(1, "where").to_line());
    assert_eq!(result(&runner.output()), format!("{}\n1 1", group.display()));
    let options = "--agent-engine v2 --trust-all-tools --agent";
    let expect = match way {
        Way::Acp => format!("acp {options} kiro-assistant --model auto"),
        Way::StreamJson => {
            format!("chat --no-interactive --wrap never --output-format stream-json {options} nanoclaw --model auto")
        }
        Way::Text => format!("chat --no-interactive --wrap never {options} nanoclaw --model auto"),
    };
    let start = home.logged("start").last().unwrap()["arguments"].clone();
    let words: Vec<_> = start.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words.join(" "), expect);
}

// A2: an older and a newer kiro-cli are started by what their help names; it is asked once.
#[test]
fn other_versions() {
    for (capabilities, expect) in [
        (json!({"agentEngine": false}), json!(["acp", "--trust-all-tools"])),
        (json!({"v3": true}), json!(["acp", "--auth-method", "cli"])),
        (
            json!({"acp": false, "streamJson": false, "agentEngine": false}),
            json!(["chat", "--no-interactive", "--wrap", "never", "--trust-all-tools", "--agent", "nanoclaw"]),
        ),
    ] {
        let home = Home::new(json!({"capabilities": capabilities}));
        let mut runner = home.ask(&request(1, "hello"));
        assert_eq!(result(&runner.output()), "echo: hello");
        let starts = home.logged("start");
        assert_eq!((starts.len(), &starts[2]["arguments"]), (3, &expect));
    }
}

// R4: what a turn took is told with its result, as far as Kiro tells.
fn usage(way: Way) {
    let home = way.home(json!({"usage": {"credits": 0.25, "contextPercent": 12.5}}));
    let mut runner = home.ask(&request(1, "hello"));
    let usage = runner.output().usage.unwrap();
    assert_eq!(usage.credits, Some(0.25));
    assert_eq!(usage.context_percent, (way != Way::Text).then_some(12.5));
}
