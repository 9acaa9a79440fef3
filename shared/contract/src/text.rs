//! Characters that nobody sees, which neither a file nor a contract may tell values apart by.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Whether nobody sees a character, so that it is taken out of texts: the zero-width space, the word joiner, the byte order
/// mark. A `key` loses more of them: joiners, soft hyphens, fillers and variation selectors, which other texts may need.
pub fn is_invisible(c: char, key: bool) -> bool {
    matches!(c, '\u{200B}' | '\u{2060}' | '\u{FEFF}')
        || key
            && matches!(
                c,
                '\u{AD}'
                    | '\u{34F}'
                    | '\u{115F}'
                    | '\u{1160}'
                    | '\u{17B4}'
                    | '\u{17B5}'
                    | '\u{180B}'..='\u{180F}'
                    | '\u{200C}'
                    | '\u{200D}'
                    | '\u{2061}'..='\u{2064}'
                    | '\u{206A}'..='\u{206F}'
                    | '\u{3164}'
                    | '\u{FE00}'..='\u{FE0F}'
                    | '\u{FFA0}'
                    | '\u{FFF9}'..='\u{FFFB}'
                    | '\u{1D173}'..='\u{1D17A}'
                    | '\u{E0000}'..='\u{E0FFF}'
            )
}

/// Whether a character has no place in a text: control characters but tab and line ends, and those that turn the direction
/// of the text.
pub fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
        || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a name is one of ours: small letters, digits and `_`, a letter first, as long as PostgreSQL's names.
pub(crate) fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 63
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A contract's text with its accents composed (NFC) and without invisible characters; `None` if it is so already.
pub(crate) fn composed(text: &str) -> Option<String> {
    let plain = !text.chars().any(|c| is_invisible(c, false)) && is_nfc_quick(text.chars()) == IsNormalized::Yes;
    (!plain).then(|| text.chars().filter(|c| !is_invisible(*c, false)).nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_composed_without_what_nobody_sees() {
        for (text, expected) in
            [("Annulée", None), ("Annule\u{301}e", Some("Annulée")), ("\u{feff}A\u{200b}", Some("A")), ("", None)]
        {
            assert_eq!(composed(text).as_deref(), expected, "{text:?}");
        }
    }
}
