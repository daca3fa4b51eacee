//! One websocket of one linked device: frames, the Noise handshake, encryption, and the ends that a connection can take.
//! Nodes go to `World::on_node`; whoever has the `Link` sends. It knows no stanza but the end of the stream.
pub(crate) mod noise;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use wacore_binary::Node;
use wacore_noise::NoiseCipher;
use wacore_noise::framing::{FrameDecoder, encode_frame};

use self::noise::{Established, Step};
use crate::directory::Companion;
use crate::server::World;
use crate::stanza::as_text;

const HANDSHAKE_TIME: Duration = Duration::from_secs(20);
/// How long the device has to hang up after the server has closed the stream.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Frames that go out with one flush.
const BURST: usize = 64;

type Sink = SplitSink<WebSocket, Message>;
type Stream = SplitStream<WebSocket>;

enum Outgoing {
    /// A marshalled node, still to be encrypted.
    Node(Vec<u8>),
    /// One of which half the frame goes out.
    Half(Vec<u8>),
    Close,
    Break,
}

#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Open,
    Silent,
    Cut,
}

/// The sending side of a connection. Sending never waits and never fails: what must arrive is kept in the mailbox.
#[derive(Clone)]
pub(crate) struct Link {
    id: u64,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    flow: watch::Sender<Flow>,
}

impl Link {
    fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (outgoing, receiver) = mpsc::unbounded_channel();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        (Self { id, outgoing, flow: watch::Sender::new(Flow::Open) }, receiver)
    }

    pub(crate) fn is(&self, other: &Link) -> bool {
        self.id == other.id
    }

    pub(crate) fn send(&self, node: &Node) {
        self.send_as(node, Outgoing::Node);
    }

    /// Sends half of it; then the connection breaks.
    pub(crate) fn send_half(&self, node: &Node) {
        self.send_as(node, Outgoing::Half);
        self.break_off();
    }

    fn send_as(&self, node: &Node, outgoing: fn(Vec<u8>) -> Outgoing) {
        tracing::debug!("-> {}", as_text(node));
        match wacore_binary::marshal(node) {
            Ok(bytes) => {
                let _ = self.outgoing.send(outgoing(bytes));
            }
            Err(error) => tracing::error!("a <{}> can't be written: {error}", node.tag),
        }
    }

    /// Ends the stream after what was sent before; a silent one just breaks.
    pub(crate) fn close(&self) {
        let _ = self.outgoing.send(Outgoing::Close);
        self.end_silence(Flow::Cut);
    }

    /// Breaks the connection after what was sent before, without a word.
    pub(crate) fn break_off(&self) {
        let _ = self.outgoing.send(Outgoing::Break);
    }

    /// Breaks the connection at once, without a word.
    pub(crate) fn cut(&self) {
        self.flow.send_replace(Flow::Cut);
    }

    /// Lets nothing pass for a while, or for as long as the connection lives.
    pub(crate) fn silence(&self, time: Option<Duration>) {
        self.flow.send_replace(Flow::Silent);
        if let Some(time) = time {
            let link = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                link.end_silence(Flow::Open);
            });
        }
    }

    fn end_silence(&self, next: Flow) {
        self.flow.send_if_modified(|flow| {
            let silent = *flow == Flow::Silent;
            if silent {
                *flow = next;
            }
            silent
        });
    }
}

/// What a handler needs to know of the connection that a node came in on.
pub(crate) struct Connection {
    pub(crate) link: Link,
    pub(crate) client_key: [u8; 32],
    /// `None` while it pairs.
    pub(crate) companion: Option<Arc<Companion>>,
}

impl Connection {
    pub(crate) fn companion(&self) -> Result<&Arc<Companion>> {
        self.companion.as_ref().context("the device is not logged in")
    }
}

/// Serves one device until either side ends the connection.
pub(crate) async fn serve(world: Arc<World>, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let mut frames = FrameDecoder::new();
    let handshake = shake_hands(&world, &mut sink, &mut stream, &mut frames);
    let established = match tokio::time::timeout(HANDSHAKE_TIME, handshake).await {
        Ok(Ok(Some(established))) => established,
        Ok(Ok(None)) => return,
        Ok(Err(error)) if error.is::<Violation>() => return world.violated(None, &error),
        Ok(Err(error)) => return tracing::debug!("a handshake ended: {error:#}"),
        Err(_) => return tracing::warn!("a handshake took too long"),
    };
    let Established { read, write, client_key, payload } = established;
    let (link, outgoing) = Link::new();
    let companion = world.on_connect(&payload, client_key, &link);
    let connection = Connection { link, client_key, companion };
    let writer = write_nodes(sink, write, outgoing, &connection.link.flow);
    let reader = read_until_violated(&world, &connection, stream, read, frames);
    let cut = cut(connection.link.flow.subscribe());
    tokio::pin!(reader);
    tokio::select! {
        result = &mut reader => report(result),
        result = writer => {
            report(result);
            let _ = tokio::time::timeout(CLOSE_TIME, reader).await;
        }
        () = cut => {}
    }
    world.on_disconnect(&connection);
}

async fn cut(mut flow: watch::Receiver<Flow>) {
    let _ = flow.wait_for(|flow| *flow == Flow::Cut).await;
}

fn report(result: Result<()>) {
    if let Err(error) = result {
        tracing::debug!("a connection ended: {error:#}");
    }
}

async fn shake_hands(
    world: &World,
    sink: &mut Sink,
    stream: &mut Stream,
    frames: &mut FrameDecoder,
) -> Result<Option<Established>> {
    let mut intro = Some(Vec::new());
    let mut responder = None;
    while let Some(message) = stream.next().await {
        let Message::Binary(data) = message? else { continue };
        match &mut intro {
            Some(bytes) => {
                bytes.extend_from_slice(&data);
                if !noise::strip_intro(bytes).context(Violation)? {
                    continue;
                }
                frames.feed(bytes);
                intro = None;
            }
            None => frames.feed(&data),
        }
        while let Some(frame) = frames.decode_frame() {
            let step = match responder.take() {
                None => noise::on_client_hello(&world.identity, &frame).context(Violation)?,
                Some(waiting) => {
                    return Ok(Some(noise::Responder::on_client_finish(waiting, &frame).context(Violation)?));
                }
            };
            let (hello, next) = match step {
                Step::AwaitFinish { hello, responder } => (hello, Err(*responder)),
                Step::Done { hello, established } => (hello, Ok(*established)),
            };
            sink.send(Message::Binary(encode_frame(&hello, None)?.into())).await?;
            match next {
                Ok(established) => return Ok(Some(established)),
                Err(waiting) => responder = Some(waiting),
            }
        }
    }
    Ok(None)
}

/// Marks an error that only a device which leaves the protocol brings about.
#[derive(Debug)]
struct Violation;

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the device leaves the protocol")
    }
}

async fn read_until_violated(
    world: &Arc<World>,
    connection: &Connection,
    stream: Stream,
    cipher: NoiseCipher,
    frames: FrameDecoder,
) -> Result<()> {
    let result = read_nodes(world, connection, stream, cipher, frames).await;
    if let Err(error) = &result
        && error.is::<Violation>()
    {
        world.violated(connection.companion.as_deref(), error);
        world.end_bad_stream(connection);
        // The writer takes the connection down when that is said.
        std::future::pending::<()>().await;
    }
    result
}

async fn read_nodes(
    world: &Arc<World>,
    connection: &Connection,
    mut stream: Stream,
    cipher: NoiseCipher,
    mut frames: FrameDecoder,
) -> Result<()> {
    let mut flow = connection.link.flow.subscribe();
    let mut counter = 0;
    loop {
        while let Some(mut frame) = frames.decode_frame() {
            flow.wait_for(|flow| *flow == Flow::Open).await?;
            cipher
                .decrypt_in_place_with_counter(counter, &mut frame)
                .map_err(|error| anyhow!("frame {counter}: {error}"))
                .context(Violation)?;
            counter += 1;
            let plain = wacore_binary::util::unpack(&frame).context(Violation)?;
            let node = wacore_binary::marshal::unmarshal_ref(&plain).context(Violation)?.to_owned();
            tracing::debug!("<- {}", as_text(&node));
            if node.tag == "xmlstreamend" {
                return Ok(());
            }
            world.on_node(connection, &node).await.context(Violation)?;
        }
        match stream.next().await.transpose()? {
            Some(Message::Binary(data)) => frames.feed(&data),
            Some(Message::Close(_)) | None => return Ok(()),
            Some(_) => {}
        }
    }
}

async fn write_nodes(
    mut sink: Sink,
    cipher: NoiseCipher,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    flow: &watch::Sender<Flow>,
) -> Result<()> {
    let mut is_open = flow.subscribe();
    let mut counter = 0;
    let mut burst = Vec::with_capacity(BURST);
    while outgoing.recv_many(&mut burst, BURST).await > 0 {
        is_open.wait_for(|flow| *flow == Flow::Open).await?;
        for item in burst.drain(..) {
            let (mut bytes, half) = match item {
                Outgoing::Node(bytes) => (bytes, false),
                Outgoing::Half(bytes) => (bytes, true),
                Outgoing::Close => {
                    sink.flush().await?;
                    sink.close().await?;
                    return Ok(());
                }
                Outgoing::Break => {
                    sink.flush().await?;
                    flow.send_replace(Flow::Cut);
                    return std::future::pending().await;
                }
            };
            cipher
                .encrypt_in_place_with_counter(counter, &mut bytes)
                .map_err(|error| anyhow!("frame {counter}: {error}"))?;
            counter += 1;
            let mut frame = encode_frame(&bytes, None)?;
            if half {
                frame.truncate(frame.len() / 2);
            }
            sink.feed(Message::Binary(Bytes::from(frame))).await?;
        }
        sink.flush().await?;
    }
    Ok(())
}
