//! Texts that a spreadsheet wrapped to keep it from reading them: `="0010"`, `'0010`.

/// The text within a wrapper.
pub(crate) fn inner(text: &str) -> Option<&str> {
    let quoted = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).filter(|inner| !inner.contains('"'));
    quoted.or_else(|| text.strip_prefix('\'').filter(|rest| !rest.is_empty()))
}

/// Whether a text is wrapped.
pub(crate) fn is_wrapped(text: &str) -> bool {
    text.strip_prefix("=\"").is_some_and(|rest| rest.ends_with('"')) || (text.len() > 1 && text.starts_with('\''))
}
