//! What a run says, from its first byte to its end: results to the loop (R4), and what R6 allows into the log (R7).
//!
//! Whatever is in the container can write results. A run that gives so many that the loop, which answers all chats, would be
//! held up or the memory filled has failed, and nothing more of it counts; it is still read, or the engine could not end it.
//!
//! Must not: know where the bytes come from, or what ends a run. Called by `run` and `process`.

use std::time::Duration;

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use nanoclaw_protocol::{Cause, FrameParser, Output, Piece, Status, Usage};
use tokio::{sync::mpsc, time::Instant};
use tracing::Level;

use super::run_log::{Captured, Report, Tail};
use crate::ports::{FromEngine, RunEnd, RunSpec};

/// Bytes of a result. A runner's answer has half of that at most, and JSON may write a character as two.
const LONGEST: usize = 2 << 20;
/// Between results, and for each 32 KiB of one, on the average: a turn of Kiro's takes longer.
const PACE: Duration = Duration::from_millis(100);
const PACED_BYTES: usize = 32 << 10;
/// How far results may be ahead of that.
const AHEAD: Duration = Duration::from_secs(60);

pub(super) struct Transcript {
    events: mpsc::UnboundedSender<FromEngine>,
    frames: FrameParser,
    /// How many results were read since the run's start; the same again when its output is read anew (C1).
    results: u64,
    /// The last turn that was answered.
    answered: Option<u64>,
    /// Results that could not be used.
    bad: u64,
    /// When as many as came would have come at their pace.
    paced: Instant,
    /// It gave too many.
    flooded: bool,
    stdout: Captured,
    stderr: Captured,
    tail: Tail,
    /// At debug level: what was said may be written down (R7).
    debug: bool,
    failed: bool,
    /// What all turns took together.
    usage: Usage,
}

impl Transcript {
    /// `max`: bytes of each output that are kept.
    pub(super) fn new(max: usize, events: mpsc::UnboundedSender<FromEngine>) -> Self {
        Transcript {
            events,
            frames: FrameParser::new(LONGEST),
            results: 0,
            answered: None,
            bad: 0,
            paced: Instant::now(),
            flooded: false,
            stdout: Captured::new(max),
            stderr: Captured::new(max),
            tail: Tail::default(),
            debug: tracing::enabled!(Level::DEBUG),
            failed: false,
            usage: Usage::default(),
        }
    }

    /// The last turn that was answered, and with it all before it.
    pub(super) fn answered(&self) -> Option<u64> {
        self.answered
    }

    /// All is read again from the run's start.
    pub(super) fn begin_anew(&mut self, max: usize) {
        *self = Transcript { failed: self.failed, ..Transcript::new(max, self.events.clone()) };
    }

    pub(super) fn stdout(&mut self, run: &str, bytes: &[u8]) {
        let pieces = self.frames.push(bytes);
        self.pieces(run, pieces);
    }

    pub(super) fn stderr(&mut self, bytes: &[u8]) {
        self.tail.push(bytes);
        self.stderr.push(&String::from_utf8_lossy(bytes));
    }

    /// Nothing more comes; the run ended with `code`.
    pub(super) fn exited(&mut self, spec: &RunSpec, code: i64) -> RunEnd {
        let last = self.frames.finish();
        self.pieces(&spec.run, last);
        RunEnd::Exited { code, stderr: self.tail.text(&spec.request.secrets) }
    }

    fn pieces(&mut self, run: &str, pieces: Vec<Piece>) {
        for piece in pieces {
            let shown = match &piece {
                Piece::Output(output) if self.debug => serde_json::to_string(output).unwrap_or_default(),
                Piece::Output(_) => String::new(),
                Piece::Log(line) => {
                    tracing::debug!(line, "From the agent");
                    line.clone()
                }
                Piece::Bad(error) => {
                    self.bad += 1;
                    // The first, and then ever fewer: a run may write nothing else.
                    if self.bad.is_power_of_two() {
                        tracing::warn!(%error, so_far = self.bad, "A result from the agent can't be used");
                    }
                    format!("[{error}]")
                }
            };
            if !shown.is_empty() {
                self.stdout.push(&shown);
                self.stdout.push("\n");
            }
            if let Piece::Output(output) = piece
                && let Some(output) = self.paced(output)
            {
                self.failed |= output.status == Status::Error;
                if let Some(Usage { credits, context_percent }) = output.usage {
                    let sum = self.usage.credits.unwrap_or_default();
                    self.usage.credits = credits.map(|credits| sum + credits).or(self.usage.credits);
                    self.usage.context_percent = context_percent.or(self.usage.context_percent);
                }
                self.answered = self.answered.max(output.turn);
                let part = self.results;
                self.results += 1;
                // Nobody listens any more while everything ends.
                let _ = self.events.send(FromEngine::Output { run: run.to_owned(), part, output });
            }
        }
    }

    /// The result, if results come at a bearable pace; an error when they no longer do, and then nothing.
    fn paced(&mut self, output: Output) -> Option<Output> {
        if self.flooded {
            return None;
        }
        let texts = [&output.result, &output.error, &output.new_session_id];
        let bytes: usize = texts.into_iter().flatten().map(String::len).sum();
        let now = Instant::now();
        self.paced = self.paced.max(now) + PACE.mul_f64(1.0 + bytes as f64 / PACED_BYTES as f64);
        if self.paced <= now + AHEAD {
            return Some(output);
        }
        self.flooded = true;
        tracing::warn!(results = self.results, "The agent gives too many results; no more of this run count");
        Some(Output::error(None, Cause::Unknown, "too many results"))
    }

    /// Leaves the run's log (R7) and gives its end back.
    pub(super) async fn log(self, spec: RunSpec, began: Timestamp, duration: Duration, end: RunEnd) -> RunEnd {
        let Transcript { stdout, stderr, debug, failed, usage, .. } = self;
        let failed = failed || !matches!(end, RunEnd::Exited { code: 0, .. });
        let told = end.clone();
        let written = tokio::task::spawn_blocking(move || {
            let (spec, end, stdout, stderr) = (&spec, &told, &stdout, &stderr);
            let report = Report { spec, began, duration, end, failed, debug, usage, stdout, stderr };
            report.write().with_context(|| spec.log.display().to_string())
        });
        if let Err(error) = written.await.unwrap_or_else(|error| Err(anyhow!(error))) {
            tracing::warn!(error = %format_args!("{error:#}"), "A run's log can't be written");
        }
        end
    }
}
