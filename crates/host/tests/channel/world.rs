//! A server with contacts, and the channel as the orchestrator sees it.

use std::{
    net::TcpListener,
    ops::Deref,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::bail;
use async_trait::async_trait;
use fake_whatsapp::{Addressing, Item, ItemKind, Server, State};
use nanoclaw_core::{
    chat::{Inbound, Jid},
    link::{Link, PairingCode, QrCode},
};
use nanoclaw_host::{
    channel::whatsapp::{self, Config, FakeServer},
    ports::{FromChannel, Intake, Obstacle, ToChannel},
    store::Store,
};
use tempfile::TempDir;
use tokio::{runtime, sync::mpsc, time::timeout};
use tracing_subscriber::EnvFilter;

pub const ME: &str = "15550001111";
pub const MY_JID: &str = "15550001111@s.whatsapp.net";
pub const ALICE: &str = "15550002222";
pub const ALICE_JID: &str = "15550002222@s.whatsapp.net";
pub const ALICE_LID: &str = "100000000000002@lid";
pub const BOB: &str = "15550003333";
pub const BOB_JID: &str = "15550003333@s.whatsapp.net";
pub const FAMILY: &str = "120363000000000001@g.us";
pub const WORK: &str = "120363000000000002@g.us";

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub struct World {
    pub server: Watched,
    port: TcpListener,
    home: TempDir,
}

/// The server; in the end it must not have seen what no true client does.
pub struct Watched(Server);

impl Deref for Watched {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.state().violations, Vec::<String>::new());
        }
    }
}

impl World {
    pub async fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), TempDir::new().unwrap())
    }

    /// Another server where this one was, which it knows nothing of.
    pub async fn replaced(self) -> Self {
        let World { server, port, home } = self;
        drop(server);
        Self::at(port, home)
    }

    /// The port stays open as long as this does: nobody else gets it.
    fn at(port: TcpListener, home: TempDir) -> Self {
        // What all sides say is shown with a failed test, as far as RUST_LOG asks for it.
        let _ = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_test_writer().try_init();
        let server = Server::on(port.try_clone().unwrap()).unwrap();
        server.add_account(ME, "100000000000001", "Owner").unwrap();
        server.add_account(ALICE, "100000000000002", "Alice").unwrap();
        server.add_account(BOB, "100000000000003", "Bob").unwrap();
        server.add_group(FAMILY, "Family", &[ALICE, ME, BOB], Addressing::Pn).unwrap();
        server.add_group(WORK, "Work", &[ALICE, ME, BOB], Addressing::Lid).unwrap();
        World { server: Watched(server), port, home }
    }

    pub fn store(&self) -> PathBuf {
        self.home.path().join("store")
    }

    /// An empty store, another each time.
    pub fn shelf(&self) -> Store {
        let folder = tempfile::Builder::new().tempdir_in(self.home.path()).unwrap().keep();
        Store::open(&folder.join("messages.db")).unwrap()
    }

    pub fn config(&self) -> Config {
        self.hurried(1)
    }

    /// With every wait of the channel and its library divided.
    pub fn hurried(&self, hurry: u32) -> Config {
        self.with(FakeServer { hurry, ..FakeServer::new(self.server.url()) })
    }

    /// With every limit divided, too, after which silence is a failure.
    pub fn impatient(&self, times: u32) -> Config {
        self.with(FakeServer { hurry: times, impatience: times, ..FakeServer::new(self.server.url()) })
    }

    fn with(&self, fake: FakeServer) -> Config {
        Config { auth: self.store().join("auth"), fake: Some(fake) }
    }

    /// A channel that is linked to the owner's phone and connected.
    pub async fn linked(&self) -> Channel {
        let mut channel = Channel::start(self.config());
        self.link(&mut channel).await;
        channel
    }

    /// Linked before it is so: as long as a hurried library is not linked it gives up what a busy machine can't do so soon.
    pub async fn linked_as(&self, config: Config) -> Channel {
        self.linked().await.stop().await;
        let mut channel = Channel::start(config);
        channel.connected().await;
        channel
    }

    pub async fn link(&self, channel: &mut Channel) {
        let qr = channel.qr().await;
        self.server.scan(ME, &qr.data).await.unwrap();
        channel.connected().await;
    }

    /// The sign-ins that were moved aside.
    pub fn moved_aside(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.store()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("auth.bak.")).collect()
    }

    /// All that the contacts got until something fits.
    pub async fn until_received(&self, fits: impl Fn(&Item) -> bool) -> Vec<Item> {
        let mut items = Vec::new();
        let search = async {
            let mut since = 0;
            while !items.iter().any(&fits) {
                let page = self.server.received(since, PATIENCE).await;
                since = page.next;
                items.extend(page.items);
            }
        };
        timeout(PATIENCE, search).await.expect("the contacts got nothing like it");
        items
    }

    /// The texts that a contact got, in order, up to the last one named.
    pub async fn texts_at(&self, contact: &str, last: &str) -> Vec<String> {
        let at = |item: &Item| item.kind == ItemKind::Text && item.to == contact;
        let items = self.until_received(|item| at(item) && item.text == last).await;
        items.into_iter().filter(at).map(|item| item.text).collect()
    }

    pub async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let wait = async {
            while !is_so(&self.server.state()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the server's state did not come about");
    }

    /// Nobody logs in by himself for a minute of a channel that is so hurried.
    pub async fn is_left_alone(&self, hurry: u32) {
        let logins = self.server.state().logins;
        tokio::time::sleep(Duration::from_secs(60) / hurry).await;
        assert_eq!(self.server.state().logins, logins);
    }

    pub async fn until_offline(&self) {
        self.until(|state| state.companions.iter().all(|companion| !companion.online)).await;
    }
}

/// Keeps what comes in, or refuses as often as it was told to.
pub struct Keeper {
    pub refuse: AtomicUsize,
    /// Never answers, as a process that is killed in the middle.
    pub hang: bool,
    kept: mpsc::UnboundedSender<Inbound>,
    refused: mpsc::UnboundedSender<Inbound>,
}

#[async_trait]
impl Intake for Keeper {
    async fn accept(&self, batch: Vec<Inbound>) -> anyhow::Result<()> {
        let refuse = self.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        let to = if refuse || self.hang { &self.refused } else { &self.kept };
        for message in batch {
            let _ = to.send(message);
        }
        if self.hang {
            std::future::pending::<()>().await;
        }
        if refuse {
            bail!("the disk is full");
        }
        Ok(())
    }
}

/// A running channel, in a runtime of its own, so that it can be killed as a process is.
pub struct Channel {
    pub to: mpsc::UnboundedSender<ToChannel>,
    from: mpsc::UnboundedReceiver<FromChannel>,
    kept: mpsc::UnboundedReceiver<Inbound>,
    refused: mpsc::UnboundedReceiver<Inbound>,
    pub keeper: Arc<Keeper>,
    task: tokio::task::JoinHandle<()>,
    runtime: Option<runtime::Runtime>,
}

impl Channel {
    pub fn start(config: Config) -> Self {
        Self::with_intake(config, false)
    }

    pub fn with_intake(config: Config, hang: bool) -> Self {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (kept_sender, kept) = mpsc::unbounded_channel();
        let (refused_sender, refused) = mpsc::unbounded_channel();
        let keeper = Arc::new(Keeper { refuse: AtomicUsize::new(0), hang, kept: kept_sender, refused: refused_sender });
        let (events, from) = mpsc::unbounded_channel();
        let entered = runtime.enter();
        let (to, task) = whatsapp::start(config, keeper.clone(), events);
        drop(entered);
        Channel { to, from, kept, refused, keeper, task, runtime: Some(runtime) }
    }

    pub fn tell(&self, command: ToChannel) {
        self.to.send(command).unwrap();
    }

    /// Sends a text under an id.
    pub fn send(&self, id: &str, chat: &str, text: &str) {
        self.tell(ToChannel::Send { id: id.into(), chat: Jid::new(chat), text: text.into() });
    }

    /// The first event from here on that `pick` takes.
    pub async fn event<T>(&mut self, what: &str, mut pick: impl FnMut(FromChannel) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.from.recv().await.expect("the channel has ended");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no event: {what}"))
    }

    pub async fn link(&mut self, what: &str, fits: impl Fn(&Link) -> bool) -> Link {
        self.event(what, |event| match event {
            FromChannel::Link(link) if fits(&link) => Some(link),
            _ => None,
        })
        .await
    }

    /// All link states up to the one that fits.
    pub async fn links(&mut self, what: &str, fits: impl Fn(&Link) -> bool) -> Vec<Link> {
        let mut links = Vec::new();
        self.event(what, |event| {
            let FromChannel::Link(link) = event else { return None };
            links.push(link.clone());
            fits(&link).then_some(())
        })
        .await;
        links
    }

    pub async fn connected(&mut self) {
        self.link("connected", Link::is_connected).await;
    }

    pub async fn qr(&mut self) -> QrCode {
        self.event("a QR code", |event| match event {
            FromChannel::Link(Link::Pairing { qr, .. }) => qr,
            _ => None,
        })
        .await
    }

    pub async fn code(&mut self) -> PairingCode {
        self.event("a pairing code", |event| match event {
            FromChannel::Link(Link::Pairing { code, .. }) => code,
            _ => None,
        })
        .await
    }

    /// The answer to a text.
    pub async fn answer(&mut self) -> FromChannel {
        let is_answer = |event: &FromChannel| matches!(event, FromChannel::Acked { .. } | FromChannel::NotSent { .. });
        self.event("an answer", |event| is_answer(&event).then_some(event)).await
    }

    pub async fn acked(&mut self) -> String {
        match self.answer().await {
            FromChannel::Acked { id } => id,
            other => panic!("not acknowledged: {other:?}"),
        }
    }

    /// What stood against a text.
    pub async fn not_sent(&mut self, of: &str) -> Obstacle {
        match self.answer().await {
            FromChannel::NotSent { id, obstacle, .. } if id == of => obstacle,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub async fn kept(&mut self) -> Inbound {
        timeout(PATIENCE, self.kept.recv()).await.expect("nothing came in").unwrap()
    }

    pub async fn refused(&mut self) -> Inbound {
        timeout(PATIENCE, self.refused.recv()).await.expect("nothing was refused").unwrap()
    }

    /// Everything that was kept by now.
    pub fn all_kept(&mut self) -> Vec<Inbound> {
        std::iter::from_fn(|| self.kept.try_recv().ok()).collect()
    }

    /// Ends in order.
    pub async fn stop(mut self) {
        self.tell(ToChannel::Shutdown);
        // The channel's own limits make it less than 5 s; the rest is what a busy machine may take.
        timeout(Duration::from_secs(15), &mut self.task).await.expect("no end within 15 s").unwrap();
    }

    /// Ends as by SIGKILL: no task of it runs on.
    pub fn kill(self) {}
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
