//! A secret in memory, with the labels' rules of Secrets Manager, and with accidents.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_warehouse::{Label, SecretStore};

/// A secret. Its clones are the same secret; its `Debug` form has no text.
#[derive(Clone, Default)]
pub struct MemorySecret {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Of each version its text, if it has one yet, and its labels.
    versions: BTreeMap<String, (Option<String>, Vec<String>)>,
    reads: usize,
    /// The next change is made, and its caller told that it was not.
    lose_the_answer: bool,
}

impl MemorySecret {
    /// A secret whose current version has this text.
    pub fn with(text: &str) -> Self {
        let secret = Self::default();
        secret.state().versions.insert("first".to_owned(), (Some(text.to_owned()), vec![Label::Current.name().into()]));
        secret
    }

    /// What Secrets Manager does before it calls for a rotation: a version without text that is pending.
    pub fn begin_rotation(&self, version: &str) {
        let mut state = self.state();
        state.versions.entry(version.to_owned()).or_default();
        state.give(Label::Pending, version);
    }

    /// How often a text was asked for since this was called last.
    pub fn take_reads(&self) -> usize {
        std::mem::take(&mut self.state().reads)
    }

    /// The next change happens, but the one who asked for it is cut off before the answer.
    pub fn lose_the_next_answer(&self) {
        self.state().lose_the_answer = true;
    }

    /// The text of the version that has the label.
    pub fn text(&self, label: Label) -> Option<String> {
        self.state().labelled(label).and_then(|(_, text)| text)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemorySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySecret").finish_non_exhaustive()
    }
}

impl State {
    fn labelled(&self, label: Label) -> Option<(String, Option<String>)> {
        let found = self.versions.iter().find(|(_, (_, labels))| labels.iter().any(|name| name == label.name()));
        found.map(|(version, (text, _))| (version.clone(), text.clone()))
    }

    /// Moves a label; the version that was current becomes the previous one.
    fn give(&mut self, label: Label, version: &str) {
        if label == Label::Current
            && let Some((last, _)) = self.labelled(Label::Current)
            && last != version
        {
            self.give(Label::Previous, &last);
        }
        for (name, (_, labels)) in &mut self.versions {
            labels.retain(|known| known != label.name());
            if name == version {
                labels.push(label.name().to_owned());
            }
        }
    }

    fn answer(&mut self) -> Result<()> {
        if std::mem::take(&mut self.lose_the_answer) {
            return Err(StageError::new(ErrorCode::ServiceUnavailable, "the answer was lost"));
        }
        Ok(())
    }
}

impl SecretStore for MemorySecret {
    fn arn(&self) -> &str {
        "arn:aws:secretsmanager:eu-west-1:000000000000:secret:fonderie-test-pipeline-Ab12Cd"
    }

    async fn value(&self, label: Label) -> Result<Option<String>> {
        self.state().reads += 1;
        Ok(self.text(label))
    }

    async fn versions(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let state = self.state();
        Ok(state.versions.iter().map(|(version, (_, labels))| (version.clone(), labels.clone())).collect())
    }

    async fn put(&self, version: &str, label: Label, text: &str) -> Result<()> {
        let mut state = self.state();
        let held = &mut state.versions.entry(version.to_owned()).or_default().0;
        if held.is_none() {
            *held = Some(text.to_owned());
            state.give(label, version);
        }
        state.answer()
    }

    async fn make_current(&self, version: &str, instead_of: Option<&str>) -> Result<()> {
        let mut state = self.state();
        if state.labelled(Label::Current).map(|(version, _)| version).as_deref() != instead_of {
            return Err(StageError::new(ErrorCode::SettingsInvalid, "another version is current"));
        }
        state.give(Label::Current, version);
        state.answer()
    }
}
