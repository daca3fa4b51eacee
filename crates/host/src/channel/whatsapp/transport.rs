//! The way to the network. The library's own tries the first address of the server alone, and lets Nagle's algorithm hold
//! answers back (B2). And it won't connect without having asked the web for the current version (facts, pitfall 6).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use http::{HeaderValue, Uri, header::ORIGIN};
use tokio::{net::TcpStream, time::timeout};
use tokio_websockets::ClientBuilder;
use tracing::warn;
use whatsapp_rust::{
    async_channel,
    http::{HttpClient, HttpRequest, HttpResponse, UreqHttpClient},
    transport::{Connector, Transport, TransportEvent, TransportFactory, default_tls_connector, from_websocket},
    version::parse_sw_js,
    wacore::net::{WHATSAPP_WEB_ORIGIN, WHATSAPP_WEB_WS_URL},
};

use super::auth::Version;

/// The library gives up connecting after 20 s; the answer must be there before.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the connection, each time anew.
pub(super) struct Dial {
    /// `ws` or `wss`, with a host.
    server: Uri,
}

impl Dial {
    /// To WhatsApp, or to another `server`.
    ///
    /// # Errors
    /// When `server` is no URL.
    pub fn new(server: Option<&str>) -> Result<Self> {
        let server = server.unwrap_or(WHATSAPP_WEB_WS_URL);
        Ok(Self { server: server.parse().with_context(|| format!("no URL: {server}"))? })
    }
}

#[async_trait]
impl TransportFactory for Dial {
    async fn create_transport(&self) -> Result<(Arc<dyn Transport>, async_channel::Receiver<TransportEvent>)> {
        let host = self.server.host().context("no host")?;
        let (port, connector) = match self.server.scheme_str() {
            Some("ws") => (80, Connector::Plain),
            _ => (443, default_tls_connector()),
        };
        let stream = TcpStream::connect((host, self.server.port_u16().unwrap_or(port))).await?;
        stream.set_nodelay(true)?;
        let stream = connector.wrap(host, stream).await?;
        let upgrade = ClientBuilder::from_uri(self.server.clone())
            .add_header(ORIGIN, HeaderValue::from_static(WHATSAPP_WEB_ORIGIN))?;
        Ok(from_websocket(upgrade.connect_on(stream).await?.0))
    }
}

/// The web, of which the library needs one page: the one that names the current version.
pub(super) struct Web {
    /// `None` beside a fake server: nothing leaves the machine.
    pub client: Option<UreqHttpClient>,
    /// What is answered in the page's place when it can't be had: better an older version than no link.
    pub known: Version,
    /// Set when that happened, because the library would then keep the answer for a day.
    pub guessed: Arc<AtomicBool>,
}

#[async_trait]
impl HttpClient for Web {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse> {
        let Some(client) = &self.client else { bail!("no web beside a fake server") };
        if !request.url.ends_with("/sw.js") {
            return client.execute(request).await;
        }
        match timeout(VERSION_TIMEOUT, client.execute(request)).await {
            Ok(Ok(page))
                if page.status_code < 300 && page.body_string().is_ok_and(|text| parse_sw_js(&text).is_some()) =>
            {
                return Ok(page);
            }
            Ok(Ok(page)) => warn!("no WhatsApp version in an answer with status {}", page.status_code),
            Ok(Err(err)) => warn!("can't ask for the WhatsApp version: {err:#}"),
            Err(_) => warn!("no answer about the WhatsApp version"),
        }
        self.guessed.store(true, Ordering::Relaxed);
        Ok(version_page(self.known))
    }
}

/// The least page that the library reads a version from; it knows the first two parts itself.
fn version_page((_, _, revision): Version) -> HttpResponse {
    HttpResponse { status_code: 200, body: format!("client_revision:{revision};").into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_version_is_understood() {
        let page = version_page((2, 3000, 1_043_857_760)).body_string().unwrap();
        assert_eq!(parse_sw_js(&page), Some((2, 3000, 1_043_857_760)));
    }

    #[tokio::test]
    async fn a_fake_servers_client_asks_the_web_for_nothing() {
        let web = Web { client: None, known: (2, 3000, 1), guessed: Arc::default() };
        assert!(web.execute(HttpRequest::get("https://web.whatsapp.com/sw.js")).await.is_err());
    }
}
