//! A child's output, line by line, in bounded memory.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

pub struct Lines<R> {
    reader: BufReader<R>,
    limit: usize,
    line: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines are cut to `limit` bytes.
    pub fn new(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::with_capacity(16 * 1024, reader), limit, line: Vec::new(), ended: false }
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
            let room = self.limit.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
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

    // A4: what Kiro writes is capped.
    #[tokio::test]
    async fn long_lines_are_cut() {
        let text = format!("one\n{}\n\nlast", "x".repeat(100_000));
        let mut lines = Lines::new(text.as_bytes(), 10);
        for expect in ["one", "xxxxxxxxxx", "", "last"] {
            assert_eq!(lines.next().await.unwrap(), expect.as_bytes());
        }
        assert_eq!(lines.next().await, None);
        assert!(lines.ended());
    }
}
