//! Kiro's sign-in state: what `kiro-cli whoami` tells, read strictly (K1).

use serde::{Deserialize, Serialize};
use serde_json::Value;

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
}

impl Whoami {
    pub fn missing() -> Self {
        Whoami { state: SignIn::Missing, account: None, text: "kiro-cli was not found.".to_owned() }
    }

    /// # Arguments
    /// `reason`: why it can't be told, as a sentence.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Whoami { state: SignIn::Unknown, account: None, text: reason.into() }
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
            return Whoami { state: SignIn::SignedIn, text: format!("Signed in ({account})."), account: Some(account) };
        }
        let signed_out = first.as_ref().is_some_and(|value| value.get("account").is_some_and(Value::is_null))
            || [stdout, stderr].iter().any(|out| out.contains("Not logged in") || out.contains("not logged in"));
        if exit == Some(1) && signed_out {
            return Whoami { state: SignIn::SignedOut, account: None, text: "Signed out.".to_owned() };
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
}
