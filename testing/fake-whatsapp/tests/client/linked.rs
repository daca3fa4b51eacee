//! A real client on a server with the contacts Alice and Bob, for all scenarios.
use std::sync::Arc;
use std::time::Duration;

use fake_whatsapp::{Addressing, Fault, Item, ItemKind, Server};
use tempfile::TempDir;
use tracing_subscriber::EnvFilter;
use whatsapp_rust::SendOptions;
use whatsapp_rust::bot::BotHandle;
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::pair_code::PairCodeOptions;
use whatsapp_rust::prelude::*;
use whatsapp_rust::transport::{TokioWebSocketTransportFactory, TransportFactory};
use whatsapp_rust::types::events::{ChannelEventHandler, Event};

pub const ME: &str = "15550001111";
pub const ALICE: &str = "15550002222";
pub const BOB: &str = "15550003333";
pub const ALICE_LID: &str = "100000000000002";
pub const FAMILY: &str = "120363000000000001@g.us";
pub const WORK: &str = "120363000000000002@g.us";

/// Far more than anything here takes; a scenario that stands still fails.
const PATIENCE: Duration = Duration::from_secs(40);

struct NoHttp;

#[async_trait::async_trait]
impl HttpClient for NoHttp {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        anyhow::bail!("nothing outside is asked in tests: {}", request.url)
    }
}

/// A server with contacts, and the folder for clients' stores.
pub struct World {
    pub server: Server,
    pub stores: TempDir,
    /// Whether a scenario breaks the protocol on purpose.
    pub violates: bool,
}

/// The real client keeps to the protocol, or the server is too strict.
impl Drop for World {
    fn drop(&mut self) {
        if !self.violates && !std::thread::panicking() {
            assert_eq!(self.server.state().violations, Vec::<String>::new());
        }
    }
}

impl World {
    pub async fn start() -> Self {
        // What both sides say is shown with a failed test, as far as RUST_LOG asks for it.
        let _ = tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).with_test_writer().try_init();
        let server = Server::start(0).await.unwrap();
        server.add_account(ME, "100000000000001", "Owner").unwrap();
        server.add_account(ALICE, ALICE_LID, "Alice").unwrap();
        server.add_account(BOB, "100000000000003", "Bob").unwrap();
        server.add_group(FAMILY, "Family", &[ALICE, ME, BOB], Addressing::Pn).unwrap();
        server.add_group(WORK, "Work", &[ALICE, ME, BOB], Addressing::Lid).unwrap();
        Self { server, stores: TempDir::new().unwrap(), violates: false }
    }

    /// The same server, which has forgotten all.
    pub async fn forget(&mut self) {
        let mut fresh = Self::start().await;
        std::mem::swap(&mut self.server, &mut fresh.server);
    }

    /// Nobody gets in again by himself before it is seen that he is out.
    pub fn keep_out(&self) {
        self.refuse_logins(1_000);
    }

    pub fn let_in(&self) {
        self.refuse_logins(0);
    }

    fn refuse_logins(&self, times: u32) {
        self.server.fault(ME, &Fault::FailLogin { code: 503, expire_seconds: None, times }).unwrap();
    }

    /// A client on the store of this name.
    pub async fn client(&self, store: &str) -> Client {
        self.build(store, None).await
    }

    pub async fn client_by_code(&self, store: &str) -> Client {
        self.build(store, Some(PairCodeOptions { phone_number: ME.to_owned(), ..Default::default() })).await
    }

    async fn build(&self, store: &str, code: Option<PairCodeOptions>) -> Client {
        let transport = TokioWebSocketTransportFactory::new().with_url(self.server.url());
        self.build_on(store, code, transport).await
    }

    /// A client whose bytes go through a transport of the scenario's own.
    pub async fn build_on(
        &self,
        store: &str,
        code: Option<PairCodeOptions>,
        transport: impl TransportFactory + 'static,
    ) -> Client {
        let path = self.stores.path().join(store);
        let bot = Bot::builder()
            .with_backend(SqliteStore::new(path.to_str().unwrap()).await.unwrap())
            .with_transport_factory(transport)
            .with_http_client(NoHttp)
            .with_version((2, 3000, 1_043_857_760))
            .with_wanted_pre_key_count(30)
            .skip_history_sync();
        let bot = match code {
            Some(code) => bot.with_pair_code(code),
            None => bot,
        };
        let bot = bot.build().await.unwrap();
        let (handler, events) = ChannelEventHandler::new();
        bot.client().subscribe_handler(handler).detach();
        Client { client: bot.client(), events, handle: bot.spawn() }
    }

    /// A client that is linked to the owner's phone and connected.
    pub async fn linked(&self, store: &str) -> Client {
        self.linked_to(store, ME).await
    }

    /// A client that is linked to this account's phone and connected.
    pub async fn linked_to(&self, store: &str, pn: &str) -> Client {
        let client = self.client(store).await;
        let qr = client.qr().await;
        self.server.scan(pn, &qr).await.unwrap();
        client.connected().await;
        client
    }

    /// Puts a copy of a store aside that no client has open.
    pub fn keep_store(&self, store: &str) {
        self.copy_store(store, "kept");
    }

    pub fn restore_store(&self, store: &str) {
        self.copy_store("kept", store);
    }

    fn copy_store(&self, from: &str, to: &str) {
        for end in ["", "-wal", "-shm"] {
            let (from, to) =
                (self.stores.path().join(format!("{from}{end}")), self.stores.path().join(format!("{to}{end}")));
            let _ = std::fs::remove_file(&to);
            if from.exists() {
                std::fs::copy(from, to).unwrap();
            }
        }
    }

    /// The first item from here on that fits.
    pub async fn item(&self, fits: impl Fn(&Item) -> bool) -> Item {
        let mut since = 0;
        let search = async {
            loop {
                let page = self.server.received(since, PATIENCE).await;
                since = page.next;
                if let Some(item) = page.items.into_iter().find(|item| fits(item)) {
                    return item;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("the contacts got nothing like it")
    }

    pub async fn text_at(&self, contact: &str, text: &str) -> Item {
        self.item(|item| item.kind == ItemKind::Text && item.to == contact && item.text == text).await
    }

    /// Until the server's own view is so.
    pub async fn until(&self, is_so: impl Fn(&fake_whatsapp::State) -> bool) {
        let wait = async {
            while !is_so(&self.server.state()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the server's state did not come about");
    }
}

pub struct Client {
    pub client: Arc<whatsapp_rust::Client>,
    events: whatsapp_rust::async_channel::Receiver<Arc<Event>>,
    pub handle: BotHandle,
}

/// What a client saw of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub id: String,
    pub chat: String,
    pub text: String,
    pub from_me: bool,
    pub offline: bool,
}

impl Client {
    /// The first event, from the last one awaited, that `pick` takes.
    pub async fn event<T>(&self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the client has ended");
                if let Some(found) = pick(&event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("no event: {what}"))
    }

    pub async fn qr(&self) -> String {
        self.event("a QR code", |event| match event {
            Event::PairingQrCode(qr) => Some(qr.code.clone()),
            _ => None,
        })
        .await
    }

    pub async fn connected(&self) {
        self.event("connected", |event| matches!(event, Event::Connected(_)).then_some(())).await;
    }

    /// The next `count` texts, in order.
    pub async fn texts(&self, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.extend(self.event(&format!("text {} of {count}", seen.len() + 1), texts_in).await);
        }
        seen
    }

    pub async fn text(&self) -> Seen {
        let mut texts = self.texts(1).await;
        assert_eq!(texts.len(), 1, "{texts:?}");
        texts.remove(0)
    }

    /// All texts that have come and were not awaited yet.
    pub fn texts_so_far(&self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            seen.extend(texts_in(&event).into_iter().flatten());
        }
        seen
    }

    pub async fn send(&self, to: &str, text: &str) -> String {
        let to: Jid = to.parse().unwrap();
        self.client.send_message(to, wa::Message::text(text)).await.unwrap().message_id
    }

    pub async fn send_as(&self, to: &str, text: &str, id: &str) {
        let to: Jid = to.parse().unwrap();
        let options = SendOptions::default().with_message_id(id);
        self.client.send_message_with_options(to, wa::Message::text(text), options).await.unwrap();
    }
}

/// The texts that an event brings, if it brings any.
pub fn texts_in(event: &Event) -> Option<Vec<Seen>> {
    let texts: Vec<Seen> = event
        .messages()
        .filter_map(|message| {
            Some(Seen {
                id: message.info.id.clone(),
                chat: message.info.source.chat.to_string(),
                text: message.message.text_content()?.to_owned(),
                from_me: message.info.source.is_from_me,
                offline: message.info.is_offline,
            })
        })
        .collect();
    (!texts.is_empty()).then_some(texts)
}

pub fn jid(pn: &str) -> String {
    format!("{pn}@s.whatsapp.net")
}
