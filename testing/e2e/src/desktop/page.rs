//! The window's page in the real WebKit, through WebKit's own driver, attached to the app as it runs.

use std::io::Cursor;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::port::Port;
use crate::PATIENCE;
use crate::http::Http;

/// The open window's page. Dropped, the driver lets go of it.
pub struct Page {
    driver: Http,
    session: String,
    _process: Child,
    _port: Port,
}

impl Page {
    /// `inspector`: where the window lets the driver in.
    pub async fn attach(mut driver: Command, inspector: u16) -> Result<Self> {
        let port = Port::free()?;
        let process = driver
            .arg(format!("--port={}", port.number))
            .arg(format!("--target=127.0.0.1:{inspector}"))
            .spawn()
            .context("no WebKitWebDriver")?;
        let driver = Http::at(&format!("http://127.0.0.1:{}", port.number))?;
        let wanted = json!({"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": {}}}});
        let deadline = Instant::now() + PATIENCE;
        // It says nothing when it is ready, nor does the window.
        let session = loop {
            match driver.post("/session", &wanted).await {
                Ok(answer) => break answer["value"]["sessionId"].as_str().context("no session")?.to_owned(),
                Err(error) if Instant::now() > deadline => return Err(error.context("no page to attach to")),
                Err(_) => sleep(std::time::Duration::from_millis(50)).await,
            }
        };
        let page = Self { driver, session, _process: process, _port: port };
        // A window that has just gone leaves the driver at nothing: it is shown the one that is there.
        loop {
            let all = page.driver.get(&format!("/session/{}/window/handles", page.session)).await?;
            match all["value"].as_array().and_then(|all| all.last()) {
                Some(handle) => break page.post("window", json!({"handle": handle})).await.map(drop)?,
                None if Instant::now() > deadline => bail!("no window to attach to"),
                None => sleep(std::time::Duration::from_millis(50)).await,
            }
        }
        page.post("timeouts", json!({"script": PATIENCE.as_millis() as u64})).await?;
        Ok(page)
    }

    /// Waits until an expression in the page's own language holds, looking again at each change of the document and in
    /// the one that takes its place, and gives its value.
    pub async fn until(&self, expression: &str) -> Result<Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const look = () => {{ const found = ({expression}); if (found) {{ changes.disconnect(); done(found); }} }};
             const changes = new MutationObserver(look);
             changes.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
             look();"
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.post("execute/async", json!({"script": script, "args": []})).await {
                Ok(found) => break Ok(found),
                // The document in which it waited has gone: WebDriver says so at once.
                Err(error) if format!("{error:#}").contains("unload event") && Instant::now() < deadline => {}
                Err(error) => bail!("{error:#}\nwaiting for {expression}; the page reads:\n{}", self.text().await?),
            }
        }
    }

    /// Loads the page anew, and waits until it can be used.
    pub async fn reload(&self) -> Result<()> {
        self.run("window.former = true; setTimeout(() => location.reload())").await?;
        self.until("!window.former && performance.getEntriesByName('usable')[0] && true").await?;
        Ok(())
    }

    /// Waits until the page reads so.
    pub async fn reads(&self, text: &str) -> Result<()> {
        self.until(&format!("document.body.innerText.includes({})", json!(text))).await?;
        Ok(())
    }

    /// All that can be read.
    pub async fn text(&self) -> Result<String> {
        let text = self.post("execute/sync", json!({"script": "return document.body.innerText", "args": []})).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Runs an async function's body in the page; gives what it returns as `ok`, or what it threw as `error`.
    pub async fn run(&self, body: &str) -> Result<Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {body} }})().then((value) => done({{ ok: value ?? null }}), (error) => done({{ error: JSON.stringify(error) ?? String(error) }}));"
        );
        self.post("execute/async", json!({"script": script, "args": []})).await
    }

    /// Presses the button of this name.
    pub async fn press(&self, name: &str) -> Result<()> {
        let button = format!(
            "[...document.querySelectorAll('button')].find((button) => !button.disabled && (button.ariaLabel ?? button.innerText).trim() === {})",
            json!(name)
        );
        self.press_it(&button).await
    }

    /// Presses the button whose text begins so.
    pub async fn press_with(&self, start: &str) -> Result<()> {
        let button = format!(
            "[...document.querySelectorAll('main button')].find((button) => button.innerText.split('\\n').some((line) => line.trim().startsWith({})))",
            json!(start)
        );
        self.press_it(&button).await
    }

    /// Presses what an expression in the page's own language finds. Found and pressed at once: between the two the page
    /// could draw itself anew.
    pub async fn press_it(&self, found: &str) -> Result<()> {
        self.until(&format!("(() => {{ const found = {found}; found?.click(); return Boolean(found); }})()")).await?;
        Ok(())
    }

    /// What is seen, as a PNG.
    pub async fn picture(&self) -> Result<Vec<u8>> {
        // What the page has just become is painted with the next frames.
        self.run("for (const frame of [1, 2]) await new Promise(requestAnimationFrame)").await?;
        let answer = self.driver.get(&format!("/session/{}/screenshot", self.session)).await?;
        base64(answer["value"].as_str().context("no picture")?)
    }

    /// Reads the QR code on the page as a phone's camera does: from its pixels, looking until it is seen.
    pub async fn qr(&self) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match read_qr(&self.picture().await?) {
                Ok(text) => return Ok(text),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => self.run("await new Promise(requestAnimationFrame)").await?,
            };
        }
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        Ok(self.driver.post(&format!("/session/{}/{path}", self.session), &body).await?["value"].clone())
    }
}

fn read_qr(picture: &[u8]) -> Result<String> {
    let mut reader = png::Decoder::new(Cursor::new(picture)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("too large a picture")?];
    let info = reader.next_frame(&mut pixels)?;
    let samples = info.color_type.samples();
    let (width, height) = (usize::try_from(info.width)?, usize::try_from(info.height)?);
    let grey = |x: usize, y: usize| pixels.get((y * width + x) * samples).copied().unwrap_or_default();
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
    let grids = image.detect_grids();
    let (_, text) = grids.first().context("no QR code is seen")?.decode()?;
    Ok(text)
}

fn base64(text: &str) -> Result<Vec<u8>> {
    use base64::Engine;
    Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
}
