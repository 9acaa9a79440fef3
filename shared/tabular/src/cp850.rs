//! Code page 850, which encoding_rs does not have.

/// The characters of the bytes 80 to FF.
#[rustfmt::skip]
const HIGH: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å',
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', 'ø', '£', 'Ø', '×', 'ƒ',
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '®', '¬', '½', '¼', '¡', '«', '»',
    '░', '▒', '▓', '│', '┤', 'Á', 'Â', 'À', '©', '╣', '║', '╗', '╝', '¢', '¥', '┐',
    '└', '┴', '┬', '├', '─', '┼', 'ã', 'Ã', '╚', '╔', '╩', '╦', '╠', '═', '╬', '¤',
    'ð', 'Ð', 'Ê', 'Ë', 'È', 'ı', 'Í', 'Î', 'Ï', '┘', '┌', '█', '▄', '¦', 'Ì', '▀',
    'Ó', 'ß', 'Ô', 'Ò', 'õ', 'Õ', 'µ', 'þ', 'Þ', 'Ú', 'Û', 'Ù', 'ý', 'Ý', '¯', '´',
    '\u{ad}', '±', '‗', '¾', '¶', '§', '÷', '¸', '°', '¨', '·', '¹', '³', '²', '■', '\u{a0}',
];

/// A text in cp850. It has a character for each byte.
pub(crate) fn decode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| byte.checked_sub(0x80).map_or(char::from(*byte), |at| HIGH[usize::from(at)])).collect()
}

/// A character's byte, if it is no ASCII and cp850 has it.
pub(crate) fn byte(c: char) -> Option<u8> {
    HIGH.iter().position(|high| *high == c).and_then(|at| u8::try_from(0x80 + at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_western_europe_are_where_dos_has_them() {
        assert_eq!(
            decode(b"\x81\x82\x83\x84\x85\x87\x88\x89\x8A\x8B\x8C\x90\x93\x96\x97\xA4 12 \x9C \xE1\xF8\xFF"),
            "üéâäàçêëèïîÉôûùñ 12 £ ß°\u{a0}"
        );
        let mut characters = HIGH.to_vec();
        characters.sort_unstable();
        characters.dedup();
        assert_eq!((characters.len(), characters[0]), (128, '\u{a0}'), "each byte has a character of its own");
    }
}
