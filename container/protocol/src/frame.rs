//! Finds result frames in the runner's stdout (R4), whatever the chunks it comes in and whatever else is written there.
//!
//! A frame is exactly three lines: [`OUTPUT_START`], JSON, [`OUTPUT_END`]. Anything else between the markers spoils that frame
//! alone. Memory is bounded: a line is kept up to a limit, its rest is dropped as it comes.

use std::mem;

use crate::{OUTPUT_END, OUTPUT_START, Output};

/// Lines outside frames are cut to this many bytes.
const LOG_LINE_BYTES: usize = 8 * 1024;

/// What the output consists of.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Output(Output),
    /// A line outside frames, without its line break; empty lines are left out.
    Log(String),
    /// A frame that can't be used; parsing went on after it.
    Bad(FrameError),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a result of more than {limit} bytes was dropped")]
    TooLarge { limit: usize },
    #[error("a result was cut before its end")]
    Unfinished,
    #[error("a result's end without its start")]
    StrayEnd,
    #[error("a result that is not understood: {0}")]
    Json(String),
}

enum Place {
    Outside,
    /// After the start marker: the JSON line comes.
    Body,
    /// After the JSON line: what it was counts once the end marker is there.
    End(Piece),
}

/// One run's stdout. Feed it with [`push`](Self::push), close it with [`finish`](Self::finish).
pub struct FrameParser {
    place: Place,
    max_frame_bytes: usize,
    line: Vec<u8>,
    line_cut: bool,
}

impl FrameParser {
    /// Frames whose JSON is longer than `max_frame_bytes` are dropped with [`FrameError::TooLarge`].
    pub fn new(max_frame_bytes: usize) -> Self {
        Self { place: Place::Outside, max_frame_bytes, line: Vec::new(), line_cut: false }
    }

    /// What the next bytes complete, in order.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.keep(end);
                    self.end_line(&mut pieces);
                }
                None => self.keep(part),
            }
        }
        pieces
    }

    /// What is left when the stream has ended: a last line without line break, a frame that never ended.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if !self.line.is_empty() {
            self.end_line(&mut pieces);
        }
        match mem::replace(&mut self.place, Place::Outside) {
            Place::Outside => {}
            Place::Body => pieces.push(Piece::Bad(FrameError::Unfinished)),
            Place::End(held) => pieces.push(without_end(held)),
        }
        pieces
    }

    fn keep(&mut self, bytes: &[u8]) {
        let limit = match self.place {
            Place::Body => self.max_frame_bytes.max(LOG_LINE_BYTES),
            Place::Outside | Place::End(_) => LOG_LINE_BYTES,
        };
        let room = limit.saturating_sub(self.line.len());
        self.line_cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, pieces: &mut Vec<Piece>) {
        let line = mem::take(&mut self.line);
        let cut = mem::take(&mut self.line_cut);
        let text = line.trim_ascii();
        let start = text == OUTPUT_START.as_bytes();
        let end = text == OUTPUT_END.as_bytes();

        self.place = match (mem::replace(&mut self.place, Place::Outside), start, end) {
            (Place::Outside, true, _) => Place::Body,
            (Place::Outside, _, true) => {
                pieces.push(Piece::Bad(FrameError::StrayEnd));
                Place::Outside
            }
            (Place::Outside, ..) => {
                log(text, cut, pieces);
                Place::Outside
            }
            (Place::Body, true, _) => {
                pieces.push(Piece::Bad(FrameError::Unfinished));
                Place::Body
            }
            (Place::Body, _, true) => {
                pieces.push(Piece::Bad(FrameError::Json("it is empty".into())));
                Place::Outside
            }
            (Place::Body, ..) if cut || text.len() > self.max_frame_bytes => {
                let limit = self.max_frame_bytes;
                Place::End(Piece::Bad(FrameError::TooLarge { limit }))
            }
            (Place::Body, ..) => Place::End(match serde_json::from_slice(text) {
                Ok(output) => Piece::Output(output),
                Err(error) => Piece::Bad(FrameError::Json(error.to_string())),
            }),
            (Place::End(held), _, true) => {
                pieces.push(held);
                Place::Outside
            }
            (Place::End(held), true, _) => {
                pieces.push(without_end(held));
                Place::Body
            }
            (Place::End(held), ..) => {
                pieces.push(without_end(held));
                log(text, cut, pieces);
                Place::Outside
            }
        };
    }
}

fn without_end(held: Piece) -> Piece {
    match held {
        Piece::Output(_) => Piece::Bad(FrameError::Unfinished),
        bad => bad,
    }
}

fn log(text: &[u8], cut: bool, pieces: &mut Vec<Piece>) {
    if text.is_empty() {
        return;
    }
    let mut text = String::from_utf8_lossy(text).into_owned();
    if cut {
        text.push('…');
    }
    pieces.push(Piece::Log(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cause;

    const LIMIT: usize = 4096;

    fn parse(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut parser = FrameParser::new(LIMIT);
        let mut pieces: Vec<Piece> = chunks.iter().flat_map(|c| parser.push(c)).collect();
        pieces.extend(parser.finish());
        pieces
    }

    fn good(turn: u64) -> Output {
        Output::success(turn, format!("naïve 🦀 {turn}\n{OUTPUT_END}\n{OUTPUT_START}"))
    }

    fn log(text: &str) -> Piece {
        Piece::Log(text.into())
    }

    fn bad_json(pieces: &[Piece]) -> bool {
        matches!(pieces, [Piece::Bad(FrameError::Json(_))])
    }

    // R4: any number of frames with logs between them, cut into two at every byte, and into single bytes.
    #[test]
    fn every_split() {
        let failure = Output::error(Some(3), Cause::Quota, "no credits");
        let stream = format!(
            "starting…\n{}between\r\n\n{}{}{}tail",
            good(1).to_frame(),
            good(2).to_frame(),
            failure.to_frame(),
            Output::success(4, "").to_frame().replace('\n', "\r\n"),
        );
        let expect = vec![
            log("starting…"),
            Piece::Output(good(1)),
            log("between"),
            Piece::Output(good(2)),
            Piece::Output(failure),
            Piece::Output(Output::success(4, "")),
            log("tail"),
        ];
        let bytes = stream.as_bytes();
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(parse(&[left, right]), expect, "split at {at}");
        }
        assert_eq!(parse(&bytes.chunks(1).collect::<Vec<_>>()), expect);
        assert_eq!(parse(&bytes.chunks(7).collect::<Vec<_>>()), expect);
    }

    // R4: a bad frame is a warning; the good ones around it are read.
    #[test]
    fn bad_between_good() {
        fn check(bad: &str, expect: impl Fn(&[Piece]) -> bool) {
            let stream = format!("{}{bad}{}", good(1).to_frame(), good(2).to_frame());
            for at in 0..=stream.len() {
                let (left, right) = stream.as_bytes().split_at(at);
                let pieces = parse(&[left, right]);
                let (first, rest) = pieces.split_first().unwrap();
                let (last, middle) = rest.split_last().unwrap();
                assert_eq!(first, &Piece::Output(good(1)), "{bad}");
                assert_eq!(last, &Piece::Output(good(2)), "{bad}");
                assert!(expect(middle), "{bad}: {middle:?}");
            }
        }
        let unfinished = |pieces: &[Piece]| pieces == [Piece::Bad(FrameError::Unfinished)];
        let start = format!("{OUTPUT_START}\n");
        let end = format!("{OUTPUT_END}\n");

        check(&format!("{start}not json\n{end}"), bad_json);
        check(&format!("{start}{{\"status\":\"maybe\"}}\n{end}"), bad_json);
        check(&format!("{start}{end}"), bad_json);
        check(&start, unfinished);
        check(&format!("{start}{{\"status\":\"success\"}}\n"), unfinished);
        check(&format!("{start}{{\"status\":\"success\"}}\noops\n"), |pieces| {
            pieces == [Piece::Bad(FrameError::Unfinished), log("oops")]
        });
        check(&end, |pieces| pieces == [Piece::Bad(FrameError::StrayEnd)]);
        check(&format!("{start}{}\n{end}", "x".repeat(LIMIT + 1)), |pieces| {
            pieces == [Piece::Bad(FrameError::TooLarge { limit: LIMIT })]
        });
    }

    // R4: a stream that ends inside a frame.
    #[test]
    fn cut_stream() {
        let frame = good(1).to_frame();
        let whole = frame.len() - 1; // the last line break may be missing
        for at in 1..whole {
            let pieces = parse(&[&frame.as_bytes()[..at]]);
            assert!(!pieces.iter().any(|p| matches!(p, Piece::Output(_))), "cut at {at}: {pieces:?}");
            if at >= OUTPUT_START.len() {
                assert!(pieces.iter().any(|p| matches!(p, Piece::Bad(_))), "cut at {at}");
            }
        }
        assert_eq!(parse(&[&frame.as_bytes()[..whole]]), [Piece::Output(good(1))]);
    }

    // R4: bytes that are no text, and memory that doesn't grow with them.
    #[test]
    fn endless_line() {
        let mut parser = FrameParser::new(LIMIT);
        for place in ["", OUTPUT_START, "x"] {
            parser.push(format!("{place}\n").as_bytes());
            for _ in 0..1000 {
                assert_eq!(parser.push(&[0xff; 1024]), []);
                assert!(parser.line.capacity() <= 4 * LOG_LINE_BYTES);
            }
        }
        let pieces = parser.push(b"\n");
        assert!(matches!(&pieces[..], [Piece::Log(text)] if text.ends_with('…')));
    }
}
