//! Whose sign-in agents use, and the API key (K4).

use nanoclaw_core::{
    command::Answer,
    kiro::{Secret, SignIn},
    problem::Trouble,
    queue::Event,
    settings::KiroMode,
};

use super::State;
use crate::{
    bootstrap::bootstrap,
    kiro::{Asker, ToKiro},
    orchestrator::commands::json_of,
    settings,
};

impl State {
    pub(super) fn read_key(&mut self) {
        if self.settings.kiro_mode == KiroMode::ApiKey && self.send_kiro(ToKiro::ReadKey) {
            (self.kiro.has_key, self.sign_in.reading_key) = (true, true);
        }
    }

    /// Where the key store could not be read it may be open by now. It may ask its user, so only where somebody waits for it.
    /// Whether it is read.
    pub(super) fn read_key_again(&self) -> bool {
        let failed = self.recorded.iter().any(|trouble| matches!(trouble, Trouble::NoKeyStore { .. }));
        failed && !self.sign_in.reading_key && self.send_kiro(ToKiro::ReadKey)
    }

    /// What secrets a run is given, by stdin alone (R3, K4).
    pub(in crate::orchestrator) fn secrets(&self) -> std::collections::BTreeMap<String, String> {
        let key = self.sign_in.key.as_ref().filter(|_| self.settings.kiro_mode == KiroMode::ApiKey);
        key.map(|key| (crate::kiro::KEY.to_owned(), key.0.clone())).into_iter().collect()
    }

    /// K4
    pub(in crate::orchestrator) async fn kiro_mode(&mut self, mode: KiroMode, yes: bool) -> Answer {
        const SETTING: &str = "KIRO_MODE";
        if mode == self.settings.kiro_mode {
            return json_of(&self.kiro);
        }
        if !yes {
            let meaning = mode.meaning(self.settings.runtime);
            let what = format!("change whose Kiro sign-in agents use. {meaning} Chats and messages stay");
            return Err(Trouble::NeedsYes { what });
        }
        let name =
            serde_json::to_value(mode).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        let shown = settings::get(&self.home, Some(SETTING))?;
        if shown.iter().any(|shown| shown.source == settings::Source::Environment) {
            return Err(Trouble::SettingFixed { key: SETTING.to_owned() });
        }
        let shown = settings::set(&self.home, SETTING, &name)?;
        self.used.insert(shown.name, shown.value);
        self.drop_login();
        tracing::info!(mode = name, "Whose Kiro sign-in agents use was changed");
        self.settings.kiro_mode = mode;
        self.kiro.mode = mode;
        (self.kiro.container, self.kiro.login) = (None, None);
        // The key store matters to the mode that uses it; one that is asked again says so again.
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::NoKeyStore { .. }));
        bootstrap(&self.home.places(), &self.settings);
        self.check_kiro_files();
        // Of this one nothing is known yet, and without its key nothing starts; another's key is not waited for.
        self.sign_in.reading_key = false;
        self.read_key();
        self.tell_ready().await;
        self.tell_queue(Event::SignIn(SignIn::Unknown)).await;
        self.tell_queue(Event::SignedInAnew).await;
        // Those that live have the other sign-in: they finish what they are at, and the next ones have this.
        for run in self.runs.keys().cloned().collect::<Vec<_>>() {
            self.close_run(&run);
        }
        self.check_kiro();
        json_of(&self.kiro)
    }

    /// What is kept is known, or was changed.
    pub(super) async fn kiro_key_read(&mut self, key: Option<Secret>, trouble: Option<Trouble>, asker: Option<Asker>) {
        let known = self.sign_in.key.take();
        // A store that can't be read has not lost what was read before.
        let key = if trouble.is_some() { key.or_else(|| known.clone()) } else { key };
        self.recorded.retain(|trouble| !matches!(trouble, Trouble::NoKeyStore { .. }));
        if self.settings.kiro_mode == KiroMode::ApiKey {
            self.recorded.extend(trouble.clone());
        }
        if asker.is_none() && !self.sign_in.reading_key && key == known {
            self.sign_in.key = known;
            return;
        }
        self.kiro.has_key = key.is_some();
        self.tell_queue(Event::SignedInAnew).await;
        (self.sign_in.key, self.sign_in.reading_key) = (key, false);
        self.kiro.container = self.kiro.container.take().filter(|_| self.settings.kiro_mode != KiroMode::ApiKey);
        self.check_kiro();
        self.tell_ready().await;
        if let Some(asker) = asker {
            // It may have gone.
            let _ = asker.send(trouble.map_or_else(|| json_of(&self.kiro), Err));
        }
    }
}
