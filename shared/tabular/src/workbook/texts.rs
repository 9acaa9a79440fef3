//! A cell's text, and the table of texts that cells share.

use std::collections::HashSet;
use std::io::Read;

use quick_xml::events::Event;

use super::error::{Parsed, too_large};
use super::xml::{Attributes, Xml, character, has_text, unread};
use crate::limits::Limits;

/// The longest text of a cell, in UTF-16 units as Excel counts it, and in bytes.
const MOST_UNITS: usize = 32_767;
const MOST_BYTES: usize = 3 * MOST_UNITS;

/// What is kept of a longer text, in characters.
pub(super) const PREFIX: usize = 100;

/// A text as it is read: no more of it is kept than a cell may have.
#[derive(Default)]
pub(super) struct CellText {
    text: String,
    too_long: bool,
}

impl CellText {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.too_long = false;
    }

    pub(super) fn push(&mut self, text: &str) {
        if self.text.len() + text.len() > MOST_BYTES {
            self.too_long = true;
            self.text.extend(text.chars().take(PREFIX.saturating_sub(self.text.len())));
        } else {
            self.text.push_str(text);
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Takes an event of a text in, if it is a piece of it.
    pub(super) fn take(&mut self, event: &Event<'_>) -> Parsed<()> {
        match event {
            Event::Text(text) => self.push(&text.xml10_content()),
            Event::CData(text) => self.push(&text.xml10_content()),
            Event::GeneralRef(reference) => self.push(character(reference)?.encode_utf8(&mut [0; 4])),
            _ => {}
        }
        Ok(())
    }

    /// Reads the texts of an `si` or `is` element, whose start was read last: one, or several of different looks; how they
    /// are pronounced is left out.
    ///
    /// # Errors
    /// Other text in it, which would be lost.
    pub(super) fn read_rich<R: Read>(&mut self, xml: &mut Xml<R>) -> Parsed<()> {
        self.clear();
        let depth = xml.depth();
        let (mut phonetic, mut piece) = (false, None);
        while xml.depth() >= depth {
            match &xml.event()? {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    "rPh" => phonetic = true,
                    "t" if !phonetic => {
                        let mut kept = false;
                        for attribute in Attributes::new(tag.attributes_raw()) {
                            kept |= attribute? == ("xml:space", "preserve");
                        }
                        piece = Some((self.text.len(), kept));
                    }
                    _ => {}
                },
                Event::End(tag) => match tag.local_name().as_ref() {
                    "rPh" => phonetic = false,
                    "t" => {
                        if let Some((start, kept)) = piece.take() {
                            if !kept {
                                self.trim(start);
                            }
                            self.unescape(start);
                        }
                    }
                    _ => {}
                },
                event if piece.is_some() => self.take(event)?,
                event if !phonetic && has_text(event) => return Err(unread()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes XML's white space off both ends of what follows a place.
    fn trim(&mut self, start: usize) {
        let space = [' ', '\t', '\r', '\n'];
        let end = start + self.text[start..].trim_end_matches(space).len();
        self.text.truncate(end);
        let leading = self.text.len() - start - self.text[start..].trim_start_matches(space).len();
        if leading > 0 {
            self.text.drain(start..start + leading);
        }
    }

    /// Makes `_x000D_` and its like characters in what follows a place.
    pub(super) fn unescape(&mut self, start: usize) {
        if !self.too_long && self.text[start..].contains("_x") {
            let plain = unescaped(&self.text[start..]);
            self.text.truncate(start);
            self.text.push_str(&plain);
        }
    }

    /// Ends the text. Returns whether it is within a cell's bounds; if not, a prefix is left.
    pub(super) fn finish(&mut self) -> bool {
        let units = |text: &str| text.encode_utf16().count();
        if self.too_long || self.text.len() > MOST_UNITS && units(&self.text) > MOST_UNITS {
            self.too_long = true;
            if let Some((end, _)) = self.text.char_indices().nth(PREFIX) {
                self.text.truncate(end);
            }
        }
        !self.too_long
    }
}

/// A text without the escapes (`_x000D_`) in which the format writes characters that XML lacks.
fn unescaped(text: &str) -> String {
    let escape = |text: &str| {
        let digits = text.strip_prefix("_x")?.get(..4).filter(|_| text.as_bytes().get(6) == Some(&b'_'))?;
        let digits = digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(digits)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut units: Vec<u16> = Vec::new();
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        units.clear();
        while let Some(unit) = escape(rest) {
            units.push(unit);
            rest = &rest[7..];
        }
        if units.is_empty() {
            plain.push_str("_x");
            rest = &rest[2..];
        }
        plain.extend(char::decode_utf16(units.iter().copied()).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    plain + rest
}

/// The texts that cells share, one after another.
#[derive(Default)]
pub(super) struct Texts {
    bytes: String,
    ends: Vec<u32>,
    /// Those of which only a prefix is kept.
    too_long: HashSet<u32>,
}

impl Texts {
    /// Reads the table.
    pub(super) fn read<R: Read>(mut xml: Xml<R>, limits: &Limits) -> Parsed<Self> {
        let mut texts = Self::default();
        let mut text = CellText::default();
        loop {
            let is_text = match xml.event()? {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    "si" => true,
                    "extLst" => false,
                    _ => continue,
                },
                Event::Eof => break,
                // A text that is not counted would give its place, and all that follow, to others.
                event if has_text(&event) => return Err(unread()),
                _ => continue,
            };
            if !is_text {
                xml.skip()?;
            } else {
                text.read_rich(&mut xml)?;
                if !text.finish() {
                    texts.too_long.insert(u32::try_from(texts.ends.len()).unwrap_or(u32::MAX));
                }
                texts.bytes.push_str(text.as_str());
                // The part has been tested to be smaller, and nothing in it becomes longer.
                let end =
                    u32::try_from(texts.bytes.len()).ok().filter(|end| u64::from(*end) <= limits.max_workbook_texts);
                texts.ends.push(end.ok_or_else(|| too_large("has more texts than fit into memory"))?);
            }
        }
        xml.finish()?;
        Ok(texts)
    }

    /// A text, or its prefix, by its place.
    pub(super) fn get(&self, index: u32) -> Option<&str> {
        let index = usize::try_from(index).ok()?;
        let end = usize::try_from(*self.ends.get(index)?).ok()?;
        let start = if index == 0 { 0 } else { usize::try_from(*self.ends.get(index - 1)?).ok()? };
        self.bytes.get(start..end)
    }

    /// Whether only a prefix of a text is kept.
    pub(super) fn is_too_long(&self, index: u32) -> bool {
        !self.too_long.is_empty() && self.too_long.contains(&index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_characters() {
        for (text, plain) in [
            ("a_x000D_b", "a\rb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_xD83D__xDE00_!", "😀!"),
            ("_xD83D_", "\u{FFFD}"),
            ("FAC_x12_x00é9_", "FAC_x12_x00é9_"),
            ("_x_x0041_", "_xA"),
            ("_x+041_", "_x+041_"),
        ] {
            assert_eq!(unescaped(text), plain, "{text}");
        }
    }

    fn table(texts: &str) -> Option<Texts> {
        let part = format!("<sst uniqueCount=\"4294967295\">{texts}</sst>");
        Texts::read(Xml::new(part.as_bytes(), part.len() as u64), &Limits::default()).ok()
    }

    #[test]
    fn shared_texts_are_read_with_their_looks_and_without_their_sounds() {
        let texts = table(
            "<si><t>A &amp; B&#233;</t></si><si/><si><r><rPr/><t>Du</t></r>\n<r><t xml:space=\"preserve\">pont </t></r>\
             <r><t> fils </t></r></si><si><t>東</t><rPh><t>ひがし</t></rPh></si><x:si><x:t><![CDATA[<c>]]></x:t></x:si>",
        );
        // A prefix without its declaration is no error to this reader, which looks at local names only.
        let Some(texts) = texts else { return assert!(texts.is_some()) };
        let all: Vec<_> = (0..6).map(|index| texts.get(index)).collect();
        assert_eq!(all, [Some("A & Bé"), Some(""), Some("Dupont fils"), Some("東"), Some("<c>"), None]);
    }

    #[test]
    fn longer_texts_than_a_cell_has_leave_a_prefix() {
        for (length, fits) in [(32_767, true), (32_768, false), (200_000, false)] {
            let texts = table(&format!("<si><t>{}</t></si>", "é".repeat(length)));
            assert_eq!(texts.as_ref().map(|texts| !texts.is_too_long(0)), Some(fits), "{length}");
            let kept = texts.as_ref().and_then(|texts| texts.get(0)).map(|text| text.chars().count());
            assert_eq!(kept, Some(if fits { length } else { PREFIX }));
        }
        let pieces = table(&format!("<si>{}</si>", "<r><t>0123456789</t></r>".repeat(30_000)));
        assert_eq!(pieces.and_then(|texts| texts.get(0).map(str::len)), Some(PREFIX));
    }
}
