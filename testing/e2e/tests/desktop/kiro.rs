//! Kiro is signed in to from the window, by a code that is confirmed elsewhere.

use anyhow::{Result, ensure};
use nanoclaw_e2e::Scene;
use serde_json::json;

use crate::{picture, shows};

#[tokio::test]
async fn signed_in_by_a_code() -> Result<()> {
    // K1, K2
    let mut scene = Scene::begin("desktop_kiro").await?;
    let desktop = scene.desktop().await?;
    let url = "https://view.awsapps.com/start/#/device?user_code=WXYZ-QRST";
    scene.kiro().plays(&json!({
        "auth": {"state": "stored", "accountType": "BuilderId", "email": "maya@example.org", "tokens": {"liveMs": 3_600_000}},
        "login": {"code": "WXYZ-QRST", "url": url, "afterMs": 25_000},
    }))?;
    scene.start_desktop(&desktop, &["--show"]).await?;
    let page = desktop.page().await?;
    shows(&page, "kiro").await?;
    page.reads("Who is signed in").await?;
    page.reads("Signed out").await?;
    picture(&scene, &page, "kiro-signed-out").await?;
    page.press("Sign in").await?;

    // The code, its address, and how long it is good for.
    page.until("document.querySelector('.bigcode')?.ariaLabel === 'Code W X Y Z - Q R S T'").await?;
    page.reads(url).await?;
    page.reads("Waiting for you to confirm in the browser").await?;
    let left = page.until("document.querySelector('.waits .ring')?.innerText").await?;
    ensure!(left.as_str().is_some_and(|left| left.contains("left")), "{left}");
    picture(&scene, &page, "kiro-code").await?;
    page.press("Open the page").await?;
    ensure!(desktop.opened().await?.to_str() == Some(url));

    // Nothing is pressed here when it is confirmed: the window notices.
    page.reads("Builder ID, maya@example.org").await?;
    page.until("!document.querySelector('.bigcode') && !document.querySelector('[name=method]')").await?;
    picture(&scene, &page, "kiro-signed-in").await?;
    let status =
        scene.until("containers see it too", |status| status["kiro"]["container"]["state"] == "signed-in").await?;
    ensure!(status["kiro"]["host"]["account"] == "Builder ID, maya@example.org", "{status}");
    ensure!(!scene.log().contains("WXYZ"), "a code is in the log");
    scene.end().await
}
