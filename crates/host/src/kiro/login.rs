//! A sign-in, from its terminal's first word to its end (K2). What is heard there reads core (`nanoclaw_core::kiro::login`);
//! whether it worked is `whoami`'s to say.

use std::time::Duration;

use nanoclaw_core::kiro::{
    Way,
    login::{Failure, Offer, Talk},
};
use tokio::time::{Instant, timeout_at};

use super::terminal::Terminal;

/// kiro-cli takes itself for remote by these, and says the address that it would have opened (facts/kiro-cli, Commands).
pub const REMOTE: [(&str, &str); 2] = [("KIRO_FAKE_IS_REMOTE", "1"), ("Q_FAKE_IS_REMOTE", "1")];
/// A device's code is good for ten minutes, and so long kiro-cli waits for its browser.
pub const LONGEST: Duration = Duration::from_secs(600);
/// For so long it may be silent before it says what a person needs; the network answers sooner.
const SILENT: Duration = Duration::from_secs(60);
/// What it still does when it has signed in.
const CLOSING: Duration = Duration::from_secs(10);

/// Sits at the terminal until the program ends, and tells what a person needs as it becomes known. Gives what it said went
/// wrong, if it did.
///
/// # Arguments
/// `browser`: it opens this computer's, and need not say anything.
pub async fn talk(way: &Way, browser: bool, mut terminal: Terminal, mut offer: impl FnMut(Offer)) -> Failure {
    let mut talk = Talk::new(way);
    let last = Instant::now() + LONGEST + CLOSING;
    let mut until = if browser { last } else { Instant::now() + SILENT };
    let mut told = None;
    loop {
        match timeout_at(until, terminal.output.recv()).await {
            Ok(Some(chunk)) => {
                let typed = talk.hear(&chunk);
                if !typed.is_empty() {
                    // One that has ended takes nothing more.
                    let _ = terminal.input.send(typed);
                }
                let now = talk.offer();
                if told.is_none() && now.is_some() {
                    until = last;
                }
                if talk.signed_in() {
                    until = until.min(Instant::now() + CLOSING);
                }
                if now != told {
                    now.clone().into_iter().for_each(&mut offer);
                    told = now;
                }
            }
            Ok(None) => break,
            Err(_) if talk.signed_in() => break,
            // What never gave a code has none that can run out.
            Err(_) if told.is_none() && browser => return Failure::Silent,
            Err(_) if told.is_none() => return Failure::NoOffer,
            Err(_) => return Failure::Expired,
        }
    }
    talk.end();
    talk.failure()
}

#[cfg(test)]
mod tests {
    use nanoclaw_core::kiro::Method;

    use super::{super::program::script, *};

    #[tokio::test]
    async fn identity_center_through_its_prompts() {
        // K2
        let place = tempfile::tempdir().unwrap();
        let program = script(
            place.path(),
            r#"[ -t 0 ] || exit 1
printf '\033[1m? Enter Start URL \033[0m %s' "$5"; read url; printf '\r\033[2K? Enter Region %s' "$7"; read region
printf 'Code: ABCD-EFGH\n\rOpen this URL: https://acme.awsapps.com/start/#/device?user_code=ABCD-EFGH\n'; echo 'error: Device code expired' >&2; exit 1"#,
        );
        let start_url = Some("https://acme.awsapps.com/start".to_owned());
        let way = Way { method: Method::IdentityCenter, start_url, region: Some("eu-west-1".to_owned()) };
        let mut offers = Vec::new();
        let terminal = Terminal::open(&program, &way.arguments(false), &REMOTE).unwrap();
        assert_eq!(talk(&way, false, terminal, |offer| offers.push(offer)).await, Failure::Expired);
        let last = offers.pop().unwrap();
        assert_eq!(last.code.as_deref(), Some("ABCD-EFGH"));
        assert_eq!(last.url.as_deref(), Some("https://acme.awsapps.com/start/#/device?user_code=ABCD-EFGH"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_offers_nothing_is_soon_given_up() {
        // K2
        let way = Way::of(Method::BuilderId);
        for (browser, says, seconds, failure) in [
            (false, "", 60, Failure::NoOffer),
            (false, "Logging in...\n", 60, Failure::NoOffer),
            (false, "Code: ABCD-EFGH\n", 610, Failure::Expired),
            // Nothing is said by design.
            (true, "", 610, Failure::Silent),
            (true, "Logged in\n", 10, Failure::Silent),
        ] {
            let (terminal, line) = Terminal::new();
            line.output.send(says.into()).await.unwrap();
            let begun = Instant::now();
            assert_eq!(talk(&way, browser, terminal, |_| ()).await, failure, "{browser} {says}");
            assert_eq!(begun.elapsed().as_secs(), seconds, "{browser} {says}");
        }
    }
}
