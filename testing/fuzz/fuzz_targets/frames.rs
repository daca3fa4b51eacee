//! A container's stdout (R4): whatever it writes, however it is cut, the parser gives the same, and reads its own frames.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nanoclaw_protocol::{FrameParser, Output, Piece};

const LARGEST: usize = 4096;

fuzz_target!(|input: (&[u8], Vec<u8>)| {
    let (stdout, cuts) = input;
    let mut whole = FrameParser::new(LARGEST);
    let mut pieces = whole.push(stdout);
    pieces.extend(whole.finish());

    let mut parts = FrameParser::new(LARGEST);
    let mut in_parts = Vec::new();
    let mut rest = stdout;
    for cut in cuts {
        let (part, after) = rest.split_at(usize::from(cut).min(rest.len()));
        in_parts.extend(parts.push(part));
        rest = after;
    }
    in_parts.extend(parts.push(rest));
    in_parts.extend(parts.finish());
    assert_eq!(format!("{pieces:?}"), format!("{in_parts:?}"), "cut in other places it says something else");

    for piece in pieces {
        if let Piece::Output(output) = piece {
            // What was understood is what its own frame says.
            let mut again = FrameParser::new(usize::MAX);
            let read = again.push(output.to_frame().as_bytes());
            let same =
                |piece: &Piece| matches!(piece, Piece::Output(read) if Output::to_frame(read) == output.to_frame());
            assert!(read.iter().any(same), "{output:?}");
        }
    }
});
