//! The file that is left of a build: all that it said, within bounds. Who holds it builds; there is one build a Home.
//!
//! Must not understand what is said. Called by `image`.

use std::{
    collections::VecDeque,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
};

use nanoclaw_core::{image::uncoloured, problem::Trouble};

/// Bytes of the file; what is said beyond is dropped, but for the end.
const LONGEST: usize = 4 << 20;
/// Lines of a step that are kept for telling why it failed.
const KEPT: usize = 40;
/// Bytes of one line that are kept.
const LONGEST_LINE: usize = 4096;

pub(super) struct Log {
    file: File,
    written: usize,
    /// What has come of a line that has not ended.
    partial: String,
    step: VecDeque<String>,
}

impl Log {
    /// Empties the file, unless another build writes it.
    pub(super) fn begin(path: &Path) -> Result<Self, Trouble> {
        let opened = || -> io::Result<Option<File>> {
            if let Some(folder) = path.parent() {
                crate::paths::private_folder(folder)?;
            }
            let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
            match file.try_lock() {
                Ok(()) => file.set_len(0).map(|()| Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        match opened() {
            Ok(Some(file)) => Ok(Log { file, written: 0, partial: String::new(), step: VecDeque::new() }),
            Ok(None) => Err(Trouble::ImageIsBeingBuilt),
            Err(error) => Err(Trouble::Internal { reason: format!("{} can't be written: {error}.", path.display()) }),
        }
    }

    /// Keeps a piece of output; gives the lines that it completes.
    pub(super) fn take(&mut self, piece: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for c in piece.chars() {
            if c == '\n' || c == '\r' {
                lines.push(uncoloured(&std::mem::take(&mut self.partial)));
            } else if self.partial.len() < LONGEST_LINE {
                self.partial.push(c);
            }
        }
        for line in &lines {
            self.keep(line);
        }
        lines
    }

    fn keep(&mut self, line: &str) {
        if self.written < LONGEST {
            self.write(line);
        }
        self.step.push_back(line.to_owned());
        if self.step.len() > KEPT {
            self.step.pop_front();
        }
    }

    fn write(&mut self, line: &str) {
        self.written += line.len() + 1;
        // A full disk is told of by the build itself.
        let _ = writeln!(self.file, "{line}");
    }

    /// What comes now is another step's.
    pub(super) fn next_step(&mut self) {
        self.step.clear();
    }

    /// The last lines of the step that is being done.
    pub(super) fn of_step(&mut self) -> &[String] {
        self.step.make_contiguous()
    }

    /// The last word.
    pub(super) fn end(&mut self, word: &str) {
        if !self.partial.is_empty() {
            let line = uncoloured(&std::mem::take(&mut self.partial));
            self.keep(&line);
        }
        if self.written >= LONGEST {
            self.write("[…]");
            for line in self.step.clone() {
                self.write(&line);
            }
        }
        self.write(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_the_file_is_bounded() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("logs/image-build.log");
        let mut log = Log::begin(&path).unwrap();
        assert!(matches!(Log::begin(&path), Err(Trouble::ImageIsBeingBuilt)), "one build at a time");
        assert_eq!(log.take("Step 1/2 : "), [""; 0]);
        assert_eq!(log.take("FROM x\none\rtwo"), ["Step 1/2 : FROM x", "one"]);
        log.next_step();
        for n in 0..200_000 {
            log.take(&format!("a line of some length that is said again and again {n}\n"));
        }
        log.take("the last");
        log.end("It failed.");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() < LONGEST + 10_000, "{}", text.len());
        assert!(text.starts_with("Step 1/2 : FROM x\none\n"));
        assert!(text.ends_with("again 199999\nthe last\nIt failed.\n"), "{}", &text[text.len() - 200..]);
        assert_eq!(log.of_step().len(), KEPT);
        drop(log);
        assert!(Log::begin(&path).is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
