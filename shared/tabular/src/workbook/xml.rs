//! A part's XML, event by event, within bounds: its size, the size of one event, its depth.

use std::io::{BufRead, BufReader, Error, Read};

use quick_xml::events::{BytesRef, Event};

use super::error::{Fault, Parsed, damaged, too_large};

/// The longest tag or text, in bytes. Excel's longest text has 32,767 characters.
const MOST_EVENT: usize = 32 << 20;

/// The deepest nesting. A sheet's cells are six deep.
const MOST_DEPTH: usize = 100;

const CHUNK: usize = 64 << 10;

/// A part at work.
pub(super) struct Xml<R: Read> {
    reader: quick_xml::Reader<BufReader<Bounded<R>>>,
    buffer: Vec<u8>,
    depth: usize,
    began: bool,
}

/// A part's bytes: never more than its declared size, nor more than an event may have.
struct Bounded<R> {
    part: R,
    left: u64,
    event_left: usize,
    exceeded: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.event_left == 0 {
            self.exceeded = true;
            return Err(Error::other("an event is too long"));
        }
        let read = self.part.read(buffer)?;
        self.event_left = self.event_left.saturating_sub(read);
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| Error::other("longer than it declares"))?;
        Ok(read)
    }
}

impl<R: Read> Xml<R> {
    /// Reads a part of a declared size.
    pub(super) fn new(part: R, size: u64) -> Self {
        let bounded = Bounded { part, left: size, event_left: MOST_EVENT, exceeded: false };
        let mut reader = quick_xml::Reader::from_reader(BufReader::with_capacity(CHUNK, bounded));
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0, began: false }
    }

    /// The next event; an empty element comes as its start and its end. No end comes while an element is open.
    pub(super) fn event(&mut self) -> Parsed<Event<'_>> {
        if !self.began {
            self.began = true;
            self.refuse_utf16()?;
        }
        self.buffer.clear();
        self.reader.get_mut().get_mut().event_left = MOST_EVENT;
        // The two fields are borrowed one by one, so that the error can look at the bounds.
        let Self { reader, buffer, depth, .. } = self;
        let event = match reader.read_event_into(buffer) {
            Ok(event) => event,
            Err(error) => return Err(Self::refuse(reader, &error)),
        };
        match event {
            Event::Start(_) => {
                *depth += 1;
                if *depth > MOST_DEPTH {
                    return Err(Fault::shape("its elements are nested too deep"));
                }
            }
            Event::End(_) => *depth = depth.saturating_sub(1),
            Event::Eof if *depth > 0 => return Err(damaged().into()),
            _ => {}
        }
        Ok(event)
    }

    fn refuse(reader: &quick_xml::Reader<BufReader<Bounded<R>>>, error: &quick_xml::Error) -> Fault {
        match error {
            _ if reader.get_ref().get_ref().exceeded => {
                too_large(&format!("has a text or tag of more than {} MiB", MOST_EVENT >> 20)).into()
            }
            quick_xml::Error::Io(_) => damaged().into(),
            quick_xml::Error::Encoding(_) => Fault::shape("its text is not in UTF-8"),
            _ => Fault::shape("its XML is malformed"),
        }
    }

    /// Refuses a part in UTF-16, in which the parser sees no tag.
    fn refuse_utf16(&mut self) -> Parsed<()> {
        match self.reader.get_mut().fill_buf().map_err(|_| damaged())? {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, ..] | [_, 0, ..] => {
                Err(Fault::shape("its text is in UTF-16, not in UTF-8"))
            }
            _ => Ok(()),
        }
    }

    /// How many elements are open.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// Passes over the element whose start was read last.
    pub(super) fn skip(&mut self) -> Parsed<()> {
        let depth = self.depth;
        while self.depth >= depth {
            self.event()?;
        }
        Ok(())
    }

    /// Passes over the element whose start was read last, in which no text is expected: what is not read must not be lost.
    pub(super) fn skip_blank(&mut self) -> Parsed<()> {
        let depth = self.depth;
        while self.depth >= depth {
            let event = self.event()?;
            if has_text(&event) {
                return Err(unread());
            }
        }
        Ok(())
    }

    /// Passes over all that is left, so that the archive's checksum of the part is compared.
    pub(super) fn finish(self) -> Parsed<()> {
        let Bounded { part, left, .. } = self.reader.into_inner().into_inner();
        let rest = std::io::copy(&mut part.take(left.saturating_add(1)), &mut std::io::sink());
        if rest.map_err(|_| damaged())? > left { Err(damaged().into()) } else { Ok(()) }
    }
}

/// The attributes of a tag: name and raw value. The format's own have no prefix, but for `xml:space` and `r:id`.
pub(super) struct Attributes<'a>(&'a str);

impl<'a> Attributes<'a> {
    pub(super) const fn new(raw: &'a str) -> Self {
        Self(raw)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Parsed<(&'a str, &'a str)>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = self.0.trim_ascii_start();
        self.0 = "";
        if raw.is_empty() {
            return None;
        }
        let attribute = || {
            let (name, rest) = raw.split_once('=')?;
            let rest = rest.trim_ascii_start();
            let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, rest) = rest[1..].split_once(quote)?;
            Some((name.trim_ascii_end(), value, rest))
        };
        Some(match attribute() {
            Some((name, value, rest)) => {
                self.0 = rest;
                Ok((name, value))
            }
            None => Err(Fault::shape("an attribute is malformed")),
        })
    }
}

/// An attribute's value with its entities resolved.
pub(super) fn unescaped(value: &str) -> Parsed<String> {
    quick_xml::escape::unescape(value).map(|text| text.into_owned()).map_err(|_| unknown_reference())
}

/// Whether an event is a piece of text that is not only white space.
pub(super) fn has_text(event: &Event<'_>) -> bool {
    match event {
        Event::Text(text) => !text.trim_ascii().is_empty(),
        Event::CData(text) => !text.trim_ascii().is_empty(),
        Event::GeneralRef(_) => true,
        _ => false,
    }
}

/// A text where the format has none, so that it is not read.
pub(super) fn unread() -> Fault {
    Fault::shape("it has content where the format has none, which would be lost")
}

/// An XML truth value.
pub(super) fn is_true(value: &str) -> bool {
    matches!(value.trim(), "1" | "true")
}

/// The character that a reference in a text stands for.
pub(super) fn character(reference: &BytesRef<'_>) -> Parsed<char> {
    let named = || match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    };
    reference.resolve_char_ref().map_err(|_| unknown_reference())?.or_else(named).ok_or_else(unknown_reference)
}

fn unknown_reference() -> Fault {
    Fault::shape("a text has a reference to a character that XML does not have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_by_their_names() {
        let read = |raw| Attributes::new(raw).collect::<Parsed<Vec<_>>>().ok();
        assert_eq!(read(" r = \"A1\"  x:s='4' t=\"\""), Some(vec![("r", "A1"), ("x:s", "4"), ("t", "")]));
        for malformed in [" r=A1", " r", " r=\"A1"] {
            assert_eq!(read(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn a_part_is_bounded_in_size_and_depth() {
        let fails = |text: &str, size: u64| {
            let mut xml = Xml::new(text.as_bytes(), size);
            loop {
                match xml.event() {
                    Ok(Event::Eof) => return None,
                    Ok(_) => {}
                    Err(fault) => return Some(fonderie_core::StageError::from(fault).message),
                }
            }
        };
        assert_eq!(fails("<a><b/></a>", 11), None);
        assert!(fails("<a><b/></a>", 10).is_some_and(|message| message.contains("damaged")));
        assert!(fails(&"<a>".repeat(101), 1000).is_some_and(|message| message.contains("nested")));
        assert!(fails("<a></b>", 7).is_some_and(|message| message.contains("malformed")));
        assert!(fails("<\0a\0", 4).is_some_and(|message| message.contains("UTF-16")));
    }
}
