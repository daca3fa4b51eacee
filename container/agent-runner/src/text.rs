//! Terminal output made plain (A4). Pure; used for results, errors and what kiro-cli writes to stderr.

/// An error's text is its last so many characters: the cause stands at the end.
const ERROR_CHARS: usize = 1000;

const CANCEL_HINT: &str = " | Press (^) + C to cancel";
const SPINNER: [char; 12] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏', '▰', '▱'];

/// Without escape sequences, control characters, overwritten frames, spinner lines and `Opening browser…`.
pub fn plain(text: &str) -> String {
    let text = without_escapes(text);
    let mut lines = Vec::new();
    for line in text.split('\n') {
        // What a terminal would show at the end: the last frame that says something.
        let shown = line.rsplit('\r').find(|frame| !frame.trim().is_empty()).unwrap_or("");
        lines.extend(said(shown));
    }
    lines.join("\n").trim().to_owned()
}

/// The end of an error, plain.
pub fn error(text: &str) -> String {
    let text = plain(text);
    let count = text.chars().count();
    text.chars().skip(count.saturating_sub(ERROR_CHARS)).collect()
}

/// The line without what kiro-cli shows while it waits; None where nothing else is on it.
fn said(line: &str) -> Option<&str> {
    let trimmed = line.trim();
    let rest = trimmed.trim_start_matches(SPINNER).trim_start();
    let spins = rest.len() < trimmed.len();
    if spins && (rest.is_empty() || rest.ends_with("...") || rest.ends_with('…')) {
        return None;
    }
    let opening =
        rest.strip_prefix("Opening browser").and_then(|rest| rest.strip_prefix("...").or(rest.strip_prefix('…')));
    match opening {
        // The next text stands on the same line: nobody ends a line that a spinner would draw again.
        Some(rest) => Some(rest.trim_start_matches(CANCEL_HINT)).filter(|rest| !rest.trim().is_empty()),
        None => Some(line),
    }
}

fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{9b}' => skip_csi(&mut chars),
            '\u{1b}' => match chars.next() {
                Some('[') => skip_csi(&mut chars),
                // A title or a link: up to BEL or ESC \.
                Some(']' | 'P' | '_' | '^') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                Some('(' | ')' | '#') => {
                    chars.next();
                }
                _ => {}
            },
            '\n' | '\t' | '\r' => plain.push(c),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Up to the sequence's final byte.
fn skip_csi(chars: &mut impl Iterator<Item = char>) {
    for c in chars {
        if ('\u{40}'..='\u{7e}').contains(&c) {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A4
    #[test]
    fn made_plain() {
        for (text, expect) in [
            ("hello", "hello"),
            ("\u{1b}[1m\u{1b}[38;5;141mhello\u{1b}[0m\u{1b}[K", "hello"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;https://x\u{1b}\\b\u{1b}]8;;\u{1b}\\", "ab"),
            ("\u{1b}[?25l⠋ Thinking...\r⠙ Thinking...\r\u{1b}[2Kdone\u{1b}[?25h", "done"),
            ("⠋ Thinking...\n⠙\nanswer", "answer"),
            ("▰▱▱▱▱▱▱ Logging in...\nLogged in", "Logged in"),
            ("Opening browser…\nOpening browser...\nanswer", "answer"),
            (
                "▰▰▱▱▱▱▱ Opening browser... | Press (^) + C to cancelFailed to open browser for authentication.",
                "Failed to open browser for authentication.",
            ),
            ("Opening browser windows is easy", "Opening browser windows is easy"),
            ("⠋ is a braille letter", "⠋ is a braille letter"),
            ("one\r\ntwo\r\n", "one\ntwo"),
            ("a\tb\u{8}\u{0}", "a\tb"),
            ("  keeps\n    its indent  \n\n", "keeps\n    its indent"),
            ("cut \u{1b}[", "cut"),
            ("cut \u{1b}]0;", "cut"),
        ] {
            assert_eq!(plain(text), expect, "{text:?}");
        }
    }

    // A4
    #[test]
    fn an_errors_end_is_kept() {
        let long = format!("{}é{}", "a".repeat(5000), "b".repeat(999));
        assert_eq!(error(&long), format!("é{}", "b".repeat(999)));
        assert_eq!(error("short\n"), "short");
    }
}
