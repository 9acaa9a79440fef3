//! Characters that nobody sees, which neither a file nor a contract may tell values apart by.

use std::borrow::Cow;

use unicode_normalization::char::is_combining_mark;
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

/// A name without what nobody sees in it: accents composed, invisible characters out, each run of white space (line breaks
/// too) one space, none around.
pub fn fold_space(name: &str) -> Cow<'_, str> {
    let one_space = !name.contains(|c: char| c.is_whitespace() && c != ' ')
        && !name.contains("  ")
        && !name.starts_with(' ')
        && !name.ends_with(' ');
    if one_space && name.chars().all(|c| c < '\u{300}' && !is_invisible(c, true)) {
        return Cow::Borrowed(name);
    }
    let visible: String = name.chars().filter(|c| !is_invisible(*c, true)).collect();
    Cow::Owned(visible.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect())
}

/// A name by which two spellings of it are the same: as [`fold_space`], lower case, without accents, ligatures in two letters.
pub fn fold_name(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for c in name.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            'ß' => folded.push_str("ss"),
            c => folded.push(c),
        }
    }
    fold_space(&folded).into_owned()
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
