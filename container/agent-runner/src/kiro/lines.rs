//! A child's output, line by line, in bounded memory.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

pub struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    /// What is over the limit is dropped, else it is a line of its own.
    cuts: bool,
    line: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines are cut to `limit` bytes.
    pub fn cut(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::with_capacity(16 * 1024, reader), limit, cuts: true, line: Vec::new(), ended: false }
    }

    /// Lines end after `limit` bytes, so that one without end is heard of.
    pub fn split(reader: R, limit: usize) -> Self {
        Self { cuts: false, ..Self::cut(reader, limit) }
    }

    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The next line without its end; None at the stream's end. Nothing is lost when this is dropped while it waits.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let chunk = match self.reader.fill_buf().await {
                Ok(chunk) if !chunk.is_empty() => chunk,
                _ => {
                    self.ended = true;
                    return (!self.line.is_empty()).then(|| std::mem::take(&mut self.line));
                }
            };
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let room = self.limit - self.line.len();
            let kept = &part[..part.len().min(room)];
            self.line.extend_from_slice(kept);
            if !self.cuts && self.line.len() == self.limit {
                let used = kept.len();
                self.reader.consume(used);
                return Some(std::mem::take(&mut self.line));
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Some(std::mem::take(&mut self.line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(mut lines: Lines<&[u8]>, expect: &[&str]) {
        for line in expect {
            assert_eq!(lines.next().await.as_deref(), Some(line.as_bytes()));
        }
        assert_eq!(lines.next().await, None);
        assert!(lines.ended());
    }

    // A4: what Kiro writes is capped.
    #[tokio::test]
    async fn long_lines() {
        let text = format!("one\n{}\n\nlast", "x".repeat(100_000));
        check(Lines::cut(text.as_bytes(), 10), &["one", "xxxxxxxxxx", "", "last"]).await;
        check(Lines::split(b"one\nxxxxxxxxxxyyyyyyyyyyz\nlast", 10), &["one", "xxxxxxxxxx", "yyyyyyyyyy", "z", "last"])
            .await;
    }
}
