//! What people and software write for "nothing".

/// Words for "nothing", in small letters.
const WORDS: [&str; 46] = [
    "null",
    "(null)",
    "<null>",
    "[null]",
    "none",
    "(none)",
    "<none>",
    "nil",
    "nan",
    "nat",
    "n/a",
    "<na>",
    "#na",
    "n.a.",
    "n/d",
    "n.d.",
    "\\n",
    "vide",
    "(vide)",
    "blank",
    "(blank)",
    "(empty)",
    "néant",
    "neant",
    "(néant)",
    "aucun",
    "aucune",
    "#n/a",
    "#n/d",
    "#nv",
    "#nd",
    "n.a",
    "n / a",
    "undefined",
    "undef",
    "n/r",
    "n.r.",
    "n/c",
    "n.c.",
    "non renseigné",
    "non renseignée",
    "non renseigne",
    "inconnu",
    "inconnue",
    "unknown",
    "sans objet",
];

/// The length of the longest word, in bytes.
const LONGEST: usize = 16;

/// Names of two letters, unless all are small or all are capitals: Na is a person's.
const EXACT: [&str; 4] = ["na", "NA", "nd", "ND"];

/// Whether a text is what people and software write for "nothing", or a spreadsheet's error: to be declared, or refused if it
/// would identify a row, be an amount, a number or a date.
pub(crate) fn means_nothing(text: &str) -> bool {
    let filler = |c: char| matches!(c, '-' | '–' | '—' | '_' | '.' | '…' | '?' | '*' | '/' | '#' | ' ');
    let same = |word: &&str| {
        word.len() == text.len()
            && (text.eq_ignore_ascii_case(word) || !text.is_ascii() && text.to_lowercase() == **word)
    };
    // Most texts are told apart by their first letter.
    if text.len() <= LONGEST
        && text.bytes().next().is_some_and(|first| b"nN(<[#\\vVbBaAuUiIsS".contains(&first))
        && (EXACT.contains(&text) || WORDS.iter().any(same))
    {
        return true;
    }
    is_spreadsheet_error(text) || text.chars().all(filler)
}

/// Whether a text is a spreadsheet's error in any language: `#REF!`, `#DIV/0!`, `#NOM?`, `#¡VALOR!`.
fn is_spreadsheet_error(text: &str) -> bool {
    let Some(word) = text.strip_prefix('#') else { return false };
    let letter = |c: char| c.is_uppercase() || matches!(c, '/' | '0' | '_' | '\u{a1}' | '\u{bf}');
    let letters = |word: &str| word.len() > 1 && word.chars().all(letter);
    word.strip_suffix(['!', '?']).is_some_and(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_one_in_any_case_and_nothing_near_it_is() {
        for word in WORDS {
            assert!(word.len() <= LONGEST && means_nothing(word) && means_nothing(&word.to_uppercase()), "{word}");
            assert!(!means_nothing(&format!("{word}x")) && !means_nothing(&format!("x{word}")), "{word}");
        }
        for text in [
            "",
            "-",
            "—",
            "?",
            "----",
            "####",
            "#REF!",
            "#DIV/0!",
            "#NOM?",
            "#\u{a1}VALOR!",
            "#ÜBERLAUF!",
            "…",
            "NA",
            "nd",
        ] {
            assert!(means_nothing(text), "{text}");
        }
        for text in ["Na", "Nd", "0", "00", "A-1", "Nadia", "#1", "#Ref!", "Vidé"] {
            assert!(!means_nothing(text), "{text}");
        }
    }
}
