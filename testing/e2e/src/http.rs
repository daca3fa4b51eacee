//! The few HTTP calls that the fake server's admin side needs: one request a connection, JSON in and out, loopback only.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::PATIENCE;

/// An HTTP server's address, as `host:port`.
#[derive(Debug, Clone)]
pub struct Http {
    authority: String,
}

impl Http {
    /// # Errors
    /// The address is not `http://host:port`.
    pub fn at(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not an http address"))?;
        let authority = rest.split('/').next().unwrap_or(rest).to_owned();
        Ok(Self { authority })
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("POST", path, &body.to_string()).await
    }

    /// A POST whose body is text as it is.
    pub async fn post_text(&self, path: &str, body: &str) -> Result<Value> {
        self.call("POST", path, body).await
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let authority = &self.authority;
        let mut stream = TcpStream::connect(authority).await.with_context(|| format!("no server at {authority}"))?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut answer = Vec::new();
        let asked = async {
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_end(&mut answer).await
        };
        timeout(PATIENCE, asked).await.with_context(|| format!("{method} {path}: no answer in {PATIENCE:?}"))??;
        let answer = String::from_utf8(answer).context("the answer is not UTF-8")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of headers")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            bail!("{method} {path}: {status} {body}");
        }
        if body.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(body).with_context(|| format!("{method} {path}: the answer is not JSON: {body}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one call with these bytes and gives what it was asked.
    async fn serve_once(answer: &'static str) -> (Http, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = Http::at(&format!("http://{}/admin", listener.local_addr().unwrap())).unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (http, asked)
    }

    #[tokio::test]
    async fn a_call_carries_json_both_ways() {
        let (http, asked) = serve_once("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"id\":\"x\"}").await;
        assert_eq!(http.post("/admin/send", &json!({"to": 1})).await.unwrap(), json!({"id": "x"}));
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("POST /admin/send HTTP/1.1\r\n") && asked.ends_with("\r\n\r\n{\"to\":1}"), "{asked}");
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_with_the_servers_words() {
        let (http, _asked) = serve_once("HTTP/1.1 404 Not Found\r\n\r\n{\"error\":\"no such account\"}").await;
        let refusal = http.get("/admin/state").await.unwrap_err().to_string();
        assert!(refusal.contains("404") && refusal.contains("no such account"), "{refusal}");
    }
}
