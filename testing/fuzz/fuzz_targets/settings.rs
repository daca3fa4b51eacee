//! settings.json and the environment: never a crash, and every value that is used is one that is allowed.

#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use nanoclaw_core::settings::Settings;

fuzz_target!(|input: (&str, &str, &str)| {
    let (file, name, value) = input;
    let file = serde_json::from_str(file).unwrap_or_default();
    let environment = |asked: &str| (asked == name).then(|| value.to_owned());
    let (settings, troubles) = Settings::resolve(&file, environment, TimeZone::UTC);
    assert!(settings.max_containers >= 1);
    assert!(!settings.assistant_name.is_empty() && !settings.agent_image.is_empty());
    for trouble in troubles {
        assert!(!trouble.problem().text.is_empty());
    }
});
