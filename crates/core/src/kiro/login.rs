//! A sign-in as kiro-cli tells it in its terminal: the code, the address, what it asks for, how it ended (K2; facts/kiro-cli,
//! Commands).
//!
//! Pure: bytes go in as they come, in any pieces. Codes and addresses with codes are secrets: they are shown, never logged. Used
//! by the host, which runs kiro-cli and believes `whoami` alone.

use std::fmt;

use super::{Method, Way};

/// Of a line; what is beyond is no text of kiro-cli's.
const LONGEST_LINE: usize = 4096;

/// Where sign-ins may lead, besides the start URL that the person gave.
const HOSTS: [&str; 7] =
    ["awsapps.com", "amazonaws.com", "kiro.dev", "aws.dev", "accounts.google.com", "www.google.com", "github.com"];

/// What it asks for with the answer filled in already.
const PROMPTS: [&str; 2] = ["Enter Start URL", "Enter Region"];

/// What is told of a sign-in that no browser could be opened for.
const NO_BROWSER: [&str; 6] = [
    "failed to open browser",
    "--use-device-flow",
    "failed to open url",
    "failed to initialize auth portal",
    "auth portal timed out",
    "all callback ports are in use",
];
const NETWORK: [&str; 5] =
    ["dispatch failure", "dns error", "error sending request", "timed out", "failed to lookup address"];

impl Way {
    /// The arguments of `kiro-cli`. `browser`: in this computer's browser, instead of by a code.
    pub fn arguments(&self, browser: bool) -> Vec<String> {
        let mut arguments = vec!["login"];
        match self.method {
            Method::BuilderId => arguments.extend(["--license", "free"]),
            Method::IdentityCenter => {
                arguments.extend(["--license", "pro"]);
                for (name, value) in [("--identity-provider", &self.start_url), ("--region", &self.region)] {
                    arguments.extend(value.iter().flat_map(|value| [name, value.as_str()]));
                }
            }
            Method::Google => arguments.extend(["--social", "google"]),
            Method::Github => arguments.extend(["--social", "github"]),
        }
        if !browser {
            arguments.push("--use-device-flow");
        }
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Where a code is typed in, where kiro-cli doesn't say.
    fn address_of(&self, code: &str) -> Option<String> {
        let start = match self.method {
            Method::BuilderId => "https://view.awsapps.com/start",
            Method::IdentityCenter => self.start_url.as_deref()?,
            Method::Google | Method::Github => return None,
        };
        let start = start.split('#').next().unwrap_or_default().trim_end_matches('/');
        Some(format!("{start}/#/device?user_code={code}"))
    }

    fn leads_to(&self, url: &str) -> bool {
        let Some(host) = host(url) else { return false };
        let within = |known: &str| host == known || host.strip_suffix(known).is_some_and(|rest| rest.ends_with('.'));
        HOSTS.into_iter().any(within) || self.start_url.as_deref().and_then(self::host).is_some_and(|own| own == host)
    }
}

/// The host of an address that is safe to open: https, with nothing in it that could hide where it leads.
pub fn host(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    if url.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '"' | '<' | '>')) {
        return None;
    }
    let host = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    (host.contains('.') && host.chars().all(fits) && !host.starts_with('.') && !host.ends_with('.')).then_some(host)
}

/// What a person needs to sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    pub code: Option<String>,
    pub url: Option<String>,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Offer")
    }
}

/// How it ended, where it did not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Expired,
    /// No browser could be opened.
    Browser,
    /// kiro-cli thinks that somebody is signed in.
    SignedIn,
    /// It doesn't know what it was asked.
    Old,
    Network,
    /// Its own words, without codes and addresses.
    Said(String),
    /// It went on for a while without anything that a person could sign in with.
    NoOffer,
    Silent,
}

impl Failure {
    /// What is wrong, and what helps.
    pub fn sentence(&self) -> String {
        let text = match self {
            Failure::Expired => "The code has expired. Begin again.",
            Failure::Browser => "kiro-cli could not open a browser. Sign in with a code instead.",
            Failure::SignedIn => "kiro-cli takes itself for signed in. Sign out, then sign in again.",
            Failure::Old => "This kiro-cli does not know that way to sign in. Update it.",
            Failure::Network => "Kiro can't be reached. Check the network, then try again.",
            Failure::Said(said) => return format!("Kiro did not sign in. It said: {said}"),
            Failure::NoOffer => "kiro-cli offered neither a code nor an address to sign in with. Try again.",
            Failure::Silent => "Kiro did not sign in, and did not say why. Try again.",
        };
        text.to_owned()
    }
}

/// A sign-in's terminal, read from its first byte on.
pub struct Talk {
    way: Way,
    /// Bytes that are no whole character yet.
    rest: Vec<u8>,
    escape: Escape,
    line: String,
    asked: [bool; PROMPTS.len()],
    code: Option<String>,
    url: Option<String>,
    signed_in: bool,
    failure: Option<Failure>,
}

/// Where in an escape sequence the reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    /// `ESC [`, up to its letter.
    Control,
    /// `ESC ]`, up to BEL or `ESC \`.
    System,
}

impl Talk {
    pub fn new(way: &Way) -> Self {
        Talk {
            way: way.clone(),
            rest: Vec::new(),
            escape: Escape::None,
            line: String::new(),
            asked: [false; PROMPTS.len()],
            code: None,
            url: None,
            signed_in: false,
            failure: None,
        }
    }

    /// Takes what it writes; gives what is to be typed.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(bytes);
        let mut typed = Vec::new();
        while let Some(c) = self.next_char() {
            self.character(c);
            let asked =
                PROMPTS.iter().zip(&mut self.asked).find(|(prompt, asked)| !**asked && self.line.contains(**prompt));
            if let Some((_, asked)) = asked {
                *asked = true;
                typed.push(b'\r');
            }
        }
        typed
    }

    /// The last line may have no end.
    pub fn end(&mut self) {
        self.line_ends();
    }

    /// What a person needs, once there is something.
    pub fn offer(&self) -> Option<Offer> {
        let built = || self.way.address_of(self.code.as_deref()?);
        let url = self.url.clone().or_else(built);
        (self.code.is_some() || url.is_some()).then(|| Offer { code: self.code.clone(), url })
    }

    /// It says that it signed in: now `whoami` knows more.
    pub fn signed_in(&self) -> bool {
        self.signed_in
    }

    pub fn failure(&self) -> Failure {
        self.failure.clone().unwrap_or(Failure::Silent)
    }

    fn next_char(&mut self) -> Option<char> {
        let whole = match std::str::from_utf8(&self.rest) {
            Ok(text) => text,
            Err(error) if error.valid_up_to() > 0 => {
                std::str::from_utf8(self.rest.get(..error.valid_up_to())?).unwrap_or_default()
            }
            // A character that is cut off may still come; bytes that are none never will.
            Err(error) => {
                self.rest.drain(..error.error_len()?);
                return Some(char::REPLACEMENT_CHARACTER);
            }
        };
        let c = whole.chars().next()?;
        self.rest.drain(..c.len_utf8());
        Some(c)
    }

    fn character(&mut self, c: char) {
        self.escape = match (self.escape, c) {
            (Escape::System, '\u{7}') => Escape::None,
            (Escape::None | Escape::System, '\u{1b}') => Escape::Begun,
            (Escape::System, _) => Escape::System,
            (Escape::Begun, '[') => Escape::Control,
            (Escape::Begun, ']') => Escape::System,
            (Escape::Begun, _) => Escape::None,
            (Escape::Control, '@'..='~') => {
                // Colours leave the line as it is; whatever moves the cursor begins another.
                if c != 'm' {
                    self.line_ends();
                }
                Escape::None
            }
            (Escape::Control, _) => Escape::Control,
            (Escape::None, '\r' | '\n') => {
                self.line_ends();
                Escape::None
            }
            (Escape::None, c) => {
                if !c.is_control() && self.line.len() < LONGEST_LINE {
                    self.line.push(c);
                }
                Escape::None
            }
        };
    }

    fn line_ends(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim();
        if line.is_empty() || PROMPTS.iter().any(|prompt| line.contains(prompt)) {
            return;
        }
        let lower = line.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let failure = if says(&["code expired", "code has expired"]) {
            Failure::Expired
        } else if says(&["already logged in"]) {
            Failure::SignedIn
        } else if says(&["unexpected argument", "unrecognized subcommand"]) {
            Failure::Old
        } else if says(&NO_BROWSER) {
            Failure::Browser
        } else if says(&NETWORK) {
            Failure::Network
        } else if lower.starts_with("error") || says(&["device flow error"]) {
            Failure::Said(self.without_secrets(line))
        } else {
            return self.learn(line, &lower);
        };
        // The first one is the cause, unless it is none of those that are known.
        if matches!(self.failure, None | Some(Failure::Said(_))) {
            self.failure = Some(failure);
        }
    }

    fn learn(&mut self, line: &str, lower: &str) {
        if ["logged in", "device authorized", "signed in"].iter().any(|said| lower.starts_with(said)) {
            self.signed_in = true;
        }
        let code = lower.rfind("code:").and_then(|at| line.get(at + "code:".len()..)?.split_whitespace().next());
        if let Some(code) = code.filter(|code| is_code(code)) {
            self.code = Some(code.to_owned());
        }
        let mut addresses = line.split_whitespace().filter(|word| word.starts_with("https://"));
        if let Some(url) = addresses.rfind(|url| self.way.leads_to(url)) {
            self.url = Some(url.to_owned());
        }
    }

    /// A line for people, without what only the one who signs in may see.
    fn without_secrets(&self, line: &str) -> String {
        let hidden = |word: &str| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            word.contains("://")
                || self.code.as_deref() == Some(bare)
                || (bare.contains('-') && bare.len() > 6 && is_code(bare))
        };
        let words = line.split_whitespace().map(|word| if hidden(word) { "…" } else { word });
        words.collect::<Vec<_>>().join(" ").chars().take(200).collect()
    }
}

fn is_code(word: &str) -> bool {
    (4..=40).contains(&word.len()) && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "ABCD-EFGH";
    const URL: &str = "https://view.awsapps.com/start/#/device?user_code=ABCD-EFGH";
    const START: &str = "https://acme.awsapps.com/start";

    fn identity_center(start: &str) -> Way {
        Way { method: Method::IdentityCenter, start_url: Some(start.into()), region: Some("eu-west-1".into()) }
    }

    /// The same whole, and byte by byte.
    fn talk(way: &Way, said: &str) -> (Talk, String) {
        let mut pieces = Talk::new(way);
        let typed: Vec<u8> = said.bytes().flat_map(|byte| pieces.hear(&[byte])).collect();
        pieces.end();
        let mut whole = Talk::new(way);
        assert_eq!(whole.hear(said.as_bytes()), typed);
        whole.end();
        assert_eq!(
            (whole.offer(), whole.failure(), whole.signed_in()),
            (pieces.offer(), pieces.failure(), pieces.signed_in())
        );
        (whole, String::from_utf8(typed).unwrap())
    }

    #[test]
    fn code_and_address_of_every_form() {
        // K2
        let builder = Way::of(Method::BuilderId);
        let frames = "\r\u{1b}[2K▰▱▱▱▱▱▱ Logging in...\r\u{1b}[2K▰▰▱▱▱▱▱ Logging in...";
        for (way, said, code, url) in [
            (
                &builder,
                format!("\nConfirm the following code in the browser\nCode: {CODE}\n\nOpen this URL: {URL}\n{frames}"),
                Some(CODE),
                Some(URL),
            ),
            (
                &builder,
                format!(
                    "\u{1b}[1mConfirm the following code in the browser\u{1b}[0m\r\nCode: \u{1b}[32m{CODE}\u{1b}[39m\r\n{frames}"
                ),
                Some(CODE),
                Some(URL),
            ),
            (
                &Way::of(Method::Google),
                format!(
                    "To sign in with Google, visit:\n  https://accounts.google.com/device?x=1\nAnd confirm the code: {CODE}\n"
                ),
                Some(CODE),
                Some("https://accounts.google.com/device?x=1"),
            ),
            (&Way::of(Method::Github), format!("And confirm the code: {CODE}\n"), Some(CODE), None),
            (
                &identity_center(START),
                format!("Code: {CODE}\n"),
                Some(CODE),
                Some("https://acme.awsapps.com/start/#/device?user_code=ABCD-EFGH"),
            ),
            (
                &identity_center("https://sso.acme.example/start/#/"),
                format!("Code: {CODE}\nOpen this URL: https://sso.acme.example/start/#/device\n"),
                Some(CODE),
                Some("https://sso.acme.example/start/#/device"),
            ),
            // Not where it should lead: what we know ourselves is offered instead.
            (
                &builder,
                format!("Code: {CODE}\nOpen this URL: https://evil.example/awsapps.com\n"),
                Some(CODE),
                Some(URL),
            ),
            (
                &Way::of(Method::Google),
                format!("visit:\n  http://accounts.google.com/x\ncode: {CODE}\n"),
                Some(CODE),
                None,
            ),
            (
                &builder,
                "\u{1b}]8;;https://view.awsapps.com/x\u{7}link\u{1b}]8;;\u{1b}\\ Logging in...".into(),
                None,
                None,
            ),
            (&builder, "Confirm the following code in the browser\nCode: lower case".into(), None, None),
            (&builder, String::new(), None, None),
        ] {
            let offer = talk(way, &said).0.offer();
            let told = offer.as_ref().map_or((None, None), |offer| (offer.code.as_deref(), offer.url.as_deref()));
            assert_eq!(told, (code, url), "{said}");
        }
    }

    #[test]
    fn a_code_that_is_not_whole_is_none() {
        let mut talk = Talk::new(&Way::of(Method::BuilderId));
        talk.hear(b"Code: ABCD-E");
        assert_eq!(talk.offer(), None);
        talk.hear(b"FGH\n");
        assert_eq!(talk.offer().unwrap().code.as_deref(), Some(CODE));
    }

    #[test]
    fn prefilled_prompts_are_answered_once() {
        // K2: Identity Center's, redrawn as its terminal does it
        let said = format!(
            "\u{1b}[33m?\u{1b}[0m Enter Start URL \u{1b}[90m›\u{1b}[0m {START}\r\u{1b}[2K✔ Enter Start URL · {START}\r\n? Enter Region › eu-west-1\r\u{1b}[2K✔ Enter Region · eu-west-1\r\nCode: {CODE}\r\n"
        );
        let (heard, typed) = talk(&identity_center(START), &said);
        assert_eq!(typed, "\r\r");
        assert_eq!(heard.offer().unwrap().url.unwrap(), format!("{START}/#/device?user_code={CODE}"));
    }

    #[test]
    fn its_end() {
        // K2, facts/kiro-cli
        for (said, signed_in, failure) in [
            ("\r\u{1b}[2K\nLogged in\n", true, Failure::Silent),
            ("Device authorized\n", true, Failure::Silent),
            ("Logged in successfully", true, Failure::Silent),
            ("▰▱▱▱▱▱▱ Logging in...\n", false, Failure::Silent),
            ("error: Device code expired. Please try again.\n", false, Failure::Expired),
            ("error: Already logged in, please logout with kiro-cli logout first\n", false, Failure::SignedIn),
            (
                "Failed to open browser for authentication.\nPlease try again with: kiro-cli login --use-device-flow\n",
                false,
                Failure::Browser,
            ),
            ("error: All callback ports are in use", false, Failure::Browser),
            ("error: Auth portal timed out", false, Failure::Browser),
            ("error: unexpected argument '--social' found\n", false, Failure::Old),
            ("error: dispatch failure\n", false, Failure::Network),
            (
                "error: Device flow error: access_denied\n",
                false,
                Failure::Said("error: Device flow error: access_denied".into()),
            ),
            (
                "Code: ABCD-EFGH\nerror: code ABCD-EFGH at https://x.y is bad",
                false,
                Failure::Said("error: code … at … is bad".into()),
            ),
            ("error: no\nerror: Device code expired", false, Failure::Expired),
        ] {
            let heard = talk(&Way::of(Method::BuilderId), said).0;
            assert_eq!((heard.signed_in(), heard.failure()), (signed_in, failure), "{said}");
            assert!(heard.failure().sentence().ends_with(|c: char| c == '.' || c.is_alphanumeric()));
        }
    }

    #[test]
    fn a_run_is_judged_by_the_same_texts() {
        // A5: the runner's table stands in a workspace that this one can't use, and the wire between is no place for it.
        let runners = include_str!("../../../../container/agent-runner/src/cause.rs");
        for text in NO_BROWSER {
            assert!(runners.contains(&format!("\"{text}\"")), "{text}");
        }
    }

    #[test]
    fn only_expected_addresses() {
        // K2
        let way = identity_center("https://sso.acme.example/start");
        for (url, ok) in [
            ("https://view.awsapps.com/start", true),
            ("https://oidc.us-east-1.amazonaws.com/authorize?x", true),
            ("https://app.kiro.dev", true),
            ("https://SSO.ACME.example/x", true),
            ("https://github.com/login/device", true),
            ("http://view.awsapps.com/start", false),
            ("https://awsapps.com.evil.example/", false),
            ("https://evilawsapps.com/", false),
            ("https://view.awsapps.com@evil.example/", false),
            ("https://evil.example\\.awsapps.com/", false),
            ("https://evil.example#.awsapps.com/", false),
            ("https://view.awsapps.com:8443/", false),
            ("https://xn--evil.example/", false),
            ("https://vıew.awsapps.com/", false),
            ("javascript:alert(1)", false),
            ("https://", false),
        ] {
            assert_eq!(way.leads_to(url), ok, "{url}");
        }
    }

    #[test]
    fn arguments() {
        // K2
        let check = |way: &Way, browser, expect: &str| assert_eq!(way.arguments(browser).join(" "), expect);
        check(&Way::of(Method::BuilderId), false, "login --license free --use-device-flow");
        check(&Way::of(Method::BuilderId), true, "login --license free");
        check(&Way::of(Method::Github), false, "login --social github --use-device-flow");
        check(
            &identity_center(START),
            false,
            "login --license pro --identity-provider https://acme.awsapps.com/start --region eu-west-1 --use-device-flow",
        );
    }

    #[test]
    fn nothing_secret_is_in_debug_output() {
        let heard = talk(&Way::of(Method::BuilderId), "Code: ABCD-EFGH\n").0;
        assert!(!format!("{:?}", heard.offer()).contains("ABCD"));
    }
}
