//! From bytes in a declared encoding to text.
//!
//! UTF-8 and single-byte encodings are split as they are and decoded cell by cell; others (UTF-16, Shift JIS …) are turned
//! into UTF-8 as they arrive. Nothing is decoded with errors in silence: a byte that the encoding does not have makes its
//! cell unreadable, and a byte order mark that contradicts the declaration stops the file.

use std::borrow::Cow;
use std::cell::Cell;

use encoding_rs::{
    CoderResult, Decoder, Encoding, ISO_8859_15, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, WINDOWS_1254,
};
use fonderie_core::{ErrorCode, Result, StageError};
use memchr::memchr_iter;

use crate::problem::Problem;

/// A cell's text, or why it has none.
pub(crate) type Decoded<'a> = Result<Cow<'a, str>, Problem>;

/// A declared encoding at work.
pub struct Decoding {
    encoding: &'static Encoding,
    transcoder: Option<Decoder>,
    /// The file's first bytes, until enough are there to look for a byte order mark.
    start: Option<Vec<u8>>,
    /// The file's end was decoded: a decoder takes nothing more.
    ended: bool,
    /// Cells that look encoded twice.
    double: Cell<u64>,
    /// Cells that are not ASCII and do not.
    single: Cell<u64>,
}

impl Decoding {
    /// The decoding of a file in an encoding.
    pub fn new(encoding: &'static Encoding) -> Self {
        let as_is = encoding == UTF_8 || encoding.is_single_byte();
        let transcoder = (!as_is).then(|| encoding.new_decoder_without_bom_handling());
        Self { encoding, transcoder, start: Some(Vec::new()), ended: false, double: Cell::new(0), single: Cell::new(0) }
    }

    /// Appends the next bytes of the file to a splitter's buffer, without the byte order mark.
    ///
    /// # Errors
    /// `EncodingMismatch` where the file begins with another encoding's byte order mark.
    pub fn append(&mut self, bytes: &[u8], ended: bool, buffer: &mut Vec<u8>) -> Result<()> {
        let Some(mut start) = self.start.take() else {
            self.push(bytes, ended, buffer);
            return Ok(());
        };
        start.extend_from_slice(bytes);
        if start.len() < 4 && !ended {
            self.start = Some(start);
            return Ok(());
        }
        let text = self.without_mark(&start)?;
        self.push(text, ended, buffer);
        Ok(())
    }

    fn without_mark<'a>(&self, start: &'a [u8]) -> Result<&'a [u8]> {
        let (mark, length) = match start {
            [0xFF, 0xFE, 0, 0, ..] => ("UTF-32LE", 4),
            [0, 0, 0xFE, 0xFF, ..] => ("UTF-32BE", 4),
            [0xEF, 0xBB, 0xBF, ..] => (UTF_8.name(), 3),
            [0xFF, 0xFE, ..] => (UTF_16LE.name(), 2),
            [0xFE, 0xFF, ..] => (UTF_16BE.name(), 2),
            _ => return Ok(start),
        };
        if mark == self.encoding.name() {
            return Ok(&start[length..]);
        }
        Err(StageError::new(
            ErrorCode::EncodingMismatch,
            format!(
                "the file begins with the byte order mark of {mark}, but its contract declares {}: correct the file's \
                 export, or `format.encoding` in the contract",
                self.encoding.name(),
            ),
        ))
    }

    fn push(&mut self, mut bytes: &[u8], ended: bool, buffer: &mut Vec<u8>) {
        let Some(transcoder) = &mut self.transcoder else {
            buffer.extend_from_slice(bytes);
            return;
        };
        if self.ended {
            return;
        }
        self.ended = ended;
        let mut piece = [0_u8; 4096];
        loop {
            // An undecodable sequence becomes U+FFFD, by which `cell` knows it again.
            let (result, read, written, _) = transcoder.decode_to_utf8(bytes, &mut piece, ended);
            buffer.extend_from_slice(&piece[..written]);
            bytes = &bytes[read..];
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }

    /// A cell's text. Counts whether it looks encoded twice: see [`Self::double_encoding`].
    ///
    /// # Errors
    /// [`Problem::Encoding`] if its bytes are not of the encoding; [`Problem::DoubleEncoding`] if they are UTF-8 in another
    /// encoding's place, or UTF-8 that was taken for windows-1252 and encoded again.
    pub fn cell<'a>(&self, bytes: &'a [u8]) -> Decoded<'a> {
        let text = self.peek(bytes);
        match &text {
            Err(Problem::DoubleEncoding) => self.double.set(self.double.get() + 1),
            Ok(text) if !text.is_ascii() => self.single.set(self.single.get() + 1),
            _ => {}
        }
        text
    }

    /// The same, not counted.
    ///
    /// # Errors
    /// As [`Self::cell`].
    pub fn peek<'a>(&self, bytes: &'a [u8]) -> Decoded<'a> {
        if self.transcoder.is_some() || self.encoding == UTF_8 {
            let text = std::str::from_utf8(bytes).map_err(|_| Problem::Encoding)?;
            if !text.is_ascii() {
                if self.transcoder.is_some() && text.contains('\u{FFFD}') {
                    return Err(Problem::Encoding);
                }
                if shows_utf8_bytes(text) {
                    return Err(Problem::DoubleEncoding);
                }
            }
            return Ok(Cow::Borrowed(text));
        }
        if bytes.is_ascii() {
            return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Problem::Encoding);
        }
        if self.holds_utf8(bytes) {
            return Err(Problem::DoubleEncoding);
        }
        let text = self.encoding.decode_without_bom_handling_and_without_replacement(bytes).ok_or(Problem::Encoding)?;
        // The bytes that a single-byte encoding leaves undefined come out as C1 controls, which no text has.
        if text.contains(|c| ('\u{80}'..='\u{9F}').contains(&c)) { Err(Problem::Encoding) } else { Ok(text) }
    }

    /// How many cells looked encoded twice, and how many that are not ASCII did not.
    pub fn double_encoding(&self) -> (u64, u64) {
        (self.double.get(), self.single.get())
    }

    /// Whether bytes in a single-byte encoding hold a character's UTF-8.
    ///
    /// In the encodings of Western Europe, the bytes that lead such a character are `Â`, `Ã`, `Å` and `â`, and those that follow are
    /// signs, not letters. In others they are letters (`Ві` in Cyrillic), so only a cell that is UTF-8 as a whole counts.
    fn holds_utf8(&self, bytes: &[u8]) -> bool {
        let western = [WINDOWS_1252, ISO_8859_15, WINDOWS_1254, MACINTOSH].contains(&self.encoding);
        holds_sequence(bytes) && (western || std::str::from_utf8(bytes).is_ok())
    }

    /// A cell's text with U+FFFD for what cannot be decoded: to be shown, never to be loaded.
    pub fn shown(&self, bytes: &[u8]) -> String {
        if self.transcoder.is_some() || self.encoding == UTF_8 {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        let text = self.encoding.decode_without_bom_handling(bytes).0;
        text.chars().map(|c| if ('\u{80}'..='\u{9F}').contains(&c) { '\u{FFFD}' } else { c }).collect()
    }
}

/// Whether bytes hold a UTF-8 sequence that is led by C2, C3, C5 or E2: Latin letters, signs, typographic marks.
fn holds_sequence(bytes: &[u8]) -> bool {
    let follows = |at: usize| bytes.get(at).is_some_and(|byte| (0x80..=0xBF).contains(byte));
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        0xC2 | 0xC3 | 0xC5 => follows(at + 1),
        0xE2 => follows(at + 1) && follows(at + 2),
        _ => false,
    })
}

/// Whether a text holds what [`holds_sequence`] looks for as windows-1252 shows it: `Ã©`, `â€™`, `Å“`, `Â°`.
fn shows_utf8_bytes(text: &str) -> bool {
    // U+00C2, U+00C3, U+00C5 and U+00E2 are led by C3 in UTF-8.
    memchr_iter(0xC3, text.as_bytes()).any(|at| {
        let mut characters = text[at..].chars();
        match characters.next() {
            Some('\u{C2}' | '\u{C3}' | '\u{C5}') => characters.next().is_some_and(shows_following_byte),
            Some('\u{E2}') => characters.by_ref().take(2).filter(|c| shows_following_byte(*c)).count() == 2,
            _ => false,
        }
    })
}

/// Whether windows-1252 shows one of the bytes 80 to BF as this character.
fn shows_following_byte(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{BF}')
        || "\u{20AC}\u{201A}\u{192}\u{201E}\u{2026}\u{2020}\u{2021}\u{2C6}\u{2030}\u{160}\u{2039}\u{152}\u{17D}\u{2018}\
            \u{2019}\u{201C}\u{201D}\u{2022}\u{2013}\u{2014}\u{2DC}\u{2122}\u{161}\u{203A}\u{153}\u{17E}\u{178}"
            .contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(label: &str, pieces: &[&[u8]]) -> Result<Vec<u8>> {
        let mut decoding = Decoding::new(Encoding::for_label(label.as_bytes()).unwrap());
        let mut buffer = Vec::new();
        for piece in pieces {
            decoding.append(piece, false, &mut buffer)?;
        }
        decoding.append(&[], true, &mut buffer)?;
        Ok(buffer)
    }

    #[test]
    fn a_mark_of_the_declared_encoding_is_taken_off_however_it_arrives() {
        assert_eq!(decode("utf-8", &[b"\xEF", b"\xBB", b"\xBFabc"]).unwrap(), b"abc");
        assert_eq!(decode("utf-8", &[b"ab"]).unwrap(), b"ab");
        assert_eq!(decode("utf-16le", &[b"\xFF\xFEa", b"\0\xE9", b"\0"]).unwrap(), "a\u{e9}".as_bytes());
        assert_eq!(decode("utf-16be", &[b"\0a\0b"]).unwrap(), b"ab");
    }

    #[test]
    fn a_mark_of_another_encoding_stops_the_file() {
        for (label, start) in
            [("windows-1252", &b"\xEF\xBB\xBFa"[..]), ("utf-8", b"\xFF\xFEa\0"), ("utf-16le", b"\xFF\xFE\0\0")]
        {
            let error = decode(label, &[start]).unwrap_err();
            assert_eq!(error.code, ErrorCode::EncodingMismatch, "{label}");
        }
    }

    #[test]
    fn cells_outside_the_encoding_are_refused_and_can_still_be_shown() {
        let latin = Decoding::new(encoding_rs::WINDOWS_1252);
        assert_eq!(latin.cell(b"12 \x80 \x9Cuf").as_deref(), Ok("12 \u{20ac} \u{153}uf"));
        assert_eq!(latin.cell(b"a\x81b"), Err(Problem::Encoding));
        assert_eq!(latin.shown(b"\xE9\x81"), "\u{e9}\u{FFFD}");
        let utf8 = Decoding::new(UTF_8);
        assert_eq!(
            (utf8.cell("\u{e9}".as_bytes()).as_deref(), utf8.cell(b"\xE9")),
            (Ok("\u{e9}"), Err(Problem::Encoding))
        );
        let euro = Decoding::new(encoding_rs::ISO_8859_15);
        assert_eq!(euro.cell(b"\xA4\xBD").as_deref(), Ok("\u{20ac}\u{153}"));
        assert_eq!(euro.cell(b"\x80"), Err(Problem::Encoding));
    }

    #[test]
    fn a_lone_surrogate_is_not_decoded_in_silence() {
        let bytes = decode("utf-16le", &[b"a\0\x00\xD8b\0"]).unwrap();
        let utf16 = Decoding::new(UTF_16LE);
        assert_eq!(utf16.cell(&bytes), Err(Problem::Encoding));
        assert_eq!(utf16.shown(&bytes), "a\u{FFFD}b");
    }

    const WESTERN: [&Encoding; 2] = [WINDOWS_1252, ISO_8859_15];

    #[test]
    fn utf8_in_a_single_byte_encoding_is_refused_and_counted() {
        for encoding in WESTERN {
            let decoding = Decoding::new(encoding);
            // The last two have bytes that windows-1252 leaves undefined: the reason is still this one.
            for text in ["Quéré", "Hélène", "Œuvre", "12 €", "L’Île", "n°", "1\u{a0}234", "Š", "À", "Á", "Í"]
            {
                assert_eq!(decoding.cell(text.as_bytes()), Err(Problem::DoubleEncoding), "{text}");
            }
            assert_eq!(decoding.double_encoding(), (11, 0));
            assert_eq!(decoding.cell(b"Morvan").as_deref(), Ok("Morvan"));
            assert_eq!(decoding.double_encoding(), (11, 0), "ASCII shows nothing");
            assert_eq!(decoding.cell(b"Qu\xE9r\xE9").as_deref(), Ok("Quéré"));
            assert_eq!(decoding.peek("é".as_bytes()), Err(Problem::DoubleEncoding));
            assert_eq!(decoding.double_encoding(), (11, 1));
        }
    }

    #[test]
    fn a_text_encoded_twice_is_refused_in_utf8_and_utf16() {
        for encoding in [UTF_8, UTF_16LE] {
            let decoding = Decoding::new(encoding);
            for text in ["QuÃ©rÃ©", "Lâ€™ÃŽle", "Å“uvre", "nÂ°", "12 â‚¬", "1Â\u{a0}234,50", "Ã\u{81}", "x Ã\u{a0}"]
            {
                assert_eq!(decoding.cell(text.as_bytes()), Err(Problem::DoubleEncoding), "{text}");
            }
            for text in ["Quéré", "château", "Ã", "Â ", "â€", "5 Å"] {
                assert_eq!(decoding.cell(text.as_bytes()).as_deref(), Ok(text));
            }
            assert_eq!(decoding.double_encoding(), (8, 6));
        }
    }

    #[test]
    fn words_of_western_europe_raise_no_alarm() {
        let words = "ÂGE CHÂTEAU ÂNE BÂTIMENT PÂQUES Å ÅNGSTRÖM SÃO PAULO IRMÃ IRMÃOS CORAÇÃO JOÃO Ã naïf Noël Zoé L'Île ÎLE L’Île \
            L’ÂGE «Âge» «âme» « Âge » garçon GARÇON œuvre ŒUVRE Œdème cœur où OÙ là LÀ À çà et là… âge–limite pâté crâne fenêtre \
            €  12€ 1\u{a0}234,50\u{a0}€ âgé(e) n° 5°C ½ journée ¼ «NÃO» Ñandú ESPAÑA niño ¿QUÉ? ¡ÁNIMO! Ávila corazón Über \
            ÜBER Größe STRAßE Äpfel Öl müßig Müller Pâris Ô À-côté Saint-Côme Hôpital HÔPITAL ÉTÉ dû MAÎTRE";
        for encoding in WESTERN {
            let decoding = Decoding::new(encoding);
            for word in words.split(' ').chain([words]) {
                let (bytes, _, unmappable) = encoding.encode(word);
                if !unmappable {
                    assert_eq!(decoding.cell(&bytes).as_deref(), Ok(word), "{word} in {}", encoding.name());
                }
            }
            assert!(decoding.double_encoding().1 > 60);
        }
        let decoding = Decoding::new(UTF_8);
        for word in words.split(' ').chain([words]) {
            assert_eq!(decoding.cell(word.as_bytes()).as_deref(), Ok(word));
        }
    }

    #[test]
    fn letters_of_other_scripts_are_not_taken_for_utf8() {
        let cyrillic = Decoding::new(encoding_rs::WINDOWS_1251);
        for name in ["Віктор", "Гібалов", "ЕЁ дом"] {
            let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode(name);
            assert_eq!(cyrillic.cell(&bytes).as_deref(), Ok(name));
        }
        assert_eq!(cyrillic.cell("Quéré".as_bytes()), Err(Problem::DoubleEncoding));
    }

    proptest::proptest! {
        /// Whatever the bytes and their pieces, nothing panics, and a double encoding is found whatever was encoded.
        #[test]
        fn any_bytes_in_any_encoding(bytes: Vec<u8>, piece in 1_usize..9, text in "[a-zéàçûñ°’œ€]*[éœ’][a-z]*") {
            for encoding in [UTF_8, UTF_16LE, UTF_16BE, WINDOWS_1252, ISO_8859_15, encoding_rs::SHIFT_JIS, encoding_rs::GB18030] {
                let (mut decoding, mut buffer) = (Decoding::new(encoding), Vec::new());
                let mut marked = false;
                for piece in bytes.chunks(piece) {
                    marked |= decoding.append(piece, false, &mut buffer).is_err();
                }
                marked |= decoding.append(&[], true, &mut buffer).is_err();
                // A file has one end; a second one is no more than that.
                marked |= decoding.append(&bytes, true, &mut buffer).is_err();
                let cell = decoding.cell(&buffer);
                proptest::prop_assert!(marked || cell.is_err() || !buffer.is_ascii() || cell.as_deref() == Ok(decoding.shown(&buffer).as_str()));
            }
            let twice = WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0;
            proptest::prop_assert_eq!(Decoding::new(UTF_8).cell(twice.as_bytes()), Err(Problem::DoubleEncoding));
            proptest::prop_assert_eq!(Decoding::new(WINDOWS_1252).cell(text.as_bytes()), Err(Problem::DoubleEncoding));
        }
    }
}
