//! Kiro's sign-in: what `kiro-cli whoami` tells, read strictly (K1), the ways to sign in (K2) and the modes (K4).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    problem::Trouble,
    settings::{KiroMode, Runtime},
};

pub mod login;
pub(crate) mod status;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    SignedIn,
    SignedOut,
    /// Can't tell; never shown as signed out.
    Unknown,
    /// kiro-cli is not there.
    Missing,
}

/// What is known of one place's sign-in (the host's, or the container's).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whoami {
    pub state: SignIn,
    /// The account's kind and name, in words.
    pub account: Option<String>,
    pub text: String,
    /// How that account signs in; `None` where it doesn't, or in a way that isn't ours.
    pub way: Option<Way>,
}

/// A way to sign in, as a person chooses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Way {
    pub method: Method,
    /// Identity Center's alone: the organisation's own address.
    #[serde(default)]
    pub start_url: Option<String>,
    /// Identity Center's alone, such as `eu-central-1`.
    #[serde(default)]
    pub region: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    BuilderId,
    IdentityCenter,
    Google,
    Github,
}

impl Way {
    pub fn of(method: Method) -> Self {
        Way { method, start_url: None, region: None }
    }

    /// The way as it can be taken: trimmed, with what it needs and nothing else.
    ///
    /// # Errors
    /// [`Trouble::BadLogin`].
    pub fn checked(&self) -> Result<Way, Trouble> {
        let bad = |reason: &str| Err(Trouble::BadLogin { reason: reason.to_owned() });
        if self.method != Method::IdentityCenter {
            return Ok(Way::of(self.method));
        }
        let text = |given: &Option<String>| given.as_deref().unwrap_or_default().trim().to_owned();
        let (start_url, region) = (text(&self.start_url), text(&self.region));
        if start_url.len() > 500 || login::host(&start_url).is_none() {
            return bad(
                "Identity Center needs your organisation's start URL, such as https://example.awsapps.com/start",
            );
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(2..=40).contains(&region.len())
            || !region.starts_with(|c: char| c.is_ascii_lowercase())
            || !region.chars().all(fits)
        {
            return bad("Identity Center needs its region, such as us-east-1");
        }
        Ok(Way { method: self.method, start_url: Some(start_url), region: Some(region) })
    }
}

/// What must not be shown: its `Debug` is empty. It is serialised as it is, for the control socket.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The key as it is kept (K4).
    ///
    /// # Errors
    /// [`Trouble::BadKey`]
    pub fn api_key(&self) -> Result<Secret, Trouble> {
        let key = self.0.trim();
        let fits = (8..=4096).contains(&key.len()) && key.chars().all(|c| c.is_ascii_graphic());
        if fits { Ok(Secret(key.to_owned())) } else { Err(Trouble::BadKey) }
    }
}

impl KiroMode {
    /// What it means for the person, and what it exposes (K4). Without containers nothing can be kept from agents, and Kiro
    /// takes the sign-in that this computer has, also where it is given a key (facts/kiro-cli).
    pub fn meaning(self, runtime: Runtime) -> &'static str {
        match (self, runtime) {
            (KiroMode::Shared, Runtime::Host) => {
                "Agents use your own Kiro sign-in. They run without containers, as you: they can read and change whatever you can. \
                 When they sign out, so do you."
            }
            (KiroMode::Own, Runtime::Host) => {
                "Without containers agents can't have a Kiro sign-in of their own: they use yours, and can read and change whatever \
                 you can. When they sign out, so do you."
            }
            (KiroMode::ApiKey, Runtime::Host) => {
                "Agents use an API key from this computer's key store, unless you are signed in to Kiro yourself: then they use \
                 that. They run without containers, as you: they can read and change whatever you can, and read the key."
            }
            (KiroMode::Shared, Runtime::Docker) => {
                "Agents use your own Kiro sign-in. They can read and change ~/.kiro and kiro-cli's data; the main chat's agent \
                 also ~/.aws, with whatever keys lie there. When they sign out, so do you."
            }
            (KiroMode::Own, Runtime::Docker) => {
                "Agents have a Kiro sign-in of their own, kept in NanoClaw's folder. Nothing of your ~/.kiro, ~/.aws and \
                 kiro-cli's data is shown to them. Sign in once for them."
            }
            (KiroMode::ApiKey, Runtime::Docker) => {
                "Agents use an API key from this computer's key store. Nothing of your ~/.kiro, ~/.aws and kiro-cli's data is \
                 shown to them, but each agent can read the key while it works."
            }
        }
    }
}

impl Whoami {
    pub fn missing() -> Self {
        Whoami { state: SignIn::Missing, account: None, text: "kiro-cli was not found.".to_owned(), way: None }
    }

    /// # Arguments
    /// `reason`: why it can't be told, as a sentence.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Whoami { state: SignIn::Unknown, account: None, text: reason.into(), way: None }
    }

    /// Reads what `kiro-cli whoami -f json` gave (facts/kiro-cli): its exit code, stdout and stderr. After the first JSON
    /// value lines of a profile may follow; anything that is neither signed in nor signed out is "can't tell".
    pub fn read(exit: Option<i32>, stdout: &str, stderr: &str) -> Self {
        let first = serde_json::Deserializer::from_str(stdout).into_iter::<Value>().next().and_then(Result::ok);
        let text_of = |key: &str| first.as_ref().and_then(|value| value.get(key)).and_then(Value::as_str);
        if exit == Some(0) && text_of("accountType").is_some() {
            let kind = match text_of("accountType").unwrap_or_default() {
                "BuilderId" => "Builder ID",
                "IamIdentityCenter" => "Identity Center",
                "Social" => text_of("provider").unwrap_or("social sign-in"),
                "ExternalIdP" => "external sign-in",
                "ApiKey" => "API key",
                other => other,
            };
            let account = [Some(kind), text_of("email"), text_of("startUrl"), text_of("region")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", ");
            let method = match (text_of("accountType"), text_of("provider")) {
                (Some("BuilderId"), _) => Some(Method::BuilderId),
                (Some("IamIdentityCenter"), _) => Some(Method::IdentityCenter),
                (Some("Social"), Some(name)) if name.eq_ignore_ascii_case("google") => Some(Method::Google),
                (Some("Social"), Some(name)) if name.eq_ignore_ascii_case("github") => Some(Method::Github),
                _ => None,
            };
            let text = |key| text_of(key).map(str::to_owned);
            let way = method.map(|method| Way { method, start_url: text("startUrl"), region: text("region") });
            let way = way.and_then(|way| way.checked().ok());
            let text = format!("Signed in ({account}).");
            return Whoami { state: SignIn::SignedIn, text, account: Some(account), way };
        }
        let signed_out = first.as_ref().is_some_and(|value| value.get("account").is_some_and(Value::is_null))
            || [stdout, stderr].iter().any(|out| out.contains("Not logged in") || out.contains("not logged in"));
        if exit == Some(1) && signed_out {
            return Whoami { state: SignIn::SignedOut, account: None, text: "Signed out.".to_owned(), way: None };
        }
        let said = [stderr, stdout].iter().flat_map(|out| out.lines()).map(str::trim).find(|line| !line.is_empty());
        Whoami::unknown(match said {
            Some(line) => format!("Can't tell: {}", line.chars().take(200).collect::<String>()),
            None => "Can't tell: kiro-cli said nothing.".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_in_signed_out_or_cant_tell() {
        // K1
        use SignIn::*;
        for (exit, stdout, stderr, state, account) in [
            (Some(0), r#"{"accountType":"BuilderId","email":"a@b.c"}"#, "", SignedIn, Some("Builder ID, a@b.c")),
            (
                Some(0),
                "{\"accountType\":\"IamIdentityCenter\",\"startUrl\":\"https://x.awsapps.com/start\",\"region\":\"eu-west-1\"}\nProfile:\nname\narn:aws:x\n",
                "",
                SignedIn,
                Some("Identity Center, https://x.awsapps.com/start, eu-west-1"),
            ),
            (
                Some(0),
                r#"{"accountType":"Social","provider":"Google","email":"a@b.c"}"#,
                "",
                SignedIn,
                Some("Google, a@b.c"),
            ),
            (Some(1), r#"{"account":null}"#, "", SignedOut, None),
            (Some(1), "", "error: Not logged in. Set the KIRO_API_KEY …", SignedOut, None),
            (Some(1), "", "error: dispatch failure", Unknown, None),
            (Some(0), "hello", "", Unknown, None),
            (None, "", "", Unknown, None),
        ] {
            let read = Whoami::read(exit, stdout, stderr);
            assert_eq!((read.state, read.account.as_deref()), (state, account), "{stdout} {stderr}");
        }
    }

    #[test]
    fn a_way_is_checked() {
        // K2
        let center = |start_url: &str, region: &str| Way {
            method: Method::IdentityCenter,
            start_url: Some(start_url.to_owned()),
            region: Some(region.to_owned()),
        };
        for (way, ok) in [
            (Way::of(Method::BuilderId), true),
            (center(" https://x.awsapps.com/start ", " eu-west-1 "), true),
            (Way::of(Method::IdentityCenter), false),
            (center("http://x.awsapps.com/start", "eu-west-1"), false),
            (center("https://x.awsapps.com/start", "Mars; rm -rf"), false),
            (center("https://x.awsapps.com/start", "--help"), false),
            (center("https://a@b.example/", "eu-west-1"), false),
        ] {
            assert_eq!(way.checked().is_ok(), ok, "{way:?}");
        }
        let given = Way { start_url: Some("x".into()), ..Way::of(Method::Google) };
        assert_eq!(given.checked().unwrap(), Way::of(Method::Google));
    }

    #[test]
    fn a_mode_promises_no_wall_where_there_is_none() {
        // K4
        for mode in [KiroMode::Shared, KiroMode::Own, KiroMode::ApiKey] {
            let (walled, bare) = (mode.meaning(Runtime::Docker), mode.meaning(Runtime::Host));
            assert!(walled.contains("~/.aws"), "{walled}");
            assert!(bare.contains("without containers") || bare.contains("Without containers"), "{bare}");
            assert!(bare.contains("whatever you can") && !bare.contains("~/.aws"), "{bare}");
        }
    }

    #[test]
    fn a_key_is_one_line_of_its_kind() {
        // K4
        for (typed, ok) in [
            ("  ksk-0123456789\n", true),
            ("", false),
            ("two words here", false),
            ("ksk", false),
            ("a\nb-long-enough", false),
        ] {
            assert_eq!(Secret(typed.to_owned()).api_key().is_ok(), ok, "{typed}");
        }
    }
}
