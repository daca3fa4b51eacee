//! A socket in front of the real engine, to take the engine away and give it back.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

pub struct Proxy {
    socket: PathBuf,
    open: Option<tokio::task::JoinHandle<()>>,
}

impl Proxy {
    /// Not there yet.
    pub fn at(socket: PathBuf) -> Proxy {
        Proxy { socket, open: None }
    }

    pub fn address(&self) -> String {
        self.socket.display().to_string()
    }

    pub fn open(&mut self) -> Result<()> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let engine = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
        let listener = UnixListener::bind(&self.socket)?;
        self.open = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let Ok(mut far) = UnixStream::connect(Path::new(&engine)).await else { continue };
                connections.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
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
