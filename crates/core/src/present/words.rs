//! Names, ages and moments in words, for the surfaces whose text is made here: the tray and notifications.

use jiff::{SignedDuration, ToSpan, Zoned};
use unicode_segmentation::UnicodeSegmentation;

/// Characters of a name, as people count them, that a menu has room for.
const LONGEST_NAME: usize = 32;
/// Code points of one character: enough for a family with skin tones, not for a tower of accents.
const LONGEST_CHARACTER: usize = 12;

/// Somebody else's text, fit for one line among ours: no control characters and direction marks, cut in the middle, and
/// kept from turning the text around it. `fallback` stands in where nothing is left.
pub fn name(text: &str, fallback: &str) -> String {
    let kept = plain(text);
    if kept.is_empty() {
        return fallback.to_owned();
    }
    let characters: Vec<String> =
        kept.graphemes(true).map(|character| character.chars().take(LONGEST_CHARACTER).collect()).collect();
    let cut = match characters.len() {
        0..=LONGEST_NAME => characters.concat(),
        length => {
            let (start, end) = (LONGEST_NAME / 2, length - (LONGEST_NAME / 2 - 1));
            let part = |range: &[String]| range.concat();
            format!(
                "{}…{}",
                part(characters.get(..start).unwrap_or_default()).trim_end(),
                part(characters.get(end..).unwrap_or_default()).trim_start()
            )
        }
    };
    if kept.is_ascii() { cut } else { format!("\u{2068}{cut}\u{2069}") }
}

/// Somebody else's text as one line: no control characters and direction marks. For a place of its own, of any length.
pub fn plain(text: &str) -> String {
    let kept: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| is_shown(*c)).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_shown(c: char) -> bool {
    let is_mark = matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !is_mark
}

/// How long something has been going on, in whole minutes.
pub fn age(age: SignedDuration) -> String {
    let minutes = age.as_mins();
    let (days, hours, rest) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        _ if minutes < 1 => "under 1 min".to_owned(),
        (0, 0) => format!("{rest} min"),
        (0, hours) => format!("{hours} h {rest} min"),
        (1, hours) => format!("1 day {hours} h"),
        (days, hours) => format!("{days} days {hours} h"),
    }
}

/// An amount of memory: "38 MB", "1.2 GB".
pub fn memory(bytes: u64) -> String {
    match bytes / 1_000_000 {
        megabytes @ 0..=999 => format!("{megabytes} MB"),
        megabytes => format!("{}.{} GB", megabytes / 1000, megabytes % 1000 / 100),
    }
}

/// A moment to come: "today at 13:00", "Wed 13 May at 09:00". Both in the zone that people read times in.
pub fn moment(at: &Zoned, now: &Zoned) -> String {
    let day = match at.date() {
        day if day == now.date() => "today".to_owned(),
        day if now.date().checked_add(1.day()).is_ok_and(|tomorrow| tomorrow == day) => "tomorrow".to_owned(),
        day => day.strftime("%a %-d %b").to_string(),
    };
    format!("{day} at {}", at.strftime("%H:%M"))
}

/// A text's first sentence without its full stop, and the rest as it is.
pub fn first_sentence(text: &str) -> (&str, Option<&str>) {
    match text.split_once(". ") {
        Some((first, rest)) => (first, Some(rest)),
        None => (text.strip_suffix('.').unwrap_or(text), None),
    }
}

/// "1 chat", "2 chats".
pub fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_a_line_and_keep_to_themselves() {
        let long = "ab".repeat(40);
        let family = "👨‍👩‍👧‍👦";
        for (text, expect) in [
            ("Family", "Family".to_owned()),
            ("a\n b\tc\u{0}\u{1b}", "a b c".to_owned()),
            ("\u{202e}evil\u{2066}\u{200f}", "evil".to_owned()),
            (" \u{200f}\n", "fallback".to_owned()),
            ("Ünal", "\u{2068}Ünal\u{2069}".to_owned()),
            (&long, format!("{}…{}", "ab".repeat(8), &long[80 - 15..])),
            (&family.repeat(40), format!("\u{2068}{}…{}\u{2069}", family.repeat(16), family.repeat(15))),
            (&format!("z{}", "\u{301}".repeat(300)), format!("\u{2068}z{}\u{2069}", "\u{301}".repeat(11))),
        ] {
            assert_eq!(name(text, "fallback"), expect, "{text:?}");
        }
    }

    #[test]
    fn ages_in_whole_minutes() {
        for (seconds, expect) in [
            (-5, "under 1 min"),
            (59, "under 1 min"),
            (60, "1 min"),
            (3_599, "59 min"),
            (15_840, "4 h 24 min"),
            (165_600, "1 day 22 h"),
            (500_000, "5 days 18 h"),
        ] {
            assert_eq!(age(SignedDuration::from_secs(seconds)), expect, "{seconds}");
        }
    }

    #[test]
    fn moments_as_people_say_them() {
        let now: Zoned = "2026-12-31T23:30[Europe/Berlin]".parse().unwrap();
        for (at, expect) in [
            ("2026-12-31T23:45[Europe/Berlin]", "today at 23:45"),
            ("2027-01-01T00:05[Europe/Berlin]", "tomorrow at 00:05"),
            ("2027-01-06T09:00[Europe/Berlin]", "Wed 6 Jan at 09:00"),
        ] {
            assert_eq!(moment(&at.parse().unwrap(), &now), expect);
        }
    }
}
