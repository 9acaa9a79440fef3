//! The number formats of a workbook's cell styles.

use std::collections::HashMap;
use std::io::Read;

use quick_xml::events::Event;

use super::error::{Parsed, too_large};
use super::number_format::NumberFormat;
use super::xml::{Attributes, Xml, unescaped};

/// More styles than Excel allows.
const MOST_STYLES: usize = 1 << 16;

/// Number formats by a cell's style.
#[derive(Default)]
pub(super) struct Styles(Vec<NumberFormat>);

impl Styles {
    /// Reads the part of styles.
    pub(super) fn read<R: Read>(mut xml: Xml<R>) -> Parsed<Self> {
        let mut formats: HashMap<u32, NumberFormat> = HashMap::new();
        let mut ids = Vec::new();
        // The same tags describe other things elsewhere: named styles, the differences of conditional formats.
        let (mut in_formats, mut in_cells) = (false, false);
        loop {
            match xml.event()? {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    "numFmts" => in_formats = true,
                    "cellXfs" => in_cells = true,
                    "numFmt" if in_formats => {
                        let (mut id, mut code) = (None, String::new());
                        for attribute in Attributes::new(tag.attributes_raw()) {
                            match attribute? {
                                ("numFmtId", value) => id = value.trim().parse().ok(),
                                ("formatCode", value) => code = unescaped(value)?,
                                _ => {}
                            }
                        }
                        if let Some(id) = id {
                            formats.insert(id, NumberFormat::of_code(&code));
                        }
                    }
                    "xf" if in_cells => {
                        let mut id: u32 = 0;
                        for attribute in Attributes::new(tag.attributes_raw()) {
                            if let ("numFmtId", value) = attribute? {
                                id = value.trim().parse().unwrap_or(0);
                            }
                        }
                        ids.push(id);
                    }
                    _ => {}
                },
                Event::End(tag) => match tag.local_name().as_ref() {
                    "numFmts" => in_formats = false,
                    "cellXfs" => in_cells = false,
                    _ => {}
                },
                Event::Eof => break,
                _ => {}
            }
            if ids.len() > MOST_STYLES || formats.len() > MOST_STYLES {
                return Err(too_large(&format!("has more than {MOST_STYLES} styles")).into());
            }
        }
        xml.finish()?;
        let format = |id: u32| formats.get(&id).cloned().unwrap_or_else(|| NumberFormat::built_in(id));
        Ok(Self(ids.into_iter().map(format).collect()))
    }

    /// The number format of a style; a style that the workbook lacks shows numbers as they are.
    pub(super) fn number_format(&self, style: usize) -> &NumberFormat {
        self.0.get(style).unwrap_or(&NumberFormat::Plain)
    }
}
