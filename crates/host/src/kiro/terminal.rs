//! A terminal with a program at it: without one, kiro-cli takes the first option of its menus and finds its prompts empty
//! (facts/kiro-cli, Commands). On this computer here; in a container by `container::Aside`.

use std::{
    io::{Read, Write},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::program::{Group, KEY};

/// What is still in the terminal when its program has ended; a browser that it started may hold it open.
const DRAIN: Duration = Duration::from_millis(300);

/// Wide, so that no address is broken into lines.
pub const SIZE: (u16, u16) = (50, 500);

/// Dropping it ends the program, gently.
pub struct Terminal {
    /// Closed when the program has ended.
    pub output: mpsc::Receiver<Vec<u8>>,
    pub input: mpsc::UnboundedSender<Vec<u8>>,
    _kept: oneshot::Sender<()>,
}

/// The program's end of a terminal.
pub(crate) struct Line {
    pub output: mpsc::Sender<Vec<u8>>,
    pub input: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Resolves when nobody sits at the terminal any more.
    pub left: oneshot::Receiver<()>,
}

impl Terminal {
    pub(crate) fn new() -> (Terminal, Line) {
        let (output, heard) = mpsc::channel(64);
        let (typed, input) = mpsc::unbounded_channel();
        let (kept, left) = oneshot::channel();
        (Terminal { output: heard, input: typed, _kept: kept }, Line { output, input, left })
    }

    /// Starts a program of this computer.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn open(program: &Path, arguments: &[String], environment: &[(&str, &str)]) -> Result<Terminal> {
        let (rows, cols) = SIZE;
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })?;
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_remove(KEY);
        for (name, value) in environment {
            command.env(name, value);
        }
        let mut reader = pair.master.try_clone_reader()?;
        let mut writer = pair.master.take_writer()?;
        let mut child = pair.slave.spawn_command(command).context("kiro-cli does not start")?;
        drop(pair.slave);
        let (master, group) = (pair.master, Group::led_by(child.process_id()));
        let (terminal, Line { output, mut input, left }) = Terminal::new();
        let (read, mut chunks) = mpsc::channel::<Vec<u8>>(64);
        let (ended, end) = oneshot::channel();
        // None of the three can be awaited; each ends with the program.
        let spawn =
            |name: &str, work: Box<dyn FnOnce() + Send>| thread::Builder::new().name(name.to_owned()).spawn(work);
        spawn(
            "sign-in reads",
            Box::new(move || {
                let mut piece = [0; 4096];
                while let Ok(length @ 1..) = reader.read(&mut piece) {
                    if read.blocking_send(piece.get(..length).unwrap_or_default().to_vec()).is_err() {
                        return;
                    }
                }
            }),
        )?;
        spawn(
            "sign-in writes",
            Box::new(move || {
                while let Some(typed) = input.blocking_recv() {
                    if writer.write_all(&typed).and_then(|()| writer.flush()).is_err() {
                        return;
                    }
                }
            }),
        )?;
        spawn("sign-in waits", Box::new(move || drop((child.wait(), ended.send(())))))?;
        tokio::spawn(async move {
            let mut group = group;
            let carry = async {
                let mut end = end;
                loop {
                    tokio::select! {
                        chunk = chunks.recv() => match chunk {
                            Some(chunk) => drop(output.send(chunk).await),
                            // The program closed its terminal, and may go on.
                            None => break drop((&mut end).await),
                        },
                        _ = &mut end => {
                            while let Ok(Some(chunk)) = timeout(DRAIN, chunks.recv()).await {
                                drop(output.send(chunk).await);
                            }
                            break;
                        }
                    }
                }
            };
            let mut carry = std::pin::pin!(carry);
            tokio::select! {
                () = &mut carry => group.forget(),
                _ = left => group.end(carry).await,
            }
            drop(master);
        });
        Ok(terminal)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use super::{super::program::script, *};

    async fn all(mut terminal: Terminal) -> String {
        let mut heard = Vec::new();
        while let Some(chunk) = timeout(Duration::from_secs(20), terminal.output.recv()).await.unwrap() {
            heard.extend(chunk);
        }
        String::from_utf8(heard).unwrap()
    }

    #[tokio::test]
    async fn a_program_sits_at_a_terminal() {
        // K2
        let place = tempfile::tempdir().unwrap();
        let text = r#"[ -t 0 ] && [ -t 1 ] && echo "terminal $A $1"; read line; echo "got [$line]""#;
        let program = script(place.path(), text);
        let terminal = Terminal::open(&program, &["one".to_owned()], &[("A", "b")]).unwrap();
        terminal.input.send(b"typed\r".to_vec()).unwrap();
        let heard = all(terminal).await;
        assert!(heard.contains("terminal b one") && heard.contains("got [typed]"), "{heard}");
        assert!(Terminal::open(Path::new("/nowhere/kiro-cli"), &[], &[]).is_err());
    }

    #[tokio::test]
    async fn a_browser_that_stays_does_not_hold_it_up() {
        // K2
        let place = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let heard = all(Terminal::open(&script(place.path(), "sleep 30 & echo done"), &[], &[]).unwrap()).await;
        assert!(heard.contains("done") && begun.elapsed() < Duration::from_secs(10), "{heard}");
    }

    #[tokio::test]
    async fn who_leaves_ends_it() {
        // K2
        let place = tempfile::tempdir().unwrap();
        let gone = place.path().join("gone");
        let text = format!("trap 'echo bye > {}; exit' TERM; echo up; while :; do sleep 0.1; done", gone.display());
        let mut terminal = Terminal::open(&script(place.path(), &text), &[], &[]).unwrap();
        timeout(Duration::from_secs(20), terminal.output.recv()).await.unwrap().unwrap();
        drop(terminal);
        let begun = Instant::now();
        while fs::read_to_string(&gone).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
