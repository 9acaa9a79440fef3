//! Texts as they are stored and names as they are compared: one composition of accents, no invisible characters, no white
//! space around.

use std::borrow::Cow;

use fonderie_contract::{is_control, is_invisible};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::problem::Problem;

/// A text as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cleaned<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Whether it lost invisible characters or its accents were composed. White space around does not count.
    pub(crate) changed: bool,
}

/// Trims a text, composes its accents (NFC) and takes out the characters that nobody sees ([`is_invisible`]). In a `key` with
/// white space that is no plain space, such as a tab or a line end, all its white space becomes single plain spaces.
///
/// # Errors
/// [`Problem::ControlCharacter`] for a control character other than tab and line ends, or one that turns the direction of
/// the text; [`Problem::Encoding`] for U+FFFD, in place of a character that is lost.
pub(crate) fn clean(text: &str, key: bool) -> Result<Cleaned<'_>, Problem> {
    // The common case, without a branch per byte.
    if text.bytes().fold(true, |plain, byte| plain & (0x20..0x7F).contains(&byte)) {
        return Ok(Cleaned { text: Cow::Borrowed(text.trim()), changed: false });
    }
    // Western letters, composed, with nothing else than spaces between them.
    if text.chars().all(|c| matches!(c, ' '..='~' | '\u{A1}'..='\u{AC}' | '\u{AE}'..FIRST_MARK)) {
        return Ok(Cleaned { text: Cow::Borrowed(text.trim()), changed: false });
    }
    if let Some(c) = text.chars().find(|c| is_control(*c) || *c == '\u{FFFD}') {
        return Err(if c == '\u{FFFD}' { Problem::Encoding } else { Problem::ControlCharacter(c) });
    }
    let trimmed = text.trim();
    let odd_space = |c: char| key && c.is_whitespace() && c != ' ';
    let odd = trimmed.chars().any(|c| is_invisible(c, key) || odd_space(c));
    if !odd && is_nfc_quick(trimmed.chars()) == IsNormalized::Yes {
        return Ok(Cleaned { text: Cow::Borrowed(trimmed), changed: false });
    }
    let composed: String = trimmed.chars().filter(|c| !is_invisible(*c, key)).nfc().collect();
    let composed = if composed.contains(odd_space) { single_spaces(&composed) } else { composed };
    Ok(if composed == trimmed {
        Cleaned { text: Cow::Borrowed(trimmed), changed: false }
    } else {
        Cleaned { text: Cow::Owned(composed.trim().to_owned()), changed: true }
    })
}

fn single_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first combining mark: a text of characters before it is composed.
const FIRST_MARK: char = '\u{300}';

#[cfg(test)]
mod tests {
    use fonderie_contract::{fold_name, fold_space};
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, key: bool, expected: &str, changed: bool) {
        assert_eq!(clean(text, key), Ok(Cleaned { text: expected.into(), changed }), "{text:?}");
    }

    #[test]
    fn what_nobody_sees_goes_and_accents_are_composed() {
        check(" P11 ", true, "P11", false);
        check("\u{a0}Zoé\u{202f}", true, "Zoé", false);
        check("Zoe\u{301}", false, "Zoé", true);
        check("P\u{200b}1\u{2060}1\u{feff}", true, "P11", true);
        // A mark and its letter are composed across what stood between them.
        check("e\u{200b}\u{301}", false, "é", true);
        check("\u{200b} P11 \u{feff}", true, "P11", true);
        check("\u{feff}\u{200b}", true, "", true);
        check("م\u{200c}ی", false, "م\u{200c}ی", false);
        check("م\u{200c}ی", true, "می", true);
        check("5 \u{212b}", false, "5 Å", true);
        check("P\u{ad}11\u{fe0f}\u{3164}", true, "P11", true);
        check("P\u{a0}1\u{2009}1", true, "P 1 1", true);
        check("P\t1\r\n1", true, "P 1 1", true);
        check("P\u{e9}\t1", true, "P\u{e9} 1", true);
        check("P\u{a0}1\u{ad}1", false, "P\u{a0}1\u{ad}1", false);
        check("L’Île à 12 €", true, "L’Île à 12 €", false);
        check("a\tb\r\nc", false, "a\tb\r\nc", false);
    }

    #[test]
    fn control_characters_are_refused_wherever_they_stand() {
        for c in ['\0', '\u{1f}', '\u{7f}', '\u{85}', '\u{9f}', '\u{61c}', '\u{200e}', '\u{202e}', '\u{2069}'] {
            for text in [format!("P{c}11"), format!("é{c}"), format!("{c}")] {
                assert_eq!(clean(&text, true), Err(Problem::ControlCharacter(c)), "{text:?}");
            }
        }
    }

    #[test]
    fn a_lost_character_is_refused_wherever_it_stands() {
        for text in ["\u{fffd}", "Qu\u{fffd}r\u{fffd}", "é\u{fffd}", " \u{fffd}\u{200b}"] {
            assert_eq!(clean(text, false), Err(Problem::Encoding), "{text:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_are_the_same() {
        for (name, spaced, folded) in [
            ("Date commande", "Date commande", "date commande"),
            (" Date\u{a0}\u{202f}\r\n commande\u{200b} ", "Date commande", "date commande"),
            ("Pre\u{301}nom", "Prénom", "prenom"),
            ("N° D’ŒUVRE", "N° D’ŒUVRE", "n° d’oeuvre"),
            ("STRAẞE", "STRAẞE", "strasse"),
            ("İl", "İl", "il"),
            ("a \u{301} b", "a \u{301} b", "a b"),
            (" \n", "", ""),
        ] {
            assert_eq!((fold_space(name).as_ref(), fold_name(name).as_str()), (spaced, folded), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_is_cleaning_once(text in texts(), key in any::<bool>()) {
            if let Ok(once) = clean(&text, key) {
                prop_assert!(once.changed || once.text == text.trim());
                prop_assert_eq!(clean(&once.text, key), Ok(Cleaned { text: once.text.clone(), changed: false }));
            }
        }

        #[test]
        fn folding_twice_is_folding_once(text in texts()) {
            let (spaced, folded) = (fold_space(&text), fold_name(&text));
            prop_assert_eq!(fold_space(&spaced), spaced.clone());
            prop_assert_eq!(fold_name(&folded), folded.clone());
            prop_assert_eq!(fold_name(&spaced), folded);
        }
    }

    /// Any text, and one of the characters that matter.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[ae \u{a0}\r\n\u{300}\u{301}\u{327}\u{345}\u{200b}-\u{200d}\u{2060}\u{feff}\u{ad}\u{fe0f}\u{2009}éÉŒßİΣς\u{2000}\u{2126}\u{1100}\u{1161}\u{11a8}각]{0,8}"
        ]
    }
}
