//! Texts that a spreadsheet wrapped to keep it from reading them: `="0010"`, `'0010`.

/// Whether a text is wrapped.
pub(crate) fn is_wrapped(text: &str) -> bool {
    text.strip_prefix("=\"").is_some_and(|rest| rest.ends_with('"')) || (text.len() > 1 && text.starts_with('\''))
}
