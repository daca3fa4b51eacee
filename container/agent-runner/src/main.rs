//! Runs in the container, or as a host process: takes a request and follow-ups on stdin (R3), has Kiro work on them, writes
//! result frames to stdout (R4).
//!
//! Owns: the program's ends. Exit 0: closed, idle, or a task done; 1: a turn failed, its frame is written; 2: a line on stdin
//! that is not understood; 143: terminated, the turn under way is unanswered.
//! Must not: touch WhatsApp, the store or the engine; keep anything after its end.
//! `nanoclaw-agent mcp` is another program in the same file: the agent's tools, an MCP server on stdio ([`mcp`]).
//! Started by: the image's entry point, or the host itself where the user chose to run without containers.
//!
//! stdout carries frames alone; what people may want to know about a run goes to stderr, a line each.

mod cause;
mod converse;
mod input;
mod kiro;
mod mcp;
mod reader;
mod text;

use std::io::Write;
use std::process::ExitCode;

use nanoclaw_protocol::{Cause, Output};
use tokio::signal::unix::{SignalKind, signal};

use crate::converse::{Stopped, write_frame};
use crate::input::Input;
use crate::kiro::Kiro;

const FAILED: u8 = 1;
const BAD_INPUT: u8 = 2;
const TERMINATED: u8 = 128 + 15;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let code = match runtime {
        Ok(runtime) if std::env::args().nth(1).as_deref() == Some(mcp::WORD) => runtime.block_on(mcp::serve()),
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => failed(None, Cause::Unknown, &format!("The runner can't start: {error}")),
    };
    ExitCode::from(code)
}

async fn run() -> u8 {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            let text = format!("The runner can't listen for signals: {error}");
            return failed(None, Cause::Unknown, &text);
        }
    };
    let mut input = Input::from_stdin();
    let request = tokio::select! {
        biased;
        _ = terminate.recv() => return TERMINATED,
        request = input.request() => request,
    };
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            failed(None, Cause::Unknown, &error.to_string());
            return BAD_INPUT;
        }
    };
    let mut kiro = match Kiro::start(&request) {
        Ok(kiro) => kiro,
        Err(failure) => return failed(Some(request.turn), failure.cause, &failure.text),
    };
    let stopped = tokio::select! {
        biased;
        _ = terminate.recv() => Err(Stopped::Terminated),
        () = reader::gone() => Err(Stopped::Unheard),
        ended = converse::converse(&mut kiro, request, &mut input) => ended,
    };
    let code = match &stopped {
        Ok(()) => 0,
        Err(Stopped::Terminated) => TERMINATED,
        Err(Stopped::BadInput(error)) => {
            failed(None, Cause::Unknown, &error.to_string());
            BAD_INPUT
        }
        Err(Stopped::Failed { turn, failure }) => failed(*turn, failure.cause, &failure.text),
        Err(Stopped::Unheard) => FAILED,
    };
    kiro.stop(matches!(stopped, Err(Stopped::Terminated | Stopped::Unheard)), &mut terminate).await;
    code
}

fn failed(turn: Option<u64>, cause: Cause, text: &str) -> u8 {
    note(text);
    write_frame(&Output::error(turn, cause, text));
    FAILED
}

/// A line for people, on stderr. Where nobody reads it, it is lost: no reason to end before Kiro has ended.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
