//! A socket in front of the real engine, to take the engine away and give it back, or have it answer badly.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{UnixListener, UnixStream},
    sync::Notify,
    task::JoinSet,
    time::sleep,
};

pub struct Proxy {
    socket: PathBuf,
    open: Option<tokio::task::JoinHandle<()>>,
    pub faults: Arc<Faults>,
}

/// What goes wrong while it is set.
#[derive(Debug, Default)]
pub struct Faults {
    /// Orders to stop a container are refused (500).
    pub stop: AtomicBool,
    /// The engine takes longer to say that it is there than anybody waits.
    pub ping: AtomicBool,
    /// Follow-ups to a run are lost on their way, each told by `lost`.
    pub follow_ups: AtomicBool,
    pub lost: Notify,
}

impl Proxy {
    /// Not there yet.
    pub fn at(socket: PathBuf) -> Proxy {
        Proxy { socket, open: None, faults: Arc::default() }
    }

    pub fn address(&self) -> String {
        self.socket.display().to_string()
    }

    pub fn open(&mut self) -> Result<()> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let engine = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
        let listener = UnixListener::bind(&self.socket)?;
        let faults = self.faults.clone();
        self.open = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = UnixStream::connect(Path::new(&engine)).await else { continue };
                connections.spawn(carry(near, far, faults.clone()));
            }
        }));
        Ok(())
    }

    /// As if the engine had died: all connections break, and the socket is gone.
    pub async fn cut(&mut self) -> Result<()> {
        let open = self.open.take().context("it is cut already")?;
        open.abort();
        let _ = open.await;
        Ok(std::fs::remove_file(&self.socket)?)
    }
}

async fn carry(mut near: UnixStream, mut far: UnixStream, faults: Arc<Faults>) -> std::io::Result<()> {
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.split(), far.split());
    let up = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = from_near.read(&mut buffer).await?;
            if read == 0 {
                return to_far.shutdown().await;
            }
            let mut said = buffer[..read].to_vec();
            if faults.stop.load(Ordering::SeqCst) {
                // A number of seconds that the engine can't read.
                if let Some(at) = said.windows(8).position(|part| part == b"/stop?t=") {
                    said[at + 8] = b'x';
                }
            }
            if faults.ping.load(Ordering::SeqCst) && said.windows(6).any(|part| part == b"/_ping") {
                sleep(Duration::from_secs(3)).await;
            }
            if faults.follow_ups.load(Ordering::SeqCst) && said.starts_with(br#"{"type":"message""#) {
                faults.lost.notify_one();
                continue;
            }
            to_far.write_all(&said).await?;
        }
    };
    let down = async {
        copy(&mut from_far, &mut to_near).await?;
        to_near.shutdown().await
    };
    tokio::try_join!(up, down).map(|_| ())
}
