//! Sentences for people have a bound: what they quote from a file or a name may be of any length.

/// The most characters of an error's message, or of a reject's.
pub const LONGEST: usize = 500;

/// A text of at most `most` characters; one that is cut ends in `…`.
///
/// ```
/// assert_eq!(fonderie_core::sentence::bounded("abcdef".to_owned(), 4), "abc…");
/// ```
pub fn bounded(mut text: String, most: usize) -> String {
    // Bytes are never fewer than characters.
    if text.len() > most && text.chars().nth(most).is_some() {
        let end = text.char_indices().nth(most.saturating_sub(1)).map_or(0, |(at, _)| at);
        text.truncate(end);
        text.push('…');
        // Many of them may wait together.
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        let text = "é".repeat(500);
        assert_eq!(bounded(text.clone(), 500), text);
        let cut = bounded(format!("{text}é"), 500);
        assert_eq!((cut.chars().count(), cut.chars().last()), (500, Some('…')));
        assert_eq!(bounded(String::new(), 1), "");
    }

    #[test]
    fn what_is_cut_off_takes_no_memory() {
        assert!(bounded("x".repeat(1 << 20), 500).capacity() < 1_000);
    }
}
