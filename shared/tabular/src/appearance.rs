//! What the text that a number format puts around a number says about it.

use fonderie_contract::currency_codes;

use crate::cell::Appearance;

/// The currency that is shown around a number, or whether the number counts thousands or millions of one: `k€`, `kEUR`, `M$`.
pub(crate) fn around(text: &str) -> Appearance<'_> {
    let edge = |c: char| c.is_whitespace() || c.is_ascii_digit() || "-+()/\u{2212}\u{2013}".contains(c);
    let words = || text.split(edge).filter(|word| !word.is_empty());
    if words().any(is_multiple) {
        return Appearance::Scaled;
    }
    // Of `$ CAD`, the word that says more.
    let known = words().filter_map(currency).min_by_key(|word| currency_codes(word).len());
    known.map_or(Appearance::Other, Appearance::Currency)
}

/// A word that is a known currency, perhaps with a full stop behind it.
fn currency(word: &str) -> Option<&str> {
    let known = |word: &&str| !currency_codes(word).is_empty();
    Some(word).filter(known).or_else(|| word.strip_suffix('.').filter(known))
}

fn is_multiple(word: &str) -> bool {
    let symbol = |rest: &&str| !rest.chars().any(char::is_alphabetic);
    let rest = word.strip_prefix('k').or_else(|| word.strip_prefix(['K', 'M']).filter(symbol));
    currency(word).is_none() && rest.is_some_and(|rest| currency(rest).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_currencies_or_multiples_of_them() {
        for (text, expected) in [
            ("48 €", Appearance::Currency("€")),
            ("-€48", Appearance::Currency("€")),
            ("$ 48 CAD", Appearance::Currency("CAD")),
            ("Fr. 48", Appearance::Currency("Fr.")),
            ("kr. 48", Appearance::Currency("kr")),
            ("48 €/mois", Appearance::Currency("€")),
            ("48 k€", Appearance::Scaled),
            ("48 kEUR", Appearance::Scaled),
            ("48 M$", Appearance::Scaled),
            ("48 MAD", Appearance::Currency("MAD")),
            ("48 KR", Appearance::Currency("KR")),
            ("48 km", Appearance::Other),
            ("0048", Appearance::Other),
            ("", Appearance::Other),
        ] {
            assert_eq!(around(text), expected, "{text}");
        }
    }
}
