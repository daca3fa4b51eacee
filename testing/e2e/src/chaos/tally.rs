//! What came of it, in numbers.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Tally {
    pub rounds: u32,
    /// What happened to NanoClaw, and how often.
    pub happened: BTreeMap<&'static str, u32>,
    pub messages: usize,
    /// Messages without an answer.
    pub lost: usize,
    /// Answers beyond the first.
    pub doubled: usize,
    /// Answers that came before that of an earlier message of their chat.
    pub out_of_order: usize,
    /// Containers of an earlier life that ran on after a start.
    pub orphans: usize,
    pub took: Duration,
}

impl Tally {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    /// Takes all chats anew: what was asked in each, and what was heard there.
    pub(super) fn judge<'a>(&mut self, chats: impl Iterator<Item = (&'a [u32], &'a [u32])>) {
        (self.messages, self.lost, self.doubled, self.out_of_order) = (0, 0, 0, 0);
        for (asked, heard) in chats {
            let mut first = HashSet::new();
            let firsts: Vec<u32> = heard.iter().copied().filter(|number| first.insert(*number)).collect();
            self.messages += asked.len();
            self.lost += asked.iter().filter(|number| !first.contains(number)).count();
            self.doubled += heard.len() - firsts.len();
            self.out_of_order += firsts.windows(2).filter(|pair| pair[0] > pair[1]).count();
        }
    }

    pub fn is_well(&self) -> bool {
        self.lost + self.doubled + self.out_of_order + self.orphans == 0
    }
}

/// As the rows of a table.
impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "| rounds | messages | lost | doubled | out of order | orphans | seconds |")?;
        writeln!(out, "|---|---|---|---|---|---|---|")?;
        let Tally { rounds, messages, lost, doubled, out_of_order, orphans, took, .. } = self;
        let seconds = took.as_secs();
        writeln!(out, "| {rounds} | {messages} | {lost} | {doubled} | {out_of_order} | {orphans} | {seconds} |")?;
        let happened: Vec<String> = self.happened.iter().map(|(what, times)| format!("{what} {times}")).collect();
        write!(out, "\n{}", happened.join(", "))
    }
}

/// The numbers that a text names: `m17`.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = u32> {
    text.split_whitespace().filter_map(|word| word.strip_prefix('m')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_counted_as_what_it_is() {
        for (asked, heard, expect) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], (0, 0, 0)),
            (&[1, 2, 3], &[1, 3], (1, 0, 0)),
            (&[1, 2, 3], &[1, 2, 1, 2, 3], (0, 2, 0)),
            (&[1, 2, 3], &[1, 3, 2], (0, 0, 1)),
            (&[1], &[], (1, 0, 0)),
        ] {
            let mut tally = Tally::default();
            tally.judge([(asked, heard)].into_iter());
            assert_eq!((tally.lost, tally.doubled, tally.out_of_order), expect, "{asked:?} {heard:?}");
            assert_eq!((tally.messages, tally.is_well()), (asked.len(), expect == (0, 0, 0)));
        }
        assert_eq!(numbers("Andy: heard @Andy m7 m12\nmany").collect::<Vec<_>>(), [7, 12]);
    }
}
