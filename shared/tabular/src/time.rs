//! A time of day behind a date: `10:30`, `10:30:00.000`, `9:05 PM`, `T22:30:00Z`, `00:00:00+02:00`.

use chrono::{FixedOffset, NaiveTime};

/// A time of day, and its zone if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) of_day: NaiveTime,
    pub(crate) zone: Option<FixedOffset>,
}

/// The time of day of so many milliseconds since midnight.
pub(crate) fn time_of_day(milliseconds: u32) -> NaiveTime {
    let time = NaiveTime::from_num_seconds_from_midnight_opt(milliseconds / 1_000, milliseconds % 1_000 * 1_000_000);
    time.unwrap_or_default()
}

/// Reads what follows a date, its white space or `T` included; `None` if it is no time.
pub(crate) fn behind_date(text: &str) -> Option<Time> {
    let (after, iso) = match text.strip_prefix(['T', 't']) {
        Some(after) => (after, true),
        None => (text.trim_start(), false),
    };
    if after.len() == text.len() {
        return None;
    }
    let (hour, rest) = if iso { number(after, 2, 2)? } else { number(after, 1, 2)? };
    // ISO's basic form has no colons.
    let colon = if iso && !rest.starts_with(':') { "" } else { ":" };
    let (minute, rest) = number(rest.strip_prefix(colon)?, 2, 2)?;
    let (second, rest) = match rest.strip_prefix(colon).and_then(|rest| number(rest, 2, 2)) {
        Some(read) => read,
        None => (0, rest),
    };
    let (nanosecond, rest) = fraction(rest)?;
    let (hour, rest) = match half_of_day(rest) {
        Some((afternoon, rest)) if (1..=12).contains(&hour) => (hour % 12 + if afternoon { 12 } else { 0 }, rest),
        Some(_) => return None,
        None => (hour, rest),
    };
    let of_day = NaiveTime::from_hms_nano_opt(hour, minute, second, nanosecond)?;
    let zone = match rest.trim_start() {
        "" => None,
        zone => Some(offset(zone)?),
    };
    Some(Time { of_day, zone })
}

/// A number of so many digits at the beginning of a text, and what follows.
pub(crate) fn number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let (mut number, mut width) = (0, 0);
    for byte in text.bytes().take(most).take_while(u8::is_ascii_digit) {
        number = number * 10 + u32::from(byte - b'0');
        width += 1;
    }
    if width < least { None } else { Some((number, &text[width..])) }
}

/// The fraction of a second, if there is one, in nanoseconds; less than one is one, for it is not midnight either.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(digits) = text.strip_prefix(['.', ',']) else { return Some((0, text)) };
    let width = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at(width);
    let nanoseconds = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanoseconds = nanoseconds.fold(0, |number, b| number * 10 + u32::from(b - b'0'));
    let some = u32::from(digits.bytes().any(|b| b != b'0'));
    (width > 0).then_some((nanoseconds.max(some), rest))
}

/// `AM`, `p.m.`: whether it is the afternoon.
fn half_of_day(text: &str) -> Option<(bool, &str)> {
    let text = text.trim_start();
    [("a.m.", false), ("p.m.", true), ("am", false), ("pm", true)].into_iter().find_map(|(word, afternoon)| {
        let (start, rest) = text.split_at_checked(word.len())?;
        start.eq_ignore_ascii_case(word).then_some((afternoon, rest))
    })
}

/// `Z`, `UTC`, `GMT`, `+02:00`, `+0200`, `+02`.
fn offset(text: &str) -> Option<FixedOffset> {
    if ["z", "utc", "gmt"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return FixedOffset::east_opt(0);
    }
    let (sign, digits) =
        text.strip_prefix('+').map(|rest| (1, rest)).or(text.strip_prefix('-').map(|rest| (-1, rest)))?;
    let (hours, rest) = number(digits, 2, 2)?;
    let (minutes, rest) = match rest {
        "" => (0, ""),
        rest => number(rest.strip_prefix(':').unwrap_or(rest), 2, 2)?,
    };
    let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
    if rest.is_empty() && hours <= 14 && minutes < 60 { FixedOffset::east_opt(sign * seconds) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let shown = |text: &str| {
            let time = behind_date(text)?;
            Some(format!("{:?} {}", time.of_day, time.zone.map(|zone| zone.to_string()).unwrap_or_default()))
        };
        for (text, expected) in [
            (" 10:30", "10:30:00 "),
            (" 9:05", "09:05:00 "),
            ("  00:00:00", "00:00:00 "),
            ("\u{a0}23:59:59", "23:59:59 "),
            ("T00:00:00.000", "00:00:00 "),
            (" 10:30:00,5", "10:30:00.500 "),
            (" 00:00:00.00000000001", "00:00:00.000000001 "),
            (" 12:00:00 AM", "00:00:00 "),
            (" 12:15 p.m.", "12:15:00 "),
            (" 1:00\u{202f}PM", "13:00:00 "),
            ("T22:30:00Z", "22:30:00 +00:00"),
            ("T223000Z", "22:30:00 +00:00"),
            ("t2230", "22:30:00 "),
            (" 10:30:00 +0200", "10:30:00 +02:00"),
            ("T10:30-05:30", "10:30:00 -05:30"),
            (" 10:30 UTC", "10:30:00 +00:00"),
            (" 10:30+02", "10:30:00 +02:00"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "10:30",
            " ",
            "T",
            " 10",
            " 10:3",
            " 24:00:00",
            " 10:60",
            " 10:30:60",
            " 13:00 PM",
            " 0:30 AM",
            " 10:30:",
            " 10:30:00.",
            " 10h30",
            "T9:30",
            " 1030",
            " 10:30 CET",
            " 10:30+15:00",
            " 10:30+02:00x",
            " 10:30 x",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
