//! From bytes in a declared encoding to text.
//!
//! UTF-8 and single-byte encodings are split as they are and decoded cell by cell; others (UTF-16, Shift JIS …) are turned
//! into UTF-8 as they arrive. Nothing is decoded with errors in silence: a byte that the encoding does not have makes its
//! cell unreadable, and a byte order mark that contradicts the declaration stops the file.

use std::borrow::Cow;
use std::cell::Cell;

use encoding_rs::{
    CoderResult, Decoder, ISO_8859_15, MACINTOSH, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, WINDOWS_1254,
};
use fonderie_contract::Encoding;
use fonderie_core::{ErrorCode, Result, StageError};
use memchr::memchr3;

use crate::double::{self, Double};
use crate::foreign::{self, Shown};
use crate::problem::Problem;
use crate::{container, cp850};

/// A cell's text, or why it has none.
pub(crate) type Decoded<'a> = Result<Cow<'a, str>, Problem>;

/// What a cell shows of the file's encoding: nothing by default, as ASCII does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shows {
    /// It looks encoded twice.
    double: bool,
    /// It is not ASCII, and does not.
    single: bool,
    /// It looks as if it were in another single-byte encoding.
    odd: bool,
    /// It shows the contrary.
    ordinary: bool,
}

/// Bytes of a file's start that are gathered before it is looked at.
const START: usize = 200;

/// A declared encoding at work.
pub struct Decoding {
    encoding: Encoding,
    /// Cells arrive as UTF-8, from such a file or through the transcoder.
    utf8: bool,
    transcoder: Option<Decoder>,
    /// The file's first bytes, until enough are there to look for a byte order mark.
    start: Option<Vec<u8>>,
    /// The file's end was decoded: a decoder takes nothing more.
    ended: bool,
    /// Cells that look encoded twice.
    double: Cell<u64>,
    /// Cells that are not ASCII and do not.
    single: Cell<u64>,
    /// Cells that look as if they were in another single-byte encoding, and cells that show the contrary.
    odd: Cell<u64>,
    ordinary: Cell<u64>,
}

impl Decoding {
    /// The decoding of a file in an encoding.
    pub fn new(encoding: impl Into<Encoding>) -> Self {
        let encoding = encoding.into();
        let transcoded = encoding.listed().filter(|listed| *listed != UTF_8 && !listed.is_single_byte());
        let transcoder = transcoded.map(|listed| listed.new_decoder_without_bom_handling());
        let (double, single, odd, ordinary) = Default::default();
        Self {
            encoding,
            utf8: transcoder.is_some() || encoding == UTF_8.into(),
            transcoder,
            start: Some(Vec::new()),
            ended: false,
            double,
            single,
            odd,
            ordinary,
        }
    }

    /// Appends the next bytes of the file to a splitter's buffer, without the byte order mark.
    ///
    /// # Errors
    /// `EncodingMismatch` where the file begins with another encoding's byte order mark, or as UTF-16 without one.
    pub fn append(&mut self, bytes: &[u8], ended: bool, buffer: &mut Vec<u8>) -> Result<()> {
        let Some(mut start) = self.start.take() else {
            self.push(bytes, ended, buffer);
            return Ok(());
        };
        start.extend_from_slice(bytes);
        if start.len() < START && !ended {
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
            _ => return self.unless_utf16(start),
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

    fn unless_utf16<'a>(&self, start: &'a [u8]) -> Result<&'a [u8]> {
        let found = match container::unmarked_utf16(&start[..start.len().min(START)]) {
            Some(found) if found != self.encoding.name() => found,
            _ => return Ok(start),
        };
        Err(StageError::new(
            ErrorCode::EncodingMismatch,
            format!(
                "the file is {found} without a byte order mark, but its contract declares {}: correct `format.encoding` in \
                 the contract (\"{}\"), or the file's export",
                self.encoding.name(),
                found.to_ascii_lowercase(),
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
            // An undecodable sequence becomes U+FFFD, by which `read` knows it again.
            let (result, read, written, _) = transcoder.decode_to_utf8(bytes, &mut piece, ended);
            buffer.extend_from_slice(&piece[..written]);
            bytes = &bytes[read..];
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }

    /// A cell's text and what it shows of the file's encoding, which is not counted.
    ///
    /// # Errors
    /// [`Problem::Encoding`] if its bytes are not of the encoding, or hold U+FFFD; [`Problem::DoubleEncoding`] if they are UTF-8 in another
    /// encoding's place, or UTF-8 that was taken for windows-1252 and encoded again.
    #[inline]
    pub(crate) fn read<'a>(&self, bytes: &'a [u8]) -> (Decoded<'a>, Shows) {
        if bytes.is_ascii() { (ascii(bytes), Shows::default()) } else { self.read_other(bytes) }
    }

    fn read_other<'a>(&self, bytes: &'a [u8]) -> (Decoded<'a>, Shows) {
        let (text, double) = self.decode(bytes);
        let mut shows = Shows { double: double == Double::Yes, ..Shows::default() };
        match &text {
            Ok(text) => {
                shows.single = double == Double::No;
                if !self.utf8 {
                    let foreign = foreign::shown(text);
                    (shows.odd, shows.ordinary) = (foreign == Shown::Odd, foreign == Shown::Contrary);
                }
            }
            Err(problem) => shows.odd = !self.utf8 && *problem == Problem::Encoding,
        }
        (text, shows)
    }

    /// Counts what a cell shows: see [`Self::double_encoding`] and [`Self::foreign_encoding`].
    pub(crate) fn count(&self, shows: Shows) {
        let Shows { double, single, odd, ordinary } = shows;
        for (count, shown) in
            [(&self.double, double), (&self.single, single), (&self.odd, odd), (&self.ordinary, ordinary)]
        {
            count.set(count.get() + u64::from(shown));
        }
    }

    /// A cell's text alone.
    ///
    /// # Errors
    /// Those of a cell that is read.
    pub fn peek<'a>(&self, bytes: &'a [u8]) -> Decoded<'a> {
        if bytes.is_ascii() { ascii(bytes) } else { self.decode(bytes).0 }
    }

    /// The text of bytes that are not all ASCII.
    fn decode<'a>(&self, bytes: &'a [u8]) -> (Decoded<'a>, Double) {
        if self.utf8 {
            // U+FFFD is what the transcoder, or an earlier program, put in place of what it could not decode.
            return match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains('\u{FFFD}') => {
                    refuse_double(self.double_text(text), || Ok(Cow::Borrowed(text)))
                }
                _ => (Err(Problem::Encoding), Double::No),
            };
        }
        refuse_double(self.double(bytes), || self.single_byte(bytes))
    }

    /// Text in a single-byte encoding.
    fn single_byte<'a>(&self, bytes: &'a [u8]) -> Decoded<'a> {
        let Some(listed) = self.encoding.listed() else { return Ok(Cow::Owned(cp850::decode(bytes))) };
        let text = listed.decode_without_bom_handling_and_without_replacement(bytes).ok_or(Problem::Encoding)?;
        // The bytes that a single-byte encoding leaves undefined come out as C1 controls, which no text has.
        let latin_9 = || {
            // few texts have a fraction at all
            memchr3(0xBC, 0xBD, 0xBE, bytes).is_some()
                && [WINDOWS_1252, WINDOWS_1254].contains(&listed)
                && foreign::is_latin_9(&text)
        };
        if text.contains(is_c1) || latin_9() { Err(Problem::Encoding) } else { Ok(text) }
    }

    /// What a text of a file in UTF-8, or in an encoding of several bytes per character, shows.
    fn double_text(&self, text: &str) -> Double {
        let several = self.encoding.listed().filter(|listed| ![UTF_8, UTF_16LE, UTF_16BE].contains(listed));
        match several {
            Some(listed) => double::beside_latin(&listed.encode(text).0),
            None => double::text(text),
        }
    }

    /// Whether bytes in a single-byte encoding hold a character's UTF-8.
    fn double(&self, bytes: &[u8]) -> Double {
        match self.encoding.listed() {
            Some(listed) if [WINDOWS_1252, ISO_8859_15, WINDOWS_1254].contains(&listed) => double::western(bytes),
            Some(listed) if listed != MACINTOSH => double::whole(bytes),
            _ => double::common_or_whole(bytes),
        }
    }

    /// How many cells looked encoded twice, and how many that are not ASCII did not.
    pub fn double_encoding(&self) -> (u64, u64) {
        (self.double.get(), self.single.get())
    }

    /// Of a single-byte encoding: how many cells have bytes that it lacks, or signs within words, and how many have letters
    /// with accents as words have them.
    pub fn foreign_encoding(&self) -> (u64, u64) {
        (self.odd.get(), self.ordinary.get())
    }

    /// A cell's text with U+FFFD for what cannot be decoded: to be shown, never to be loaded.
    pub fn shown(&self, bytes: &[u8]) -> String {
        match self.encoding.listed() {
            _ if self.utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Some(listed) => {
                let text = listed.decode_without_bom_handling(bytes).0;
                text.chars().map(|c| if is_c1(c) { '\u{FFFD}' } else { c }).collect()
            }
            None => cp850::decode(bytes),
        }
    }
}

/// ASCII is the same in each encoding, and evidence of none.
fn ascii(bytes: &[u8]) -> Decoded<'_> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Problem::Encoding)
}

fn refuse_double<'a>(double: Double, text: impl FnOnce() -> Decoded<'a>) -> (Decoded<'a>, Double) {
    (if double == Double::Yes { Err(Problem::DoubleEncoding) } else { text() }, double)
}

fn is_c1(c: char) -> bool {
    ('\u{80}'..='\u{9F}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Decoding {
        /// A cell's text; what it shows is counted.
        fn cell<'a>(&self, bytes: &'a [u8]) -> Decoded<'a> {
            let (text, shows) = self.read(bytes);
            self.count(shows);
            text
        }
    }

    fn decode(label: &str, pieces: &[&[u8]]) -> Result<Vec<u8>> {
        let mut decoding = Decoding::new(Encoding::of_label(label).unwrap());
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
        let latin = Decoding::new(encoding_rs::ISO_8859_15);
        assert_eq!(latin.cell(b"\xA4\xBD").as_deref(), Ok("\u{20ac}\u{153}"));
        assert_eq!(latin.cell(b"\x80"), Err(Problem::Encoding));
    }

    #[test]
    fn a_lone_surrogate_is_not_decoded_in_silence() {
        let bytes = decode("utf-16le", &[b"a\0\x00\xD8b\0"]).unwrap();
        let utf16 = Decoding::new(UTF_16LE);
        assert_eq!(utf16.cell(&bytes), Err(Problem::Encoding));
        assert_eq!(utf16.shown(&bytes), "a\u{FFFD}b");
    }

    #[test]
    fn a_lost_character_is_refused_in_every_encoding_that_has_it() {
        for encoding in [UTF_8, UTF_16LE, encoding_rs::SHIFT_JIS] {
            let decoding = Decoding::new(encoding);
            assert_eq!(decoding.cell("Qu\u{FFFD}r\u{FFFD}".as_bytes()), Err(Problem::Encoding));
            assert_eq!(decoding.cell("Quéré".as_bytes()).as_deref(), Ok("Quéré"));
            assert_eq!((decoding.double_encoding(), decoding.foreign_encoding()), ((0, 1), (0, 0)));
        }
        // Lost, and encoded twice.
        assert_eq!(Decoding::new(UTF_8).cell("Quï¿½rï¿½".as_bytes()), Err(Problem::DoubleEncoding));
    }

    #[test]
    fn utf16_without_a_mark_stops_a_file_of_another_encoding() {
        let text = "Id;Prénom;Total\r\nA-1;Zoé;12,00 €\r\n".repeat(20);
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (label, bytes, found) in
            [("utf-8", &le, "\"utf-16le\""), ("windows-1252", &be, "\"utf-16be\""), ("utf-16le", &be, "\"utf-16be\"")]
        {
            for piece in [1, 7, 1000] {
                let error = decode(label, &bytes.chunks(piece).collect::<Vec<_>>()).unwrap_err();
                assert_eq!(error.code, ErrorCode::EncodingMismatch, "{label}");
                assert!(
                    error.message.contains(found) && error.message.contains("`format.encoding`"),
                    "{}",
                    error.message
                );
            }
        }
        assert_eq!(decode("utf-16be", &[&be[..3], &be[3..]]).unwrap(), text.as_bytes());
        assert_eq!(decode("utf-8", &[text.as_bytes()]).unwrap(), text.as_bytes());
    }

    #[test]
    fn cp850_is_read_and_counted_where_it_is_not_declared() {
        let cells: [&[u8]; 6] = [b"No\x89l", b"Lef\x8Avre", b"Fran\x87ois", b"Durand", b"M\x81ller", b"No\xC3\xABl"];
        let (declared, other) = (Decoding::new(Encoding::Cp850), Decoding::new(WINDOWS_1252));
        let read: Vec<_> = cells.iter().map(|cell| declared.cell(cell)).collect();
        assert_eq!(read[..5].iter().flatten().collect::<Vec<_>>(), ["Noël", "Lefèvre", "François", "Durand", "Müller"]);
        assert_eq!(read[5], Err(Problem::DoubleEncoding));
        assert_eq!(declared.foreign_encoding(), (0, 4));
        for cell in cells {
            let _ = other.cell(cell);
            let _ = other.peek(cell);
        }
        assert_eq!((other.foreign_encoding(), other.double_encoding()), ((4, 0), (1, 3)));
        let _ = other.cell(b"Lef\xE8vre");
        assert_eq!(other.foreign_encoding(), (4, 1));
    }

    const WESTERN: [&encoding_rs::Encoding; 2] = [WINDOWS_1252, ISO_8859_15];

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
