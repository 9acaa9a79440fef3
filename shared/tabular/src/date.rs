//! Dates, exactly as the contract declares them: a day in each format, or the reason why there is none.

use std::sync::LazyLock;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use fonderie_contract::{DateFormat, DatePart, DatePattern, DateRange, Dates};

use crate::nothing::means_nothing;
use crate::problem::Problem;
use crate::time::{Time, behind_date, number, time_of_day};
use crate::{month, spreadsheet, timestamp};

/// What a field takes of a date with a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// The day, since 1970-01-01. A time of day is dropped if a format declares one.
    Day,
    /// The instant, in microseconds since 1970-01-01 in UTC. Formats without a time of day read none.
    Instant,
}

/// How the dates of a field are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) dates: &'a Dates,
    pub(crate) range: DateRange,
    pub(crate) take: Take,
}

impl Wanted<'_> {
    /// The formats, as the contract writes them.
    pub(crate) fn expected(&self) -> Vec<String> {
        match self.take {
            Take::Day => self.dates.expected(),
            Take::Instant => self.dates.expected_of_timestamps(),
        }
    }

    /// The day of a value.
    fn day_of(&self, value: i64) -> String {
        match self.take {
            Take::Day => i32::try_from(value).map(iso).unwrap_or_default(),
            Take::Instant => self.dates.day_of(value).map(|day| day.to_string()).unwrap_or_default(),
        }
    }
}

/// Which order of day and month a text shows, of the format at a place in the contract's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Only the declared order: the other one gives no day.
    Declared(usize),
    /// Only the other order.
    Other(usize),
    /// Either order, or neither.
    None,
    /// A day that is counted from 1904, or from 1900.
    Serial {
        /// Whether it is 1904.
        epoch1904: bool,
    },
}

/// Reads a date, surrounding white space off already, and returns which order of day and month it shows.
///
/// # Errors
/// When no format reads it, two formats read two days, or the day is outside the range.
pub(crate) fn date_and_order(text: &str, wanted: &Wanted<'_>) -> (Result<i64, Problem>, Evidence) {
    if text.len() > LONGEST {
        return (Err(Problem::DateFormat { expected: wanted.expected() }), Evidence::None);
    }
    let mut found: Option<(i64, Evidence)> = None;
    let mut failed: Option<(Problem, Evidence)> = None;
    for (place, format) in wanted.dates.formats.iter().enumerate() {
        let reading = match format {
            DateFormat::Pattern(pattern) if wanted.take == Take::Instant && !pattern.time => None,
            DateFormat::Pattern(pattern) => by_pattern(text, place, pattern, wanted),
            DateFormat::Serial { epoch1904 } => serial_text(text).map(|value| {
                let result = declared_serial(value, *epoch1904, wanted).map_err(|problem| match problem {
                    Problem::PlaceholderDate(_) => Problem::PlaceholderDate(text.to_owned()),
                    problem => problem,
                });
                (result, Evidence::Serial { epoch1904: *epoch1904 })
            }),
        };
        match (reading, found) {
            (None, _) => {}
            (Some((Ok(value), _)), Some((first, _))) if value != first => {
                let problem = Problem::AmbiguousDate(wanted.day_of(first), wanted.day_of(value));
                return (Err(problem), Evidence::None);
            }
            (Some((Ok(value), evidence)), _) => found = Some((value, evidence)),
            (Some((Err(problem), evidence)), _) => match &failed {
                Some((earlier, _)) if *earlier != Problem::NoSuchDay => {}
                _ => failed = Some((problem, evidence)),
            },
        }
    }
    if let Some((value, evidence)) = found {
        return (Ok(value), evidence);
    }
    if is_placeholder(text) {
        return (Err(Problem::PlaceholderDate(text.to_owned())), Evidence::None);
    }
    if spreadsheet::is_wrapped(text) {
        return (Err(Problem::SpreadsheetText), Evidence::None);
    }
    match failed {
        Some((problem, evidence)) => (Err(problem), evidence),
        None => (Err(other_format(text, wanted)), Evidence::None),
    }
}

/// Formats in which dates come, for the sentence on one that is in none of the declared formats.
static COMMON: LazyLock<Vec<(&str, DateFormat)>> = LazyLock::new(|| {
    const FORMATS: [&str; 22] = [
        "dd/mm/yyyy",
        "dd-mm-yyyy",
        "dd.mm.yyyy",
        "yyyy-mm-dd",
        "yyyy/mm/dd",
        "yyyy.mm.dd",
        "yyyymmdd",
        "ddmmyyyy",
        "dd/mm/yy",
        "dd-mm-yy",
        "dd.mm.yy",
        "dd mmmm yyyy",
        "dd mmmm yy",
        "dd-mmmm-yyyy",
        "dd-mmmm-yy",
        "mmmm dd, yyyy",
        "mm/dd/yyyy",
        "mm-dd-yyyy",
        "mm/dd/yy",
        "ddmmyy",
        "yymmdd",
        "excel",
    ];
    FORMATS.iter().filter_map(|text| Some((*text, DateFormat::parse(text, Some(50))?))).collect()
});

/// The problem of a text that no declared format reads: if common ones do, it names them, two at most.
fn other_format(text: &str, wanted: &Wanted<'_>) -> Problem {
    let expected = wanted.expected();
    let wanted = &Wanted { take: Take::Day, ..*wanted };
    let mut found = Vec::new();
    for (name, format) in COMMON.iter() {
        match format {
            DateFormat::Pattern(pattern) => match by_pattern(text, 0, pattern, wanted).map(|read| read.0) {
                Some(Ok(_)) => found.push((*name).to_owned()),
                Some(Err(Problem::UndeclaredTime(_))) => found.push(format!("{name} hh:mm")),
                Some(Err(_)) | None => {}
            },
            // Days of 1955 to 2063: other numbers are no dates that somebody sends.
            DateFormat::Serial { epoch1904 } => {
                let Some(value) = serial_text(text).filter(|day| (20_000.0..60_000.0).contains(day)) else { continue };
                match serial(value, *epoch1904, wanted) {
                    Err(Problem::UndeclaredTime(time)) if found.is_empty() => {
                        return Problem::SerialWithTime { expected, time };
                    }
                    _ => found.push((*name).to_owned()),
                }
            }
        }
    }
    found.truncate(2);
    if found.is_empty() { Problem::DateFormat { expected } } else { Problem::OtherDateFormat { expected, found } }
}

/// Bytes of the longest text that can be a date: more is in no format, and no sentence repeats it.
const LONGEST: usize = 100;

/// Reads a workbook's number that is not formatted as a date, and the text that its cell shows for it: the number as a serial number,
/// if the formats declare them, and then from which year it is counted; otherwise the text.
///
/// # Errors
/// When they do not, or as [`serial`].
pub(crate) fn number_as_date(value: f64, shown: &str, wanted: &Wanted<'_>) -> (Result<i64, Problem>, Evidence) {
    let epoch = wanted.dates.formats.iter().find_map(|format| match format {
        DateFormat::Serial { epoch1904 } => Some(*epoch1904),
        DateFormat::Pattern(_) => None,
    });
    match epoch {
        Some(epoch1904) if value < SERIAL_END => {
            (declared_serial(value, epoch1904, wanted), Evidence::Serial { epoch1904 })
        }
        // `20260504` as a number, `04052026` as its zeros show it: a format without separators reads it.
        _ if (0.0..1e9).contains(&value) && value.fract() == 0.0 => {
            let result = match date_and_order(shown, wanted).0 {
                Err(Problem::DateFormat { .. } | Problem::OtherDateFormat { .. }) => Err(Problem::NumberForDate),
                result => result,
            };
            (result, Evidence::None)
        }
        _ => (Err(Problem::NumberForDate), Evidence::None),
    }
}

/// Reads a serial number that a format declares; 1900 to 2100 are years, not days of 1905.
fn declared_serial(value: f64, epoch1904: bool, wanted: &Wanted<'_>) -> Result<i64, Problem> {
    if value.fract() == 0.0 && (1900.0..=2100.0).contains(&value) {
        return Err(Problem::YearForDate);
    }
    serial(value, epoch1904, wanted)
}

/// Reads a spreadsheet's serial number, whose fraction is the time of day. The system of 1900 has a 29 February 1900, which no
/// calendar has.
///
/// # Errors
/// When it is no day, has a time that no format declares, or is outside the range.
pub(crate) fn serial(value: f64, epoch1904: bool, wanted: &Wanted<'_>) -> Result<i64, Problem> {
    // Milliseconds: what is smaller is noise of a double.
    let milliseconds = (value * DAY).round();
    if !(0.0..SERIAL_END * DAY).contains(&milliseconds) {
        return Err(Problem::NoSuchDay);
    }
    let (whole, of_day) = ((milliseconds / DAY).floor(), milliseconds % DAY);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // both are bounded above
    let (whole, of_day) = (whole as i32, of_day as u32);
    let day = match whole {
        0 if of_day == 0 => return Err(Problem::PlaceholderDate("0".to_owned())),
        0 => return Err(Problem::NoSuchDay),
        _ if epoch1904 => whole - 24_107,
        1..=59 => whole - 25_568,
        60 => return Err(Problem::NoSuchDay),
        _ => whole - 25_569,
    };
    date_time(day, time_of_day(of_day), wanted)
}

/// The day after the last one that has a serial number.
const SERIAL_END: f64 = 2_958_466.0;

/// Milliseconds of a day.
const DAY: f64 = 86_400_000.0;

/// A workbook's cell that is formatted as a date, with its time of day. Of a day, midnight always passes, another time if a
/// format declares one; an instant needs no declaration, for midnight is a time as well.
///
/// # Errors
/// When it has an undeclared time, or one that a clock change makes ambiguous or leaves out; when it is outside the range.
pub(crate) fn date_time(day: i32, time: NaiveTime, wanted: &Wanted<'_>) -> Result<i64, Problem> {
    let Wanted { dates, range, take } = *wanted;
    not_placeholder(day, range, || iso(day))?;
    let date = NaiveDate::from_epoch_days(day).ok_or(Problem::NoSuchDay)?;
    let value = match take {
        Take::Instant => timestamp::of_local(date.and_time(time), dates)?.timestamp_micros(),
        Take::Day => {
            if time != NaiveTime::MIN {
                without_time(date, time, dates.has_time(), dates)?;
            }
            day.into()
        }
    };
    within(day, range)?;
    Ok(value)
}

/// Reads a text in one pattern; `None` if it is not written in it.
fn by_pattern(
    text: &str,
    place: usize,
    pattern: &DatePattern,
    wanted: &Wanted<'_>,
) -> Option<(Result<i64, Problem>, Evidence)> {
    let Wanted { dates, range, take } = *wanted;
    let written = match fixed(text.as_bytes(), pattern) {
        Some((year, month, day)) => Written { year, month, day, rest: "" },
        None => written(text, pattern)?,
    };
    let time = if written.rest.is_empty() { None } else { Some(behind_date(written.rest)?) };
    let Written { year, month, day, .. } = written;
    let Some(date) = NaiveDate::from_ymd_opt(year, month, day).filter(|_| year > 0) else {
        let other =
            || NaiveDate::from_ymd_opt(year, day, month).is_some_and(|date| range.contains(date.to_epoch_days()));
        let evidence = if pattern.day_first().is_some() && other() { Evidence::Other(place) } else { Evidence::None };
        // An empty cell of a spreadsheet shows as the day before 1 January 1900.
        let empty = day == 0 && (month == 0 || (year, month) == (1900, 1));
        let problem = if empty { Problem::PlaceholderDate(text.to_owned()) } else { Problem::NoSuchDay };
        return Some((Err(problem), evidence));
    };
    let epoch_day = date.to_epoch_days();
    let result = match (not_placeholder(epoch_day, range, || text.to_owned()), time, take) {
        (Err(problem), ..) => Err(problem),
        (Ok(()), None, Take::Day) => within(epoch_day, range).map(i64::from),
        (Ok(()), Some(time), Take::Day) => {
            at_time(date, time, pattern.time, dates).and_then(|day| within(day, range)).map(i64::from)
        }
        (Ok(()), Some(time), Take::Instant) => instant(date, time, wanted),
        (Ok(()), None, Take::Instant) => return None,
    };
    let shows = day > 12 && result.is_ok() && pattern.day_first().is_some();
    Some((result, if shows { Evidence::Declared(place) } else { Evidence::None }))
}

/// The parts of a date as a text has them, and what follows.
struct Written<'t> {
    year: i32,
    month: u32,
    day: u32,
    rest: &'t str,
}

/// The common case: year, month and day of ten bytes such as `04/05/2026`, all numbers of full width.
fn fixed(text: &[u8], pattern: &DatePattern) -> Option<(i32, u32, u32)> {
    let [first, second] = &pattern.separators;
    let (Ok(text), [first], [second]) = (<&[u8; 10]>::try_from(text), first.as_bytes(), second.as_bytes()) else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
    };
    let (places, year, month, day) = match pattern.parts {
        [DatePart::Day, DatePart::Month, DatePart::Year] => ([2, 5], &text[6..], &text[3..5], &text[..2]),
        [DatePart::Month, DatePart::Day, DatePart::Year] => ([2, 5], &text[6..], &text[..2], &text[3..5]),
        [DatePart::Year, DatePart::Month, DatePart::Day] => ([4, 7], &text[..4], &text[5..7], &text[8..]),
        _ => return None,
    };
    if text[places[0]] != *first
        || text[places[1]] != *second
        || first.is_ascii_whitespace()
        || second.is_ascii_whitespace()
    {
        return None;
    }
    Some((i32::try_from(number(year)?).ok()?, number(month)?, number(day)?))
}

fn written<'t>(text: &'t str, pattern: &DatePattern) -> Option<Written<'t>> {
    let mut written = Written { year: 0, month: 0, day: 0, rest: text };
    for (index, part) in pattern.parts.iter().enumerate() {
        let rest = match index.checked_sub(1) {
            Some(separator) => skip(written.rest, &pattern.separators[separator])?,
            None => text,
        };
        let least = if pattern.is_full_width(index) { 2 } else { 1 };
        match part {
            DatePart::Year => {
                let (year, rest) = number(rest, 4, 4)?;
                written = Written { year: i32::try_from(year).ok()?, rest, ..written };
            }
            DatePart::ShortYear => {
                let (year, rest) = number(rest, 2, 2)?;
                let century = if year < u32::from(pattern.pivot?) { 2000 } else { 1900 };
                written = Written { year: century + i32::try_from(year).ok()?, rest, ..written };
            }
            DatePart::Month => (written.month, written.rest) = number(rest, least, 2)?,
            DatePart::MonthName => {
                let (month, rest) = month::by_name(rest)?;
                // An abbreviation's dot, unless the dot is the separator.
                let next = pattern.separators.get(index).map_or("", String::as_str);
                let undotted = rest.strip_prefix('.').filter(|rest| skip(rest, next).is_some());
                written = Written { month, rest: undotted.unwrap_or(rest), ..written };
            }
            DatePart::Day => {
                let (day, rest) = number(rest, least, 2)?;
                let rest = if pattern.has_month_name() { without_ordinal(day, rest) } else { rest };
                written = Written { day, rest, ..written };
            }
        }
    }
    Some(written)
}

/// The text after a separator, in which a space stands for any white space.
fn skip<'t>(text: &'t str, separator: &str) -> Option<&'t str> {
    if let [byte @ 33..=127] = separator.as_bytes() {
        return text.strip_prefix(char::from(*byte));
    }
    separator.chars().try_fold(text, |rest, c| {
        if c == ' ' {
            let trimmed = rest.trim_start();
            (trimmed.len() < rest.len()).then_some(trimmed)
        } else {
            rest.strip_prefix(c)
        }
    })
}

/// What follows a day's number, without the ending that makes it `1er`, `2nd` or `4th`.
fn without_ordinal(day: u32, rest: &str) -> &str {
    let ending = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    match rest.split_at_checked(2) {
        Some((word, after)) if word.eq_ignore_ascii_case(ending) || day == 1 && word.eq_ignore_ascii_case("er") => {
            after
        }
        _ => rest,
    }
}

/// The day in the dataset's zone of a date with a time, if the time may be dropped.
fn at_time(date: NaiveDate, time: Time, declared: bool, dates: &Dates) -> Result<i32, Problem> {
    let midnight = time.of_day == NaiveTime::MIN;
    let Some(zone) = time.zone else {
        if !midnight {
            without_time(date, time.of_day, declared, dates)?;
        }
        return Ok(date.to_epoch_days());
    };
    let written =
        zone.from_local_datetime(&NaiveDateTime::new(date, time.of_day)).single().ok_or(Problem::NoSuchDay)?;
    let local = written.with_timezone(&dates.zone).naive_local();
    if declared || local.time() == NaiveTime::MIN || (midnight && local.date() == date) {
        Ok(local.date().to_epoch_days())
    } else {
        Err(undeclared_time(dates))
    }
}

/// The instant of a date with a time, in the dataset's zone unless the time has its own.
fn instant(date: NaiveDate, time: Time, wanted: &Wanted<'_>) -> Result<i64, Problem> {
    let local = date.and_time(time.of_day);
    let instant = match time.zone {
        None => timestamp::of_local(local, wanted.dates)?,
        Some(zone) => zone.from_local_datetime(&local).single().ok_or(Problem::NoSuchDay)?.to_utc(),
    };
    within(instant.with_timezone(&wanted.dates.zone).date_naive().to_epoch_days(), wanted.range)?;
    Ok(instant.timestamp_micros())
}

/// The problem of a time that no format declares, with the format that would.
fn undeclared_time(dates: &Dates) -> Problem {
    let pattern = dates.formats.iter().find(|format| matches!(format, DateFormat::Pattern(_)));
    Problem::UndeclaredTime(format!("{} hh:mm", pattern.map_or("dd/mm/yyyy", DateFormat::text)))
}

/// Whether a local time other than midnight may be dropped.
fn without_time(date: NaiveDate, time: NaiveTime, declared: bool, dates: &Dates) -> Result<(), Problem> {
    if !declared {
        return Err(undeclared_time(dates));
    }
    timestamp::of_local(date.and_time(time), dates).map(drop)
}

/// A serial number as text: up to seven digits, and perhaps decimals; `46,146` may be 46 thousand.
fn serial_text(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let padded = whole.len() > 1 && whole.starts_with('0');
    let grouped = fraction.len() == 3 && whole.len() <= 3;
    if !padded && !grouped && digits(whole, 7) && digits(fraction, 20) {
        format!("{whole}.{fraction}").parse().ok()
    } else {
        None
    }
}

/// Refuses the first and the last day of an undeclared range: much software writes them for "no date".
fn not_placeholder(day: i32, range: DateRange, shown: impl Fn() -> String) -> Result<(), Problem> {
    if !range.declared && (day == range.min || day == range.max) {
        return Err(Problem::PlaceholderDate(shown()));
    }
    Ok(())
}

fn within(day: i32, range: DateRange) -> Result<i32, Problem> {
    if range.contains(day) { Ok(day) } else { Err(Problem::ImplausibleDate(iso(range.min), iso(range.max))) }
}

/// Whether a text is what people and programs write for "no date": a word for "nothing", or a date of zeros or without digits.
fn is_placeholder(text: &str) -> bool {
    let filler = |c: char| c.is_whitespace() || matches!(c, '0' | '/' | '-' | '.' | ':' | '_' | '\u{2013}');
    means_nothing(text) || text.chars().all(filler)
}

fn iso(day: i32) -> String {
    NaiveDate::from_epoch_days(day).map(|day| day.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use fonderie_contract::Fold;
    use proptest::prelude::*;

    use super::*;

    fn wanted(dates: &Dates, range: DateRange) -> Wanted<'_> {
        Wanted { dates, range, take: Take::Day }
    }

    fn read_day(text: &str, dates: &Dates, range: DateRange) -> Result<i32, Problem> {
        date_and_order(text, &wanted(dates, range)).0.map(to_day)
    }

    fn to_day(value: i64) -> i32 {
        i32::try_from(value).unwrap()
    }

    fn undeclared(format: &str) -> Problem {
        Problem::UndeclaredTime(format.to_owned())
    }

    /// Formats in the dataset's zone, with a pivot of 50.
    fn declared(formats: &[&str]) -> Dates {
        let formats = formats.iter().map(|text| DateFormat::parse(text, Some(50)).unwrap()).collect();
        Dates { formats, fold: None, zone: "Europe/Paris".parse().unwrap() }
    }

    fn in_zone(dates: Dates, zone: &str) -> Dates {
        Dates { zone: zone.parse().unwrap(), ..dates }
    }

    /// The day as an ISO date, or the problem.
    fn read(text: &str, dates: &Dates) -> Result<String, Problem> {
        read_day(text, dates, DateRange::default()).map(iso)
    }

    fn day(text: &str) -> i32 {
        text.parse::<NaiveDate>().unwrap().to_epoch_days()
    }

    #[test]
    fn dates_as_declared() {
        for (format, text, expected) in [
            ("dd/mm/yyyy", "01/01/1970", "1970-01-01"),
            ("dd/mm/yyyy", "3/4/2025", "2025-04-03"),
            ("dd/mm/yyyy", "03/04/2025", "2025-04-03"),
            ("mm/dd/yyyy", "04/03/2025", "2025-04-03"),
            ("yyyy-mm-dd", "2024-02-29", "2024-02-29"),
            ("yyyymmdd", "20240229", "2024-02-29"),
            ("yyyymm-dd", "202402-9", "2024-02-09"),
            ("dd/mm-yyyy", "3/4-2025", "2025-04-03"),
            ("dd/mm/yy", "04/05/26", "2026-05-04"),
            ("dd/mm/yy", "04/05/50", "1950-05-04"),
            ("ddmmyy", "040549", "2049-05-04"),
            ("dd mmmm yyyy", "4 mai 2026", "2026-05-04"),
            ("dd mmmm yyyy", "1er  janv.\u{a0}2026", "2026-01-01"),
            ("dd mmmm yyyy", "20 FÉVR. 2026", "2026-02-20"),
            ("dd mmmm yyyy", "18 dec 2025", "2025-12-18"),
            ("dd mmmm yyyy", "3rd aout 2026", "2026-08-03"),
            ("dd.mmmm.yyyy", "18.déc.2025", "2025-12-18"),
            ("dd.mmmm.yyyy", "18.déc..2025", "2025-12-18"),
            ("ddmmmmyyyy", "04MAY2026", "2026-05-04"),
            ("mmmm dd, yyyy", "Sept. 4th, 2026", "2026-09-04"),
            ("yyyy mmmm dd", "2026 juill. 14", "2026-07-14"),
            ("dd-mmmm-yy", "04-MAY-26", "2026-05-04"),
            ("excel", "46146", "2026-05-04"),
            ("excel", "61", "1900-03-01"),
            ("excel", "59,0", "1900-02-28"),
            ("excel1904", "44684", "2026-05-04"),
        ] {
            assert_eq!(read(text, &declared(&[format])).as_deref(), Ok(expected), "{text} as {format}");
        }
    }

    #[test]
    fn dates_in_no_declared_format() {
        let slashes = declared(&["dd/mm/yyyy"]);
        for text in [
            "2024",
            "001/02/2024",
            "01/02/20245",
            "1/ 2/2024",
            "1er/02/2024",
            "=04/05/2026",
            "01/02/2024x",
            "01/02/2024 10h30",
            "٠١/٠٢/٢٠٢٤",
        ] {
            let expected = Problem::DateFormat { expected: slashes.expected() };
            assert_eq!(read(text, &slashes), Err(expected), "{text}");
        }
        assert_eq!(read("", &slashes), Err(Problem::PlaceholderDate(String::new())));
        for (text, found) in [
            ("01-02-2024", "dd-mm-yyyy|mm-dd-yyyy"),
            ("13-02-2024", "dd-mm-yyyy"),
            ("01-13-2024 10:30", "mm-dd-yyyy hh:mm"),
            ("01/02/24", "dd/mm/yy|mm/dd/yy"),
            ("13/02/24", "dd/mm/yy"),
            ("2026-05-04T10:30:00Z", "yyyy-mm-dd hh:mm"),
            ("2026-05-04 09:20", "yyyy-mm-dd hh:mm"),
            ("2026-05-04 00:00", "yyyy-mm-dd"),
            ("2026.05.04", "yyyy.mm.dd"),
            ("4 mai 2026", "dd mmmm yyyy"),
            ("04 mai 26", "dd mmmm yy"),
            ("20260504", "yyyymmdd"),
            ("260504", "ddmmyy|yymmdd"),
            ("260532", "ddmmyy"),
            ("46146", "excel"),
        ] {
            let found = found.split('|').map(str::to_owned).collect();
            let expected = Problem::OtherDateFormat { expected: vec!["dd/mm/yyyy".to_owned()], found };
            assert_eq!(read(text, &slashes), Err(expected), "{text}");
        }
        let time = "dd/mm/yyyy hh:mm".to_owned();
        assert_eq!(read("46146,5", &slashes), Err(Problem::SerialWithTime { expected: slashes.expected(), time }));
        for (format, text) in [
            ("yyyymmdd", "2024229"),
            ("dd mmmm yyyy", "4 jui 2026"),
            ("dd mmmm yyyy", "4 05 2026"),
            ("dd mmmm yyyy", "2er mai 2026"),
            ("dd mmmm yyyy", "2st mai 2026"),
            ("excel", "46146.5.2"),
            ("excel", "12345678"),
            ("excel", "4,6146E+4"),
        ] {
            let dates = declared(&[format]);
            assert_eq!(
                read(text, &dates),
                Err(Problem::DateFormat { expected: dates.expected() }),
                "{text} as {format}"
            );
        }
        for text in ["31/02/2024", "99/99/9999", "29/02/2023", "01/01/0000", "04/15/2026", "00/05/2026"] {
            assert_eq!(read(text, &slashes), Err(Problem::NoSuchDay), "{text}");
        }
        assert_eq!(read("=\"04/05/2026\"", &slashes), Err(Problem::SpreadsheetText));
    }

    #[test]
    fn placeholders_are_no_dates_unless_the_range_is_declared() {
        let dates = declared(&["dd/mm/yyyy", "yyyy-mm-dd", "yyyymmdd", "excel"]);
        for text in [
            "00/00/0000",
            "0000-00-00",
            "0000-00-00T00:00:00Z",
            "0000-00-00 00:00:00",
            "/  /",
            "31/12/9999",
            "01/01/1900",
            "9999-12-31 23:59:59",
            "1900-01-01",
            "00000000",
            "-",
            "N/A",
            "NULL",
            "n/d",
            "#N/A",
            "0",
            "00/01/1900",
            "__/__/____",
            "1",
        ] {
            assert_eq!(read(text, &dates), Err(Problem::PlaceholderDate(text.to_owned())), "{text}");
        }
        let range = DateRange { declared: true, ..DateRange::default() };
        assert_eq!(read_day("01/01/1900", &dates, range).map(iso).as_deref(), Ok("1900-01-01"));
        assert_eq!(read_day("9999-12-31", &dates, range).map(iso).as_deref(), Ok("9999-12-31"));
        let bounds = |min: &str, max: &str| Err(Problem::ImplausibleDate(min.to_owned(), max.to_owned()));
        for text in ["01/01/0001", "0026-01-01", "31/12/1899", "10260504"] {
            assert_eq!(read(text, &dates), bounds("1900-01-01", "9999-12-31"), "{text}");
        }
        let range = DateRange { min: day("2000-01-01"), max: day("2030-12-31"), declared: true };
        for text in ["31/12/1999", "2031-01-01", "9999-12-31"] {
            assert_eq!(
                read_day(text, &dates, range),
                Err(Problem::ImplausibleDate("2000-01-01".into(), "2030-12-31".into()))
            );
        }
    }

    #[test]
    fn midnight_always_passes_and_another_time_if_it_is_declared() {
        let without = declared(&["dd/mm/yyyy", "yyyy-mm-dd"]);
        let with = declared(&["dd/mm/yyyy hh:mm", "yyyy-mm-dd hh:mm"]);
        for text in ["04/05/2026 00:00", "04/05/2026 00:00:00", "2026-05-04T00:00:00.000", "04/05/2026 12:00:00 AM"] {
            assert_eq!(read(text, &without).as_deref(), Ok("2026-05-04"), "{text}");
            assert_eq!(read(text, &with).as_deref(), Ok("2026-05-04"), "{text}");
        }
        for text in ["04/05/2026 09:20", "2026-05-04T23:59:59.999", "04/05/2026 12:00 PM", "4/5/2026 0:00:00.0001"] {
            assert!(matches!(read(text, &without), Err(Problem::UndeclaredTime(_))), "{text}");
            assert_eq!(read(text, &with).as_deref(), Ok("2026-05-04"), "{text}");
        }
        assert_eq!(read("04/05/2026", &with).as_deref(), Ok("2026-05-04"));
        // A time is declared per format.
        let mixed = declared(&["dd/mm/yyyy", "yyyy-mm-dd hh:mm"]);
        assert_eq!(read("04/05/2026 09:20", &mixed), Err(undeclared("dd/mm/yyyy hh:mm")));
        assert_eq!(read("2026-05-04 09:20", &mixed).as_deref(), Ok("2026-05-04"));
    }

    #[test]
    fn another_zone_is_converted() {
        let without = declared(&["yyyy-mm-dd"]);
        let with = declared(&["yyyy-mm-dd hh:mm"]);
        for (text, undeclared, converted) in [
            ("2026-06-12T22:30:00Z", Err(undeclared("yyyy-mm-dd hh:mm")), "2026-06-13"),
            ("2026-06-12T22:00:00Z", Ok("2026-06-13"), "2026-06-13"),
            ("2026-05-04T00:00:00Z", Ok("2026-05-04"), "2026-05-04"),
            ("2026-06-18T00:00:00+02:00", Ok("2026-06-18"), "2026-06-18"),
            ("2026-06-18T00:00:00+05:00", Err(undeclared("yyyy-mm-dd hh:mm")), "2026-06-17"),
            ("2026-06-18 08:00 -0500", Err(undeclared("yyyy-mm-dd hh:mm")), "2026-06-18"),
        ] {
            assert_eq!(read(text, &without), undeclared.map(str::to_owned), "{text}");
            assert_eq!(read(text, &with).as_deref(), Ok(converted), "{text}");
        }
        let new_york = in_zone(without, "America/New_York");
        assert_eq!(read("2026-05-04T00:00:00Z", &new_york), Err(undeclared("yyyy-mm-dd hh:mm")));
    }

    #[test]
    fn clock_changes_are_refused_unless_folded() {
        let dates = declared(&["dd/mm/yyyy hh:mm"]);
        assert_eq!(read("29/03/2026 02:30", &dates), Err(Problem::ImpossibleTime));
        assert_eq!(read("25/10/2026 02:30", &dates), Err(Problem::AmbiguousTime));
        assert_eq!(read("25/10/2026 02:30+01:00", &dates).as_deref(), Ok("2026-10-25"));
        assert_eq!(read("25/10/2026 03:00", &dates).as_deref(), Ok("2026-10-25"));
        // A zone whose clocks change at midnight: midnight is a day all the same.
        let sao_paulo = in_zone(dates.clone(), "America/Sao_Paulo");
        assert_eq!(read("04/11/2018 00:00", &sao_paulo).as_deref(), Ok("2018-11-04"));
        assert_eq!(read("04/11/2018 00:30", &sao_paulo), Err(Problem::ImpossibleTime));
        for fold in [Fold::Earlier, Fold::Later] {
            let dates = Dates { fold: Some(fold), ..dates.clone() };
            assert_eq!(read("29/03/2026 02:30", &dates).as_deref(), Ok("2026-03-29"));
            assert_eq!(read("25/10/2026 02:30", &dates).as_deref(), Ok("2026-10-25"));
        }
    }

    #[test]
    fn two_formats_that_read_two_days_are_ambiguous() {
        let both = declared(&["dd/mm/yyyy", "mm/dd/yyyy"]);
        assert_eq!(read("03/04/2026", &both), Err(Problem::AmbiguousDate("2026-04-03".into(), "2026-03-04".into())));
        assert_eq!(read("04/04/2026", &both).as_deref(), Ok("2026-04-04"));
        assert_eq!(read("13/04/2026", &both).as_deref(), Ok("2026-04-13"));
        assert_eq!(read("04/13/2026", &both).as_deref(), Ok("2026-04-13"));
        // A day outside the range is no reading.
        assert_eq!(read("20101112", &declared(&["ddmmyyyy", "yyyymmdd"])).as_deref(), Ok("2010-11-12"));
    }

    #[test]
    fn the_order_of_day_and_month() {
        let order =
            |text: &str, formats: &[&str]| date_and_order(text, &wanted(&declared(formats), DateRange::default())).1;
        for (text, expected) in [
            ("13/04/2026", Evidence::Declared(0)),
            ("13/04/2026 00:00", Evidence::Declared(0)),
            ("04/13/2026", Evidence::Other(0)),
            ("12/04/2026", Evidence::None),
            ("04/12/2026", Evidence::None),
            ("31/12/9999", Evidence::None),
            ("30/02/2026", Evidence::None),
            ("02/30/2026", Evidence::None),
            ("04/13/0026", Evidence::None),
            ("13-04-2026", Evidence::None),
        ] {
            assert_eq!(order(text, &["dd/mm/yyyy"]), expected, "{text}");
        }
        assert_eq!(order("2026-04-13", &["yyyy-mm-dd"]), Evidence::Declared(0));
        assert_eq!(order("2026-13-04", &["yyyy-mm-dd"]), Evidence::Other(0));
        assert_eq!(order("13 avril 2026", &["dd mmmm yyyy"]), Evidence::None);
        assert_eq!(order("13/2026/04", &["dd/yyyy/mm"]), Evidence::None);
        assert_eq!(order("13/04/2026", &["dd/mm/yyyy", "mm-dd-yyyy"]), Evidence::Declared(0));
        assert_eq!(order("13/04/2026", &["dd-mm-yyyy", "dd/mm/yyyy", "excel"]), Evidence::Declared(1));
        assert_eq!(order("04/13/2026", &["yyyymmdd", "dd/mm/yyyy"]), Evidence::Other(1));
        assert_eq!(order("04/13/2026", &["dd/mm/yyyy", "mm/dd/yyyy"]), Evidence::Declared(1));
    }

    #[test]
    fn serial_numbers() {
        let dates = declared(&["dd/mm/yyyy"]);
        let range = DateRange { declared: true, ..DateRange::default() };
        let of = |value, epoch1904| serial(value, epoch1904, &wanted(&dates, range)).map(to_day).map(iso);
        let number_as_date = |value, shown: &str, dates: &Dates| {
            number_as_date(value, shown, &wanted(dates, range)).0.map(to_day).map(iso)
        };
        for (value, epoch1904, expected) in [
            (1.0, false, "1900-01-01"),
            (59.0, false, "1900-02-28"),
            (61.0, false, "1900-03-01"),
            (46_146.0, false, "2026-05-04"),
            (46_145.999_999_999_9, false, "2026-05-04"),
            (2_958_465.0, false, "9999-12-31"),
            (1.0, true, "1904-01-02"),
            (44_684.0, true, "2026-05-04"),
        ] {
            assert_eq!(of(value, epoch1904).as_deref(), Ok(expected), "{value}");
        }
        for value in [60.0, 0.5, -1.0, 2_958_466.0, 1e300, f64::NAN, f64::INFINITY] {
            assert_eq!(of(value, false), Err(Problem::NoSuchDay), "{value}");
        }
        assert_eq!(of(0.0, true), Err(Problem::PlaceholderDate("0".to_owned())));
        assert!(matches!(of(46_146.5, false), Err(Problem::UndeclaredTime(_))));
        // The last second of a day is not the next one; within half a millisecond of midnight it is.
        assert!(matches!(of(46_146.999_999_965_28, false), Err(Problem::UndeclaredTime(_))));
        assert_eq!(of(46_146.999_999_999, false).as_deref(), Ok("2026-05-05"));
        let with = declared(&["excel", "dd/mm/yyyy hh:mm"]);
        assert_eq!(read("46146.5", &with).as_deref(), Ok("2026-05-04"));
        assert_eq!(number_as_date(46_146.999_999_965_28, "", &with).as_deref(), Ok("2026-05-04"));
        assert_eq!(number_as_date(46_146.25, "", &with).as_deref(), Ok("2026-05-04"));
        assert_eq!(number_as_date(46_146.0, "46146", &dates), Err(Problem::NumberForDate));
        for formats in [&["yyyymmdd"][..], &["yyyymmdd", "excel"]] {
            let compact = declared(formats);
            assert_eq!(number_as_date(20_260_504.0, "20260504", &compact).as_deref(), Ok("2026-05-04"));
            assert_eq!(number_as_date(20_261_504.0, "20261504", &compact), Err(Problem::NoSuchDay));
        }
        assert_eq!(number_as_date(20_260_504.5, "20260504.5", &declared(&["yyyymmdd"])), Err(Problem::NumberForDate));
        // 2026-03-29 02:30, which the clocks leave out in Paris.
        assert_eq!(number_as_date(46_110.104_166_666_664, "", &with), Err(Problem::ImpossibleTime));
    }

    /// Any format without a time, with what separates its parts.
    fn any_format() -> impl Strategy<Value = String> {
        let orders = Just(["dd", "mm", "yyyy"]).prop_shuffle();
        let separators = prop::array::uniform2(prop::sample::select(vec!["/", "-", ".", " ", ", ", ""]));
        (orders, separators, any::<bool>(), any::<bool>()).prop_map(|(parts, [first, second], named, short)| {
            let token = |part| match part {
                "mm" if named => "mmmm",
                "yyyy" if short => "yy",
                part => part,
            };
            let [a, b, c] = parts.map(token);
            format!("{a}{first}{b}{second}{c}")
        })
    }

    fn write(pattern: &DatePattern, date: NaiveDate, name: usize) -> String {
        const NAMES: [&str; 3] = [
            "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
            "January February March April May June July August September October November December",
            "JAN FEV MAR AVR MAI JUN JUL AOU SEP OCT NOV DEC",
        ];
        use chrono::Datelike;
        let mut text = String::new();
        for (index, part) in pattern.parts.iter().enumerate() {
            text += &match part {
                DatePart::Year => format!("{:04}", date.year()),
                DatePart::ShortYear => format!("{:02}", date.year() % 100),
                DatePart::Month => format!("{:02}", date.month()),
                DatePart::MonthName => NAMES[name].split(' ').nth(date.month0() as usize).unwrap().to_owned(),
                DatePart::Day => format!("{:02}", date.day()),
            };
            text += pattern.separators.get(index).map_or("", String::as_str);
        }
        text
    }

    proptest! {
        #[test]
        fn a_date_in_any_format_reads_back(
            format in any_format(), day in -7_304..29_219_i32, name in 0..3_usize, seconds in 0..86_400_u32,
        ) {
            // Days of the century that a pivot of 50 gives back: 1950-01-01 to 2049-12-31.
            let date = NaiveDate::from_epoch_days(day).unwrap();
            let dates = declared(&[&format]);
            let DateFormat::Pattern(pattern) = &dates.formats[0] else { unreachable!() };
            let text = write(pattern, date, name);
            prop_assert_eq!(read_day(&text, &dates, DateRange::default()), Ok(day), "{} as {}", &text, &format);
            let timed = Dates { fold: Some(Fold::Later), ..declared(&[&format!("{format} hh:mm")]) };
            let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0).unwrap();
            prop_assert_eq!(read_day(&format!("{text} {time}"), &timed, DateRange::default()), Ok(day));
        }

        #[test]
        fn a_serial_number_reads_back(day in -21_000..2_932_896_i32, epoch1904: bool) {
            let value = f64::from(day + if epoch1904 { 24_107 } else { 25_569 });
            prop_assert_eq!(serial(value, epoch1904, &wanted(&declared(&["excel"]), DateRange::default())), Ok(i64::from(day)));
        }

        #[test]
        fn no_text_and_no_number_panics(
            text in "[0-9]{0,4}[-/. ,Tt]?[0-9]{0,2}[-/. ,]?[0-9]{0,4}[ T]?[0-9:.+Za-z]{0,12}|.{0,40}|[0-9 é]*",
            format in any_format(),
            value in any::<f64>(),
        ) {
            let dates = declared(&[&format, "dd/mm/yyyy hh:mm", "yyyy-mm-dd", "dd mmmm yyyy", "excel"]);
            for take in [Take::Day, Take::Instant] {
                let wanted = Wanted { dates: &dates, range: DateRange::default(), take };
                let _ = date_and_order(&text, &wanted);
                let _ = (serial(value, true, &wanted), number_as_date(value, &value.to_string(), &wanted));
            }
        }
    }
}
