//! Text that was encoded twice: UTF-8 in a single-byte encoding's place, or taken for windows-1252 and encoded again.

use encoding_rs::MACINTOSH;
use memchr::memchr_iter;

use crate::cp850;

/// What a cell shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Double {
    /// Nothing.
    No,
    /// What may be a character's UTF-8, or a word's end and the marks behind it: evidence of neither.
    Doubtful,
    /// A character's UTF-8.
    Yes,
}

/// A character's UTF-8 in a cell, as evidence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Sure,
    /// Counts only directly beside another one, as the letters of a word stand.
    Weak,
    Doubtful,
}

/// What bytes in an encoding of Western Europe show. A lead (`Ã`, `Å`, `â`) is a letter there; what follows it in UTF-8 are
/// signs that no word has, and marks that stand behind words: `ANDRÉ’S`, `AMANHÃ…`.
pub(crate) fn western(bytes: &[u8]) -> Double {
    let (mut found, mut weak_end, mut at) = (Double::No, 0, 0);
    while at < bytes.len() {
        let Some((sign, length)) = sign(bytes, at) else {
            at += 1;
            continue;
        };
        if sign == Sign::Sure || sign == Sign::Weak && at > 0 && weak_end == at {
            return Double::Yes;
        }
        found = Double::Doubtful;
        at += length;
        if sign == Sign::Weak {
            weak_end = at;
        }
    }
    found
}

/// What bytes in another single-byte encoding show: they are letters there (`Ві` in Cyrillic), so that only a cell counts which
/// is UTF-8 as a whole, with one of the commonest characters or two others.
pub(crate) fn whole(bytes: &[u8]) -> Double {
    let signs = |bytes: &[u8]| (0..bytes.len()).filter(|at| sign(bytes, *at).is_some()).count();
    let double = std::str::from_utf8(bytes).is_ok() && (has_common_lead(bytes) || signs(bytes) > 1);
    if double { Double::Yes } else { Double::No }
}

/// The same where the leads of the commonest characters are no letters (Mac Roman, cp850).
pub(crate) fn common_or_whole(bytes: &[u8]) -> Double {
    if has_common_lead(bytes) { Double::Yes } else { whole(bytes) }
}

/// What a text shows that was decoded as UTF-8: `Ã©`, `â€™`, `Å“`, `Â°`, `á»…`, as windows-1252 shows UTF-8.
pub(crate) fn text(text: &str) -> Double {
    if through_dos_or_mac(text) {
        return Double::Yes;
    }
    // All leads but C0 and C1, U+00C2 to U+00F4, begin with C3 in UTF-8.
    let may_be = memchr_iter(0xC3, text.as_bytes()).any(|at| {
        let mut characters = text[at..].chars();
        characters.next().is_some_and(|c| ('\u{C2}'..='\u{F4}').contains(&c))
            && characters.next().and_then(windows_1252).is_some_and(|byte| (0x80..=0xBF).contains(&byte))
    });
    if !may_be {
        return Double::No;
    }
    // What windows-1252 lacks is neither a lead nor a letter.
    western(&text.chars().map(|c| windows_1252(c).unwrap_or(0)).collect::<Vec<u8>>())
}

/// What bytes in an encoding of several bytes per character show (Shift JIS, GB 18030, …): the UTF-8 of a Western letter is a character there too,
/// but none that stands beside a small Latin letter: `Gﾃｩrard`, `G茅rard`.
pub(crate) fn beside_latin(bytes: &[u8]) -> Double {
    let letter = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_lowercase);
    let found = std::str::from_utf8(bytes).is_ok()
        && bytes.windows(2).enumerate().any(|(at, pair)| {
            matches!(pair, [0xC3 | 0xC5, 0x80..=0xBF]) && (letter(at.checked_sub(1)) || letter(Some(at + 2)))
        });
    if found { Double::Yes } else { Double::No }
}

/// Whether a text holds the UTF-8 of a Western letter as cp850, cp437 or Mac Roman show it, beside another letter: `Zo├®`, `Zo√©`.
fn through_dos_or_mac(text: &str) -> bool {
    // All leads are of three bytes that begin with E2.
    if memchr_iter(0xE2, text.as_bytes()).next().is_none() {
        return false;
    }
    let follows = |lead: char, c: char| match lead {
        '├' | '┼' => cp850::byte(c).is_some_and(|byte| byte < 0xC0) || "¢¥₧⌐╡╢╖╕╜╛".contains(c),
        '√' | '≈' => {
            let mut buffer = [0; 4];
            let (bytes, _, lost) = MACINTOSH.encode(c.encode_utf8(&mut buffer));
            !lost && matches!(bytes[..], [0x80..=0xBF])
        }
        _ => false,
    };
    let characters: Vec<char> = text.chars().collect();
    characters.windows(2).enumerate().any(|(at, pair)| {
        let letter = |at: Option<usize>| at.and_then(|at| characters.get(at)).is_some_and(|c| c.is_alphabetic());
        follows(pair[0], pair[1]) && (letter(at.checked_sub(1)) || letter(Some(at + 2)))
    })
}

/// Whether bytes hold a UTF-8 sequence that is led by C2, C3, C5 or E2: Latin letters, signs, typographic marks.
fn has_common_lead(bytes: &[u8]) -> bool {
    let follows = |at: usize| bytes.get(at).is_some_and(|byte| (0x80..=0xBF).contains(byte));
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        0xC2 | 0xC3 | 0xC5 => follows(at + 1),
        0xE2 => follows(at + 1) && follows(at + 2),
        _ => false,
    })
}

/// The character whose UTF-8 begins at a place, as evidence, and its length.
fn sign(bytes: &[u8], at: usize) -> Option<(Sign, usize)> {
    let length = match bytes[at] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let c = std::str::from_utf8(bytes.get(at..at + length)?).ok()?.chars().next()?;
    let before = if at > 0 { bytes[at - 1] } else { 0 };
    let goes_on = bytes.get(at + length).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0xC0);
    let upper_before = before.is_ascii_uppercase() || matches!(before, 0xC0..=0xD6 | 0xD8..=0xDE);
    let mark = ends_word(bytes[at + length - 1]);
    let sign = match c {
        '\u{80}'..='\u{BF}' | '\u{2000}'..='\u{2FFF}' | '\u{FEFF}' | '\u{FFFD}' => Sign::Sure,
        // `à`, or an upper-case word's `Ã` and a no-break space.
        'à' if upper_before => Sign::Doubtful,
        // `Ñ`, `Ó` and `Ö` end words, or stand in them, more often than a dash or an opening quote directly follows an `Ã`.
        'Ñ' | 'Ó' | 'Ö' => Sign::Sure,
        '\u{C0}'..='\u{FF}' | '\u{140}'..='\u{17F}' if mark && upper_before && !goes_on => Sign::Doubtful,
        // `HYVÄ…`, `Ä…`
        '\u{100}'..='\u{13F}' if mark && !before.is_ascii_lowercase() && !goes_on => Sign::Doubtful,
        '\u{C0}'..='\u{17F}' => Sign::Sure,
        // Accents apart from their letters, as macOS writes names. The others are an `Ì` and what stands behind a word.
        '\u{300}'..='\u{304}' | '\u{306}'..='\u{30C}' | '\u{31B}' | '\u{323}' | '\u{326}'..='\u{328}'
            if before.is_ascii_alphabetic() =>
        {
            Sign::Sure
        }
        // `«Está»…`
        '\u{1EC0}'..='\u{1EFF}' if mark && c != 'ừ' && !goes_on => Sign::Doubtful,
        '\u{1E00}'..='\u{1EFF}' | '\u{1F000}'..='\u{1FAFF}' => Sign::Sure,
        // Greek, Cyrillic, Hebrew, Arabic, India, Thai, Greek with accents, kana, Chinese, Korean.
        '\u{386}'..='\u{3FF}'
        | '\u{400}'..='\u{47F}'
        | '\u{5D0}'..='\u{5EA}'
        | '\u{600}'..='\u{6FF}'
        | '\u{900}'..='\u{E7F}'
        | '\u{1F00}'..='\u{1FFF}'
        | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}' => Sign::Weak,
        _ => return None,
    };
    Some((sign, length))
}

/// Whether a byte is, in windows-1252, a mark that directly follows words: `…`, a closing quote, a dash, a no-break space.
fn ends_word(byte: u8) -> bool {
    matches!(byte, 0x85 | 0x91..=0x94 | 0x96 | 0x97 | 0xA0 | 0xAB | 0xBB)
}

/// A character's byte in windows-1252, where bytes without a character are controls.
fn windows_1252(c: char) -> Option<u8> {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match u8::try_from(c) {
        Ok(byte) => Some(byte),
        Err(_) => HIGH.iter().position(|high| *high == c).and_then(|at| u8::try_from(0x80 + at).ok()),
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::WINDOWS_1252;

    use super::*;

    /// What a text shows as UTF-8 in a single-byte file, and encoded twice in a UTF-8 file.
    fn twice(written: &str) -> (Double, Double) {
        (western(written.as_bytes()), text(&WINDOWS_1252.decode_without_bom_handling(written.as_bytes()).0))
    }

    #[test]
    fn letters_of_all_the_world_are_found_in_utf8() {
        let words = "Nguyễn Thị Lê Văn Đỗ Hồng Phượng Lefe\u{300}vre Zoe\u{301} No\u{65}\u{308}l Franc\u{327}ois Čapek Dvořák Şahin Łukasz są \
            Wałęsa Gdańsk Đorđević Köln MÖLLER MALMÖ HÔPITAL ESPAÑA PERÓ CORAZÓN KÖLN Иван Москва ИВАНОВ Ελένη Αθήνα ΑΘΗΝΑ \
            محمد פאריז 中国 東京 ひらがな 서울 ไทย हिन्दी 😀 👍🏽 Šimon à À Í Ý";
        for word in words.split_whitespace().chain([words]) {
            assert_eq!(twice(word), (Double::Yes, Double::Yes), "{word}");
            assert_ne!(twice(&format!("Anne {word}, née")), (Double::No, Double::No), "{word}");
        }
    }

    /// Words that end in letters which lead UTF-8 sequences.
    const WORDS: &str = "ANDRÉ CAFÉ SANTÉ OÙ BOÎTE ÇA ÇÀ CANOË NOËL FORÊT HÔPITAL ÎLE DÛ AIGÜE ÂGE désolé où là forêt né à naïve \
        SÖßE SCHÖN GRÖẞE JÄ DÄ ÜBER TÜ ÄRZTE straße schön für ja über grüß PASÓ AQUÍ ALLÁ ESTÁ ASÍ ÑU PERÚ está allí pasó aquí niño así \
        AMANHÃ IRMÃ MANHÃ NÃO AVÓ AVÔ CAFÉ PORTUGUÊS amanhã irmã avó avô pôr à põe PÅ SMÅ SØ Ø BLÅ FÅ RÅ Å på så blå sø ø ål æ \
        COSÌ LUNEDÌ PERCHÉ CITTÀ VIRTÙ così lunedì perché città HYVÄ PÄIVÄ TÄTÄ hyvä päivä é É È Ê Ë Ç Ó Ô Ì Í Ä";

    #[test]
    fn words_before_typographic_marks_raise_no_alarm() {
        for word in WORDS.split_whitespace() {
            for mark in [
                "…",
                "…»",
                "»…",
                "»",
                "’",
                "’S",
                "’s",
                "”",
                "”…",
                "»\u{a0}!",
                "\u{a0}",
                "\u{a0}»",
                "\u{a0}!",
                "…”",
                " – ",
                ", ",
                "—",
                "–",
                "«",
                "",
                "»—",
            ] {
                for written in [
                    format!("{word}{mark}"),
                    format!("«\u{a0}Le {word}{mark}"),
                    format!("{word}{mark} et {word}{mark}"),
                ] {
                    // Taken for a sequence all the same: `PÅ’S` for a letter within a word, `AMANHÃ–` for an `Ö`, and letters
                    // that stand alone.
                    let within = mark.eq_ignore_ascii_case("’s") && word.ends_with(['Ã', 'Å', 'Ä']);
                    if within || mark == "–" && word.ends_with('Ã') || word == "Å" {
                        continue;
                    }
                    let (bytes, _, unmappable) = WINDOWS_1252.encode(&written);
                    if !unmappable {
                        assert_ne!(western(&bytes), Double::Yes, "{written}");
                    }
                    assert_ne!(text(&written), Double::Yes, "{written}");
                }
            }
        }
    }

    #[test]
    fn letters_that_went_through_dos_or_mac_are_found() {
        for word in
            ["Zoé", "Lefèvre", "Noël", "François", "Hôtel", "Benoît", "Müller", "Élodie", "forêt", "où", "âge", "naïve"]
        {
            let bytes = word.as_bytes();
            for read in [cp850::decode(bytes), MACINTOSH.decode_without_bom_handling(bytes).0.into_owned()] {
                assert_eq!(text(&read), Double::Yes, "{word}: {read}");
            }
        }
        // cp437 has other signs there
        for read in ["Zo├⌐", "M├╝ller", "H├┤tel", "vou├⌐"] {
            assert_eq!(text(read), Double::Yes, "{read}");
        }
        for plain in ["├── src", "└─┬ a", "x ≈ 3", "√2", "2 √ 3", "≈ 12 €", "a ≤ b", "│ x │", "├─┤"]
        {
            assert_eq!(text(plain), Double::No, "{plain}");
        }
    }

    #[test]
    fn western_letters_in_an_encoding_of_several_bytes_are_found() {
        for encoding in [encoding_rs::SHIFT_JIS, encoding_rs::GB18030, encoding_rs::BIG5, encoding_rs::EUC_KR] {
            for word in ["Gérard", "Zoé", "Lefèvre"] {
                let (read, _, lost) = encoding.decode(word.as_bytes());
                if !lost {
                    assert_eq!(beside_latin(&encoding.encode(&read).0), Double::Yes, "{word}: {read}");
                }
            }
        }
        for (encoding, written) in [
            (encoding_rs::GB18030, "茅台 A股 iPhone手机 T恤 李茅"),
            (encoding_rs::SHIFT_JIS, "東京 ｶﾀｶﾅ Tシャツ abcﾃｽﾄ"),
            (encoding_rs::BIG5, "台北 K歌 app下載"),
            (encoding_rs::EUC_KR, "서울 PC방 app"),
        ] {
            let (bytes, _, lost) = encoding.encode(written);
            assert!(!lost, "{written}");
            for cell in bytes.split(|byte| *byte == b' ') {
                assert_eq!(beside_latin(cell), Double::No, "{written}");
            }
        }
    }

    #[test]
    fn polish_words_raise_no_alarm() {
        let words = "ŁÓDŹ GĘŚ ŹDŹBŁO WĄŻ JUŻ KOŃ MIEĆ SĄ PIĘĆ łódź gęś źdźbło wąż już koń mieć są pięć Ó Ł Ż ć ŻÓŁĆ żółć Święty";
        for word in words.split_whitespace() {
            for mark in ["", ",", "\u{a0}", "\u{a0}-", "°", "§ 5", "\""] {
                let written = format!("{word}{mark}");
                let (bytes, _, unmappable) = encoding_rs::ISO_8859_2.encode(&written);
                assert!(!unmappable, "{written}");
                assert_eq!(whole(&bytes), Double::No, "{written}");
                assert_ne!(text(&format!("„{written}”…")), Double::Yes, "{written}");
            }
        }
    }

    proptest::proptest! {
        /// A word of another script is found whatever stands around it; Western Europe's letters without the signs are none.
        #[test]
        fn any_word_of_a_script_is_found(
            before in "[a-zA-Z ]{0,4}",
            word in "[α-ω]{2,5}|[а-яА-Я]{2,5}|[א-ת]{2,5}|[ب-ي]{2,5}|[一-龥]{2,5}|[가-힣]{2,5}|[ก-ฮ]{2,5}|[a-z][ĀāĆćŁłŃńŒœŽž][a-z]|[a-z][ạ-ỹ][a-z]|[a-z][\u{300}-\u{304}]",
            after in "[a-zA-Z ]{0,4}",
            letters in "[a-zA-ZÀ-ÖØ-öø-ÿ '(),.;:-]{0,12}",
        ) {
            proptest::prop_assert_eq!(twice(&format!("{before}{word}{after}")), (Double::Yes, Double::Yes));
            proptest::prop_assert_eq!(text(&letters), Double::No);
            proptest::prop_assert_eq!(western(&WINDOWS_1252.encode(&letters).0), Double::No);
        }
    }
}
