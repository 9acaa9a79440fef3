//! Texts that a column has had before, by their bytes in the file: most columns hold few different ones, and each is decoded,
//! cleaned and looked up once.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::decode::Shows;
use crate::read::Notes;

/// What is known of a text.
pub(crate) struct Known {
    bytes: Box<[u8]>,
    /// Its value; `None` if it is no value.
    pub(crate) text: Option<Box<str>>,
    pub(crate) notes: Notes,
    pub(crate) shows: Shows,
}

/// The texts of one column, each in the one slot that its bytes allow: a newer one takes the place of an older one.
pub(crate) struct Memo {
    slots: Box<[Option<Known>]>,
    asked: u32,
    known: u32,
}

/// Slots of a column.
const SLOTS: usize = 1024;
/// The longest text that is kept, in bytes.
const LONGEST: usize = 64;
/// After so many questions a column in which fewer than half of the texts were known is given up.
const TRIAL: u32 = 4096;

impl Memo {
    /// A memo; without slots unless the column holds texts.
    pub(crate) fn new(texts: bool) -> Self {
        let slots = std::iter::repeat_with(|| None).take(if texts { SLOTS } else { 0 }).collect();
        Self { slots, asked: 0, known: 0 }
    }

    /// What is known of a text.
    #[inline]
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<&Known> {
        if self.slots.is_empty() {
            return None;
        }
        if self.asked == TRIAL {
            if self.known * 2 < self.asked {
                self.slots = Box::default();
                return None;
            }
            (self.asked, self.known) = (0, 0);
        }
        self.asked += 1;
        let known = self.slots[slot(bytes)].as_ref().filter(|known| *known.bytes == *bytes);
        self.known += u32::from(known.is_some());
        known
    }

    /// Keeps what was found out about a text, if it is short.
    pub(crate) fn keep(&mut self, bytes: &[u8], text: Option<&str>, notes: Notes, shows: Shows) {
        if bytes.len() <= LONGEST && !self.slots.is_empty() {
            self.slots[slot(bytes)] = Some(Known { bytes: bytes.into(), text: text.map(Box::from), notes, shows });
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // the lower bits are all that is used
fn slot(bytes: &[u8]) -> usize {
    FixedState::default().hash_one(bytes) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(memo: &mut Memo, text: &str) -> Option<Option<String>> {
        memo.find(text.as_bytes()).map(|known| known.text.as_deref().map(str::to_owned))
    }

    #[test]
    fn a_text_is_known_by_all_its_bytes_whatever_took_its_slot() {
        let mut memo = Memo::new(true);
        for number in 0..SLOTS + SLOTS / 4 {
            let text = number.to_string();
            let value = (number % 3 > 0).then_some(text.as_str());
            assert_eq!(ask(&mut memo, &text), None);
            memo.keep(text.as_bytes(), value, Notes::default(), Shows::default());
            assert_eq!(ask(&mut memo, &text), Some(value.map(str::to_owned)));
            assert_eq!(ask(&mut memo, &format!("{text} ")), None);
        }
    }

    #[test]
    fn a_column_of_different_texts_is_given_up_and_one_of_few_is_not() {
        let (mut many, mut few) = (Memo::new(true), Memo::new(true));
        for number in 0..3 * TRIAL {
            for (memo, text) in [(&mut many, number.to_string()), (&mut few, (number % 7).to_string())] {
                if ask(memo, &text).is_none() {
                    memo.keep(text.as_bytes(), Some(&text), Notes::default(), Shows::default());
                }
            }
        }
        assert_eq!(ask(&mut few, "3"), Some(Some("3".to_owned())));
        assert_eq!((many.slots.len(), few.slots.len()), (0, SLOTS));
    }

    #[test]
    fn long_texts_and_columns_of_other_kinds_are_not_kept() {
        let long = "x".repeat(LONGEST + 1);
        for (mut memo, text, expected) in [
            (Memo::new(true), &long[1..], true),
            (Memo::new(true), long.as_str(), false),
            (Memo::new(false), "x", false),
        ] {
            memo.keep(text.as_bytes(), Some(text), Notes::default(), Shows::default());
            assert_eq!(ask(&mut memo, text).is_some(), expected);
        }
    }
}
