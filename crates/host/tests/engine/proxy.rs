//! A socket in front of the real engine, to take the engine away and give it back.

use std::path::{Path, PathBuf};

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

    pub fn open(&mut self) {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let engine = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
        let listener = UnixListener::bind(&self.socket).unwrap();
        self.open = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = UnixStream::connect(Path::new(&engine)).await.unwrap();
                connections.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
            }
        }));
    }

    /// As if the engine had died: all connections break, and the socket is gone.
    pub async fn cut(&mut self) {
        let open = self.open.take().unwrap();
        open.abort();
        let _ = open.await;
        std::fs::remove_file(&self.socket).unwrap();
    }
}
