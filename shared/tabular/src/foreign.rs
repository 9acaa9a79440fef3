//! Text in another single-byte encoding than the declared one: `NoÈl`, `Fran‡ois`, `h“pital`. No cell proves it; the file does.

/// What a cell of a single-byte encoding shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    /// A sign that no word contains stands in one.
    Odd,
    /// Letters with accents stand in words as they should.
    Contrary,
}

/// What a decoded cell shows of the encoding that it was declared to be in.
pub(crate) fn shown(text: &str) -> Shown {
    let (mut found, mut before, mut rest) = (Shown::Nothing, ' ', text.chars().peekable());
    while let Some(c) = rest.next() {
        if !c.is_ascii() {
            let after = rest.peek().copied().unwrap_or(' ');
            if is_odd(before, c, after) {
                return Shown::Odd;
            }
            if is_ordinary(before, c, after) {
                found = Shown::Contrary;
            }
        }
        before = c;
    }
    found
}

/// Whether a character cannot stand between these two. Marks that people write without spaces (`…`, `–`, `’`, `´`, `·`, `°`, `«`)
/// and those of units and lists (`m²`, `½`, `§`) are left out.
fn is_odd(before: char, c: char, after: char) -> bool {
    match c {
        // `Andr‚`, `RENƒ`, `AndrŽ`: at the end of a word too.
        '‚' => before.is_alphabetic(),
        'ƒ' => before.is_alphabetic() || after.is_alphabetic(),
        'Ž' | 'Š' | 'Ÿ' if before.is_ascii_lowercase() => !after.is_uppercase(),
        '•' => before.is_ascii_lowercase() && after.is_ascii_lowercase(),
        // `G…RARD`, `H…L»NE`: between capitals alone, for others stand so behind words (`oui…non`).
        '…' | '»' | '«' => before.is_ascii_uppercase() && after.is_ascii_uppercase(),
        _ if fraction_in_word(before, c, after) => true,
        '„'
        | '†'
        | '‡'
        | 'ˆ'
        | '‰'
        | '‹'
        | '›'
        | '“'
        | '”'
        | '˜'
        | '™'
        | '¡'
        | '¢'
        | '£'
        | '¤'
        | '¥'
        | '¦'
        | '¨'
        | '©'
        | '¬'
        | '®'
        | '¯'
        | '¶'
        | '¸'
        | '¿'
        | '─'..='╿' => before.is_alphabetic() && after.is_alphabetic(),
        // `GÈrard`, `ZoÚ`: what `é`, `è`, `ê`, `ë` and `ü` of windows-1252 or cp850 are in another encoding.
        'È' | 'Ë' | 'Ç' | 'Å' | 'Ú' | 'Þ' | 'Û' | 'Ù' if before.is_ascii_alphabetic() => {
            after.is_ascii_lowercase() || before.is_ascii_lowercase() && !after.is_alphabetic()
        }
        // A capital letter within a word.
        'À'..='Þ' | 'Ā'..='ž' if c.is_uppercase() => before.is_ascii_lowercase() && after.is_ascii_lowercase(),
        // `GИrard`
        '\u{400}'..='\u{52F}' => before.is_ascii_alphabetic() && after.is_ascii_alphabetic(),
        _ => false,
    }
}

/// Whether a fraction stands within a word: `Leb½uf`, `C¼UR`, which are `œ` and `Œ` of ISO-8859-15.
fn fraction_in_word(before: char, c: char, after: char) -> bool {
    match c {
        '½' => before.is_alphabetic() && after.is_ascii_lowercase(),
        '¼' | '¾' => before.is_ascii_uppercase() && after.is_ascii_uppercase(),
        _ => false,
    }
}

/// Whether a text of windows-1252 has a fraction within a word, which no word has: it is of ISO-8859-15, whose other letters are the same.
pub(crate) fn is_latin_9(text: &str) -> bool {
    let mut before = [' ', ' '];
    text.chars().chain([' ']).any(|c| {
        let found = fraction_in_word(before[0], before[1], c);
        before = [before[1], c];
        found
    })
}

/// Whether a letter stands in a word as it should. Left out are letters that cp850 or Mac Roman have others for which words
/// contain, too: `á` (`ß`), `ä` (`õ`), `œ`, `š`, `ž` (`£`, `Ü`, `û`).
fn is_ordinary(before: char, c: char, after: char) -> bool {
    let either = |is: fn(&char) -> bool| is(&before) || is(&after);
    match c {
        'á' | 'ä' | 'œ' | 'š' | 'ž' | 'ð' | '÷' | 'þ' => false,
        'à'..='ÿ' | 'Ā'..='ž' if c.is_lowercase() => {
            either(char::is_ascii_lowercase) && !either(char::is_ascii_uppercase)
                || before.is_ascii_uppercase() && after.is_ascii_lowercase()
        }
        'É' | 'È' | 'À' => before.is_ascii_uppercase() && after.is_ascii_uppercase(),
        // Words of other scripts.
        '\u{370}'..='\u{FFF}' => c.is_alphabetic() && before >= '\u{370}' && before.is_alphabetic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{MACINTOSH, WINDOWS_1252};

    use super::*;

    const NAMES: [&str; 12] = [
        "Noël",
        "Lefèvre",
        "François",
        "Hélène",
        "hôpital",
        "Benoît",
        "Chloé Béranger",
        "Léa",
        "naïf",
        "Müller",
        "tête",
        "Béziers",
    ];

    #[test]
    fn words_of_another_encoding_are_odd_and_none_shows_the_contrary() {
        // `é`, `è`, `ê`, `à`, `ç`, `ô`, `î`, `ë`, `ï`, `ü` in cp850.
        let cp850 = ["No‰l", "LefŠvre", "Fran‡ois", "Bouch‚", "h“pital", "Benoj‹t", "tˆte", "na‹f", "Chƒteau"];
        for name in cp850 {
            assert_ne!(shown(name), Shown::Contrary, "{name}");
        }
        assert_eq!(cp850.iter().filter(|name| shown(name) == Shown::Odd).count(), 9);
        let mut odd = 0;
        for name in NAMES {
            let (bytes, _, _) = MACINTOSH.encode(name);
            let read = WINDOWS_1252.decode_without_bom_handling(&bytes).0;
            assert_ne!(shown(&read), Shown::Contrary, "{name} {read}");
            odd += usize::from(shown(&read) == Shown::Odd || read.contains(|c| ('\u{80}'..='\u{9f}').contains(&c)));
            // The other way round.
            let read = MACINTOSH.decode_without_bom_handling(&WINDOWS_1252.encode(name).0).0.into_owned();
            assert_ne!(shown(&read), Shown::Contrary, "{name} {read}");
            let read = crate::cp850::decode(&WINDOWS_1252.encode(name).0);
            assert_ne!(shown(&read), Shown::Contrary, "{name} {read}");
        }
        assert!(odd >= 7, "{odd}");
    }

    #[test]
    fn signs_capitals_and_other_scripts_within_words_are_odd() {
        let names = ["Gérard", "Hélène", "Zoé", "RENÉE", "GÉRARD", "HÉLÈNE", "FRANÇOIS", "Müller", "Renée"];
        let odd = |read: &dyn Fn(&str) -> String| names.iter().filter(|name| shown(&read(name)) == Shown::Odd).count();
        let macintosh = |name: &str| MACINTOSH.decode_without_bom_handling(&WINDOWS_1252.encode(name).0).0.into_owned();
        assert_eq!(odd(&|name| macintosh(name)), 9, "{:?}", names.map(macintosh));
        let cp850 = |name: &str| crate::cp850::decode(&WINDOWS_1252.encode(name).0);
        assert_eq!(odd(&|name| cp850(name)), 7, "{:?}", names.map(cp850));
        let koi8 =
            |name: &str| encoding_rs::KOI8_R.decode_without_bom_handling(&WINDOWS_1252.encode(name).0).0.into_owned();
        assert_eq!(odd(&|name| koi8(name)), 8, "{:?}", names.map(koi8));
        for (written, read) in [("Lebœuf", "Leb½uf"), ("CŒUR", "C¼UR"), ("Cœur", "C½ur")] {
            let bytes = encoding_rs::ISO_8859_15.encode(written).0;
            let text = WINDOWS_1252.decode_without_bom_handling(&bytes).0;
            assert_eq!((text.as_ref(), is_latin_9(&text), shown(&text)), (read, true, Shown::Odd));
        }
        assert!(!is_latin_9("½ journée, 3½h, Lot F½B, l½"));
    }

    #[test]
    fn words_in_their_own_encoding_are_not_odd() {
        for text in
            ["Lot A•B", "A•B", "m²de", "Art²B", "F½B", "Lot§A", "3½h", "½journée", "½ h", "oui…non", "A¼b", "OUI… NON"]
        {
            assert_ne!(shown(text), Shown::Odd, "{text}");
        }
        for name in NAMES {
            assert_eq!(shown(name), Shown::Contrary, "{name}");
        }
        for (text, expected) in [
            ("Élodie", Shown::Nothing),
            ("PRÉNOM", Shown::Contrary),
            ("HÔPITAL", Shown::Nothing),
            ("cœur", Shown::Nothing),
            ("Škoda", Shown::Nothing),
            ("n°A12, oui…non, 5 m², «oui»non, Paris–Lyon, l’œil, l´eau", Shown::Nothing),
            ("12 £ – 50 ‰ ½ journée", Shown::Contrary),
            ("Mª José", Shown::Contrary),
            ("Wałęsa", Shown::Contrary),
            ("Иван", Shown::Contrary),
            ("DUPRé", Shown::Nothing),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
