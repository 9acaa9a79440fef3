//! Months by their names, French and English, in full and abbreviated.

/// The names without accents; `jui` could be two months.
const NAMES: [&[&str]; 12] = [
    &["janvier", "january", "janv", "jan"],
    &["fevrier", "february", "fevr", "fev", "feb"],
    &["mars", "march", "mar"],
    &["avril", "april", "avr", "apr"],
    &["mai", "may"],
    &["juin", "june", "jun"],
    &["juillet", "july", "juill", "juil", "jul"],
    &["aout", "august", "aou", "aug"],
    &["septembre", "september", "sept", "sep"],
    &["octobre", "october", "oct"],
    &["novembre", "november", "nov"],
    &["decembre", "december", "dec"],
];

/// The month, from 1, whose name begins the text, and what follows its letters; case and accents do not matter.
pub(crate) fn by_name(text: &str) -> Option<(u32, &str)> {
    let letter = |c: char| c.is_alphabetic() || is_accent(c);
    let (name, rest) = text.split_at(text.find(|c| !letter(c)).unwrap_or(text.len()));
    if name.len() > 24 {
        return None;
    }
    let folded: String = name.to_lowercase().chars().filter(|c| !is_accent(*c)).map(without_accent).collect();
    let month = NAMES.iter().zip(1..).find(|(names, _)| names.contains(&folded.as_str()))?.1;
    Some((month, rest))
}

/// Whether a character is an accent on the letter before it.
fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// The letter without the accent that a month's name may have.
fn without_accent(c: char) -> char {
    match c {
        'é' | 'è' | 'ê' => 'e',
        'û' | 'ù' => 'u',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_two_languages() {
        for (text, month) in [
            ("Janvier", 1),
            ("janv", 1),
            ("févr", 2),
            ("fe\u{301}vrier", 2),
            ("FEV", 2),
            ("March", 3),
            ("mai", 5),
            ("May", 5),
            ("juin", 6),
            ("Jul", 7),
            ("juill", 7),
            ("AOÛT", 8),
            ("aout", 8),
            ("Sept", 9),
            ("DÉC", 12),
            ("dec", 12),
        ] {
            assert_eq!(by_name(text), Some((month, "")), "{text}");
        }
        for text in ["", "jui", "ma", "marsx", "m", "12", "décembr", "ju in"] {
            assert_eq!(by_name(text), None, "{text}");
        }
        assert_eq!(by_name("déc. 2025"), Some((12, ". 2025")));
    }
}
