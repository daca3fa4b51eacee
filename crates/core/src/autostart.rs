//! The system's entry that starts NanoClaw at login (T5): read as text, so that somebody else's entry of our name is not
//! taken for ours.
//!
//! On Linux a `.desktop` file, on macOS a launch agent's `.plist`. Must not touch files; `host::autostart` does.

/// The entry's name, so that `launchctl list | grep nanoclaw` shows it (seed, Healthy signs).
pub const NAME: &str = "com.nanoclaw";
/// What an entry of ours starts its program with.
pub const AT_LOGIN: &str = "--login";

/// Whose entry it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// There is none, or it is switched off.
    Off,
    Ours,
    /// It starts another program: the old service's, or a NanoClaw elsewhere.
    Other {
        program: String,
    },
}

/// Reads an entry. `own` is the program that an entry of ours starts.
pub fn read(entry: &str, own: &str) -> Entry {
    let is_off = |line: &str| matches!(line.trim(), "Hidden=true" | "X-GNOME-Autostart-enabled=false");
    if entry.lines().any(is_off) {
        return Entry::Off;
    }
    match exec(entry).or_else(|| launched(entry)) {
        Some(program) if program == own => Entry::Ours,
        program => Entry::Other { program: program.unwrap_or_else(|| "unknown".to_owned()) },
    }
}

/// An entry that starts `program`: a launch agent's, or a `.desktop` file.
pub fn entry(program: &str, is_launch_agent: bool) -> String {
    if !is_launch_agent {
        let text =
            format!("[Desktop Entry]\nType=Application\nName={NAME}\nExec=\nStartupNotify=false\nTerminal=false\n");
        return with_exec(&text, program, AT_LOGIN);
    }
    let marks = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;")];
    let escaped = marks.into_iter().fold(program.to_owned(), |text, (c, mark)| text.replace(c, mark));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n  <key>Label</key>\n  <string>{NAME}</string>\n  <key>ProgramArguments</key>\n  \
         <array><string>{escaped}</string><string>{AT_LOGIN}</string></array>\n  <key>RunAtLoad</key>\n  <true/>\n</dict>\n</plist>\n"
    )
}

/// A `.desktop` file with its program written so that a path with spaces and the like stays one path: the plugin writes it
/// as it is (facts/tauri.md).
pub fn with_exec(entry: &str, program: &str, arguments: &str) -> String {
    let escaped = program.chars().fold(String::new(), |mut text, c| {
        match c {
            // Once as a part of a quoted argument, once as a part of a string.
            '\\' => text.push_str(r"\\\\"),
            '"' | '`' | '$' => text.extend(['\\', '\\', c]),
            '%' => text.push_str("%%"),
            c => text.push(c),
        }
        text
    });
    let line = |line: &str| match line.starts_with("Exec=") {
        true => format!("Exec=\"{escaped}\" {arguments}\n"),
        false => format!("{line}\n"),
    };
    entry.lines().map(line).collect()
}

/// The program of a `.desktop` file's `Exec`, by the Desktop Entry specification.
fn exec(entry: &str) -> Option<String> {
    let value = entry.lines().find_map(|line| line.strip_prefix("Exec="))?;
    let mut characters = unescaped(value.trim()).chars().collect::<Vec<_>>().into_iter();
    let mut program = String::new();
    let mut quoted = false;
    while let Some(c) = characters.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => program.extend(characters.next()),
            c if c.is_whitespace() && !quoted => break,
            c => program.push(c),
        }
    }
    Some(program.replace("%%", "%"))
}

/// A string of a `.desktop` file, without its escapes.
fn unescaped(value: &str) -> String {
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match (c, if c == '\\' { characters.next() } else { None }) {
            ('\\', Some('s')) => text.push(' '),
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('t')) => text.push('\t'),
            ('\\', Some('r')) => text.push('\r'),
            ('\\', next) => text.extend(next),
            (c, _) => text.push(c),
        }
    }
    text
}

/// The program of a launch agent: `Program`, else the first of `ProgramArguments`.
fn launched(entry: &str) -> Option<String> {
    let after = |key: &str| entry.split_once(&format!("<key>{key}</key>")).map(|(_, rest)| rest);
    let rest = after("Program").or_else(|| after("ProgramArguments"))?;
    let (_, value) = rest.split_once("<string>")?;
    let (value, _) = value.split_once("</string>")?;
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(marks.into_iter().fold(value.trim().to_owned(), |text, (mark, c)| text.replace(mark, c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desktop(exec: &str) -> String {
        format!("[Desktop Entry]\nType=Application\nName=com.nanoclaw\nExec={exec}\nTerminal=false")
    }

    fn agent(programs: &str) -> String {
        format!("<plist><dict>\n<key>Label</key><string>com.nanoclaw</string>\n{programs}\n</dict></plist>")
    }

    #[test]
    fn an_entry_is_ours_only_if_it_starts_us() {
        // T5
        let own = "/opt/Nano & Claw/nanoclaw";
        let other = |program: &str| Entry::Other { program: program.to_owned() };
        let arguments = |program: &str| {
            agent(&format!(
                "<key>ProgramArguments</key>\n<array><string>{program}</string><string>--login</string></array>"
            ))
        };
        for (entry, expect) in [
            (desktop(r#""/opt/Nano & Claw/nanoclaw" --login"#), Entry::Ours),
            (format!("{}\nHidden=true", desktop(r#""/opt/Nano & Claw/nanoclaw""#)), Entry::Off),
            (format!("{}\nX-GNOME-Autostart-enabled=false", desktop("/x")), Entry::Off),
            (desktop("/opt/Nano & Claw/nanoclaw --login"), other("/opt/Nano")),
            (desktop("/usr/bin/node /opt/old/dist/index.js"), other("/usr/bin/node")),
            (arguments("/opt/Nano &amp; Claw/nanoclaw"), Entry::Ours),
            (arguments("/usr/local/bin/node"), other("/usr/local/bin/node")),
            (agent("<key>Program</key><string>/opt/Nano &amp; Claw/nanoclaw</string>"), Entry::Ours),
            (agent(""), other("unknown")),
            (String::new(), other("unknown")),
        ] {
            assert_eq!(read(&entry, own), expect, "{entry}");
        }
    }

    #[test]
    fn any_path_survives_the_way_into_an_entry_and_back() {
        // T5
        for own in ["/usr/bin/nanoclaw", "/a b/nano claw", r#"/we"ird\$`100%/n"#, "/ä/\u{202e}x"] {
            let entry = with_exec(&desktop(&format!("{own} --login")), own, "--login");
            assert_eq!(read(&entry, own), Entry::Ours, "{entry}");
            assert!(entry.contains("\" --login\nTerminal=false\n"), "{entry}");
            for is_launch_agent in [false, true] {
                assert_eq!(read(&super::entry(own, is_launch_agent), own), Entry::Ours, "{own}");
            }
        }
    }
}
