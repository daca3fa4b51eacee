//! The owner's end of the control socket: requests become commands for the loop, the loop's answers become lines.

use std::{
    fs,
    future::pending,
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nanoclaw_core::{
    command::{Answer, Command, CommandError},
    problem::Trouble,
    status::AppStatus,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, warn};

use super::{HomeLock, LONGEST_LINE};
use crate::{
    paths::{Home, private_folder},
    ports::Ask,
};

/// Commands of one client that are answered at the same time; more wait in the socket.
const AT_ONCE: usize = 32;

/// How long clients get to read their last answers after the loop has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// The socket, ready for clients; dropping it removes the socket.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The lock is still held (`serve` and its caller's order), so the socket is ours.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the socket, in place of one that an earlier owner left behind. Drop the listener before the lock.
///
/// # Errors
/// When the socket can't be made where it belongs, or its folder is somebody else's.
pub fn listen(home: &Home, _lock: &HomeLock) -> Result<Listener> {
    let path = home.control_socket();
    let folder = path.parent().context("the control socket has no folder")?;
    if folder == home.root() {
        remove(&home.socket_path_file())?;
    } else {
        own_folder(folder)?;
        fs::write(home.socket_path_file(), path.as_os_str().as_encoded_bytes())
            .context("control.path can't be written")?;
    }
    remove(&path)?;
    let listener =
        UnixListener::bind(&path).with_context(|| format!("the control socket {} can't be made", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(Listener { listener, path })
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context(path.display().to_string()),
        _ => Ok(()),
    }
}

/// The temp folder is everybody's: a folder or link that somebody else put there must not be used.
fn own_folder(folder: &Path) -> Result<()> {
    private_folder(folder)?;
    let found = fs::symlink_metadata(folder)?;
    let ours = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    ensure!(ours, "{} belongs to somebody else", folder.display());
    Ok(())
}

/// Serves clients until the loop has ended (the receiver of `commands` is gone) and its last answers are read.
pub async fn serve(listener: Listener, commands: mpsc::Sender<Ask>, status: watch::Receiver<Arc<AppStatus>>) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = commands.closed() => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.listener.accept() => match accepted {
                Ok((stream, _)) => drop(clients.spawn(converse(stream, commands.clone(), status.clone()))),
                Err(error) => {
                    // Out of file descriptors, most likely: the waiting client stays in the backlog.
                    warn!(%error, "A client of the control socket was not accepted");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
    drop(listener);
    let _ = timeout(FAREWELL, async { while clients.join_next().await.is_some() {} }).await;
}

/// What goes to a client besides statuses.
enum Line {
    Answer(String),
    Watch,
}

async fn converse(stream: UnixStream, commands: mpsc::Sender<Ask>, status: watch::Receiver<Arc<AppStatus>>) {
    let (reading, writing) = stream.into_split();
    let (say, said) = mpsc::channel(AT_ONCE);
    // Once all is heard and answered `said` is at its end, which ends `tell`; a client that takes nothing more ends it too.
    let heard = async {
        if let Err(error) = hear(BufReader::new(reading), commands, say).await {
            debug!(%error, "A client of the control socket went away");
        }
        pending().await
    };
    tokio::select! {
        told = tell(writing, said, status) => if let Err(error) = told {
            debug!(%error, "A client of the control socket went away");
        },
        () = heard => {}
    }
}

async fn hear(
    mut reading: impl AsyncBufRead + Unpin,
    commands: mpsc::Sender<Ask>,
    say: mpsc::Sender<Line>,
) -> io::Result<()> {
    let mut answers = JoinSet::new();
    let mut line = Vec::new();
    loop {
        let more = tokio::select! {
            () = commands.closed() => false,
            more = read_line(&mut reading, &mut line) => more?,
        };
        if !more {
            break;
        }
        while answers.len() >= AT_ONCE {
            answers.join_next().await;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match read(&line) {
            Request::Watch => drop(say.send(Line::Watch).await),
            Request::Command { id, command } => {
                let (commands, say) = (commands.clone(), say.clone());
                answers.spawn(async move {
                    let answer = Ask::send(&commands, command).await;
                    drop(say.send(Line::Answer(written(id, answer))).await);
                });
            }
            Request::Bad { id, trouble } => drop(say.send(Line::Answer(written(id, Err(trouble)))).await),
        }
    }
    while answers.join_next().await.is_some() {}
    Ok(())
}

/// Writes answers, and for a watcher the newest status whenever the one before has been taken.
async fn tell(
    mut writing: impl AsyncWrite + Unpin,
    mut said: mpsc::Receiver<Line>,
    mut status: watch::Receiver<Arc<AppStatus>>,
) -> io::Result<()> {
    let mut watching = false;
    loop {
        let line = tokio::select! {
            line = said.recv() => match line {
                Some(Line::Answer(line)) => line,
                Some(Line::Watch) => {
                    watching = true;
                    status.mark_changed();
                    continue;
                }
                None => return Ok(()),
            },
            changed = status.changed(), if watching => match changed {
                Ok(()) => {
                    let newest = Arc::clone(&status.borrow_and_update());
                    serde_json::to_string(&*newest)?
                }
                Err(_) => {
                    watching = false;
                    continue;
                }
            },
        };
        writing.write_all(line.as_bytes()).await?;
        writing.write_all(b"\n").await?;
    }
}

/// Reads one line into `line`, without its end; one that is too long is read to its end and leaves `line` longer than
/// [`LONGEST_LINE`]. False at the end of the stream.
async fn read_line(reading: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let limit = LONGEST_LINE as u64 + 1;
    if (&mut *reading).take(limit).read_until(b'\n', line).await? == 0 {
        return Ok(false);
    }
    if line.pop_if(|last| *last == b'\n').is_some() || line.len() <= LONGEST_LINE {
        return Ok(true);
    }
    let mut rest = Vec::new();
    while rest.last() != Some(&b'\n') {
        rest.clear();
        if (&mut *reading).take(limit).read_until(b'\n', &mut rest).await? == 0 {
            break;
        }
    }
    Ok(true)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    #[serde(default)]
    id: Value,
    command: String,
    #[serde(default)]
    args: Option<Value>,
}

enum Request {
    Watch,
    Command {
        id: Value,
        command: Command,
    },
    /// The id is null where none could be read.
    Bad {
        id: Value,
        trouble: Trouble,
    },
}

fn read(line: &[u8]) -> Request {
    let bad = |reason: String| Request::Bad { id: Value::Null, trouble: Trouble::BadCommand { reason } };
    if line.len() > LONGEST_LINE {
        return bad(format!("it is longer than {LONGEST_LINE} bytes"));
    }
    let RawRequest { id, command, args } = match serde_json::from_slice(line) {
        Ok(raw) => raw,
        Err(error) => return bad(error.to_string()),
    };
    if command == "watch" {
        return Request::Watch;
    }
    match Command::parse(&command, args) {
        Ok(command) => Request::Command { id, command },
        Err(trouble) => Request::Bad { id, trouble },
    }
}

fn written(id: Value, answer: Answer) -> String {
    match answer {
        Ok(ok) => json!({"id": id, "ok": ok}).to_string(),
        Err(trouble) => json!({"id": id, "error": CommandError::from(&trouble)}).to_string(),
    }
}
