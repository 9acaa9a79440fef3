//! `[dates]`, compiled: how a source, or one of its columns, writes dates.

use chrono::{DateTime, NaiveDate, SecondsFormat};
use chrono_tz::Tz;
use toml::Value;

use crate::mistakes::{Section, describe};

/// How dates are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dates {
    /// The formats, tried in order; at least one.
    pub formats: Vec<DateFormat>,
    /// What becomes of a local time that a clock change makes ambiguous or leaves out; without it, such a time is refused.
    pub fold: Option<Fold>,
    /// The dataset's time zone, to which a time with another zone is converted.
    pub zone: Tz,
}

/// Which of two moments a local time means that a clock change makes ambiguous or leaves out. A date is the same for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The one before the clock change: 01:30 for a 02:30 that is left out.
    Earlier,
    /// The one after the clock change: 03:30 for a 02:30 that is left out.
    Later,
}

/// One way of writing a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateFormat {
    /// Day, month and year in a pattern such as `dd/mm/yyyy`.
    Pattern(DatePattern),
    /// A spreadsheet's serial number.
    Serial {
        /// Whether days are counted from 1904 (`excel1904`) instead of 1900 (`excel`).
        epoch1904: bool,
    },
}

/// A pattern such as `dd/mm/yyyy`: the parts and what separates them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatePattern {
    /// The parts in order.
    pub parts: [DatePart; 3],
    /// What stands between them; a space stands for any white space.
    pub separators: [String; 2],
    /// Whether a time of day may follow: a date drops it, a timestamp needs it. Without it, only midnight may, and no timestamp is read.
    pub time: bool,
    /// For a two-digit year: years below it belong to this century, the others to the last one.
    pub pivot: Option<u8>,
    /// As the contract writes it.
    pub text: String,
}

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatePart {
    /// `yyyy`: four digits.
    Year,
    /// `yy`: two digits.
    ShortYear,
    /// `mm`: one or two digits.
    Month,
    /// `mmmm`: a name, French or English, in full or abbreviated.
    MonthName,
    /// `dd`: one or two digits.
    Day,
}

/// The days that a field may hold, since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateRange {
    /// The first.
    pub min: i32,
    /// The last.
    pub max: i32,
    /// Whether the dataset declares it. If not, the default's own bounds stand for "no date", as in much software.
    pub declared: bool,
}

/// 1900-01-01 to 9999-12-31.
impl Default for DateRange {
    fn default() -> Self {
        Self { min: -25_567, max: 2_932_896, declared: false }
    }
}

impl DateRange {
    /// Whether a day is in the range.
    pub fn contains(&self, day: i32) -> bool {
        (self.min..=self.max).contains(&day)
    }
}

/// What a contract may declare as a date format.
const ACCEPTED: &str = "`dd`, `mm` (or `mmmm`, the month's name) and `yyyy` (or `yy`) once each, in any order, with \
                        separators or none, and a time if there is one, such as \"dd/mm/yyyy\", \"dd mmmm yyyy\" or \
                        \"yyyy-mm-dd hh:mm\"; or \"excel\", \"excel1904\"";

/// What a contract may declare as the date in a file's name.
const ACCEPTED_IN_NAME: &str =
    "`dd`, `mm` and `yyyy` once each, in any order, with separators or none, such as \"yyyy-mm-dd\"";

/// The times that may follow a pattern.
const TIMES: [&str; 4] = [" hh:mm", " hh:mm:ss", "Thh:mm", "Thh:mm:ss"];

impl Dates {
    /// The formats as the contract writes them.
    pub fn expected(&self) -> Vec<String> {
        self.formats.iter().map(|format| format.text().to_owned()).collect()
    }

    /// The formats that read a timestamp, as the contract writes them.
    pub fn expected_of_timestamps(&self) -> Vec<String> {
        let timed = self.formats.iter().filter(|format| format.reads_timestamps());
        timed.map(|format| format.text().to_owned()).collect()
    }

    /// The day on which an instant is, in the dataset's zone; `None` beyond the calendar. Microseconds since 1970-01-01 in UTC.
    pub fn day_of(&self, microseconds: i64) -> Option<NaiveDate> {
        Some(DateTime::from_timestamp_micros(microseconds)?.with_timezone(&self.zone).date_naive())
    }

    /// An instant as a clock in the dataset's zone shows it, with its offset from UTC: `2026-05-04T10:30:00+02:00`. Empty beyond the
    /// calendar.
    pub fn local_time(&self, microseconds: i64) -> String {
        let instant = DateTime::from_timestamp_micros(microseconds);
        let local = instant.map(|instant| instant.with_timezone(&self.zone));
        local.map(|local| local.to_rfc3339_opts(SecondsFormat::AutoSi, false)).unwrap_or_default()
    }

    /// Whether a format declares a time of day.
    pub fn has_time(&self) -> bool {
        self.formats.iter().any(|format| matches!(format, DateFormat::Pattern(pattern) if pattern.time))
    }

    /// Whether a format reads a timestamp.
    pub fn reads_timestamps(&self) -> bool {
        self.formats.iter().any(DateFormat::reads_timestamps)
    }
}

impl DateFormat {
    /// Reads a format as a contract writes it; `None` for what is none, and for `yy` without a pivot.
    pub fn parse(text: &str, pivot: Option<u8>) -> Option<Self> {
        match text {
            "excel" => Some(Self::Serial { epoch1904: false }),
            "excel1904" => Some(Self::Serial { epoch1904: true }),
            _ => {
                let mut pattern = DatePattern::parse(text)?;
                if pattern.parts.contains(&DatePart::ShortYear) {
                    pattern.pivot = Some(pivot?);
                }
                Some(Self::Pattern(pattern))
            }
        }
    }

    /// Whether it gives the time of day too: a pattern with a time, and a serial number, whose fraction it is.
    pub fn reads_timestamps(&self) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.time,
            Self::Serial { .. } => true,
        }
    }

    /// As the contract writes it.
    pub fn text(&self) -> &str {
        match self {
            Self::Pattern(pattern) => &pattern.text,
            Self::Serial { epoch1904: false } => "excel",
            Self::Serial { epoch1904: true } => "excel1904",
        }
    }
}

impl DatePattern {
    fn parse(text: &str) -> Option<Self> {
        const TOKENS: [(&str, DatePart); 5] = [
            ("dd", DatePart::Day),
            ("mmmm", DatePart::MonthName),
            ("mm", DatePart::Month),
            ("yyyy", DatePart::Year),
            ("yy", DatePart::ShortYear),
        ];
        let mut parts = Vec::new();
        let mut separators = Vec::new();
        let mut rest = text;
        while parts.len() < 3 {
            let (token, part) = TOKENS.into_iter().find(|(token, _)| rest.starts_with(token))?;
            if parts.iter().any(|earlier: &DatePart| earlier.stands_for_same(part)) {
                return None;
            }
            parts.push(part);
            rest = &rest[token.len()..];
            if parts.len() < 3 {
                let end = rest.find(|c: char| c.is_ascii_alphanumeric())?;
                separators.push(separator(&rest[..end])?);
                rest = &rest[end..];
            }
        }
        let time = TIMES.contains(&rest);
        if !time && !rest.is_empty() {
            return None;
        }
        Some(Self {
            parts: parts.try_into().ok()?,
            separators: separators.try_into().ok()?,
            time,
            pivot: None,
            text: text.to_owned(),
        })
    }

    /// Whether the month is written as a name.
    pub fn has_month_name(&self) -> bool {
        self.parts.contains(&DatePart::MonthName)
    }

    /// Whether a part has its full width: beside another number without a separator, one digit could be read in two ways.
    pub fn is_full_width(&self, index: usize) -> bool {
        let joined = |separator: usize, neighbour: usize| {
            self.separators[separator].is_empty() && self.parts[neighbour] != DatePart::MonthName
        };
        (index > 0 && joined(index - 1, index - 1)) || (index < 2 && joined(index, index + 1))
    }

    /// Whether the day stands before the month, if they are numbers beside each other.
    pub fn day_first(&self) -> Option<bool> {
        use DatePart::{Day, Month};
        self.parts.windows(2).find_map(|pair| match pair {
            [Day, Month] => Some(true),
            [Month, Day] => Some(false),
            _ => None,
        })
    }
}

impl DatePart {
    fn stands_for_same(self, other: Self) -> bool {
        let of = |part| match part {
            Self::Year | Self::ShortYear => Self::Year,
            Self::Month | Self::MonthName => Self::Month,
            Self::Day => Self::Day,
        };
        of(self) == of(other)
    }
}

/// What separates two parts, its white space folded; a letter separates nothing.
fn separator(text: &str) -> Option<String> {
    if text.chars().any(char::is_alphanumeric) {
        return None;
    }
    let mut folded = String::new();
    for c in text.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c != ' ' || !folded.ends_with(' ') {
            folded.push(c);
        }
    }
    Some(folded)
}

/// Compiles `[dates]`, noting every mistake; keys that are absent keep the base's values.
pub(crate) fn dates(section: &Section<'_>, base: Option<&Dates>, zone: Tz) -> Option<Dates> {
    let texts = match (section.value("format"), base) {
        (None, Some(base)) => Some(base.formats.iter().map(DateFormat::text).collect()),
        _ => section.required("format", format_texts(section), ACCEPTED),
    };
    let declared = pivot(section);
    let inherited = base.iter().flat_map(|base| &base.formats).find_map(|format| match format {
        DateFormat::Pattern(pattern) => pattern.pivot,
        DateFormat::Serial { .. } => None,
    });
    let formats = texts.and_then(|texts| formats(section, &texts, declared.or(inherited)));
    let short = |format: &DateFormat| matches!(format, DateFormat::Pattern(pattern) if pattern.pivot.is_some());
    if declared.is_some() && formats.as_ref().is_some_and(|formats| !formats.iter().any(short)) {
        section.mistake("pivot", "a pivot without `yy` in a format", "`pivot` beside a format with `yy`");
    }
    let fold = section.choice("fold", &[("earlier", Fold::Earlier), ("later", Fold::Later)]);
    section.finish();
    Some(Dates { formats: formats?, fold: fold.or(base.and_then(|base| base.fold)), zone })
}

/// Compiles a date that stands in a file's name: numbers of full width, without a time.
pub(crate) fn in_file_name(section: &Section<'_>, key: &str, text: &str) -> Option<DatePattern> {
    let pattern = DatePattern::parse(text).filter(|pattern| {
        let short = pattern.parts.contains(&DatePart::ShortYear);
        !pattern.time && !short && !pattern.has_month_name()
    });
    if pattern.is_none() {
        section.mistake(key, format!("\"{text}\""), ACCEPTED_IN_NAME);
    }
    pattern
}

/// `format`: a text or a list of texts.
fn format_texts<'a>(section: &Section<'a>) -> Option<Vec<&'a str>> {
    let texts = match section.value("format")? {
        Value::String(text) => Some(vec![text.as_str()]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    };
    match texts {
        Some(texts) if texts.is_empty() => section.mistake("format", "an empty list", ACCEPTED),
        Some(texts) => return Some(texts),
        None => {
            let found = section.value("format").map(describe).unwrap_or_default();
            section.mistake("format", found, "a date format, or a list of date formats");
        }
    }
    None
}

fn pivot(section: &Section<'_>) -> Option<u8> {
    let number = section.whole("pivot")?;
    let pivot = u8::try_from(number).ok().filter(|pivot| *pivot <= 99);
    if pivot.is_none() {
        section.mistake("pivot", number.to_string(), "a two-digit year from 0 to 99");
    }
    pivot
}

fn formats(section: &Section<'_>, texts: &[&str], pivot: Option<u8>) -> Option<Vec<DateFormat>> {
    let mut formats = Vec::new();
    for text in texts {
        match DateFormat::parse(text, pivot) {
            Some(format) => formats.push(format),
            None if DateFormat::parse(text, Some(0)).is_some() => {
                let accepted = "`pivot` beside `yy`: two-digit years below it are of this century";
                section.mistake("format", format!("\"{text}\" without `pivot`"), accepted);
            }
            None => section.mistake("format", format!("\"{text}\""), ACCEPTED),
        }
    }
    let serial = |format: &&DateFormat| matches!(format, DateFormat::Serial { .. });
    if formats.iter().filter(serial).count() > 1 {
        section.mistake("format", "two formats of serial numbers", "\"excel\" or \"excel1904\", once");
    }
    (formats.len() == texts.len()).then_some(formats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistakes::{Found, Mistakes};

    /// `[dates]` as TOML, over a base or none: what was compiled, or the mistakes.
    fn compile(toml: &str, base: Option<&Dates>) -> Result<Dates, Vec<String>> {
        let table = toml.parse().unwrap();
        let found = Found::default();
        let compiled = dates(&Section::new("s.toml", "dates", &table, &found), base, Tz::Europe__Paris);
        found.into_result(compiled).map_err(|Mistakes(all)| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn patterns() {
        use DatePart::{Day, Month, MonthName, ShortYear, Year};
        let shape = |text: &str| {
            let pattern = DatePattern::parse(text)?;
            Some((pattern.parts, pattern.separators.join("|"), pattern.time))
        };
        for (text, parts, separators, time) in [
            ("dd/mm/yyyy", [Day, Month, Year], "/|/", false),
            ("yyyy-mm-dd", [Year, Month, Day], "-|-", false),
            ("yyyymmdd", [Year, Month, Day], "|", false),
            ("mmmm dd,  yyyy", [MonthName, Day, Year], " |, ", false),
            ("ddmmmmyy", [Day, MonthName, ShortYear], "|", false),
            ("dd/mm-yyyy hh:mm", [Day, Month, Year], "/|-", true),
            ("yyyy-mm-ddThh:mm:ss", [Year, Month, Day], "-|-", true),
        ] {
            assert_eq!(shape(text), Some((parts, separators.to_owned(), time)), "{text}");
        }
        for bad in [
            "",
            "dd/mm",
            "dd/dd/yyyy",
            "mm/mmmm/yyyy",
            "yy/mm/yyyy",
            "dd/mmm/yyyy",
            "mm/dd/yyyy ",
            "mm/dd/yyyy hh",
            "jj/mm/aaaa",
            "ddémm/yyyy",
            "dd/mm/yyyyy",
        ] {
            assert_eq!(shape(bad), None, "{bad}");
        }
    }

    #[test]
    fn formats_are_shown_as_they_are_written() {
        let dates = compile("format = ['dd/mm/yyyy hh:mm', 'dd mmmm yy', 'excel']\npivot = 50", None).unwrap();
        assert_eq!(dates.expected(), ["dd/mm/yyyy hh:mm", "dd mmmm yy", "excel"]);
    }

    #[test]
    fn a_column_keeps_what_it_does_not_replace() {
        let base = compile("format = 'dd/mm/yy'\npivot = 40\nfold = 'later'", None).unwrap();
        assert_eq!(compile("", Some(&base)), Ok(base.clone()));
        let column = compile("format = 'yymmdd'", Some(&base)).unwrap();
        assert_eq!(
            (column.formats[0].clone(), column.fold),
            (DateFormat::parse("yymmdd", Some(40)).unwrap(), base.fold)
        );
        let column = compile("pivot = 30", Some(&base)).unwrap();
        assert_eq!(column.formats, [DateFormat::parse("dd/mm/yy", Some(30)).unwrap()]);
    }

    #[test]
    fn mistakes_name_the_key() {
        for (toml, key, found) in [
            ("", "format", "nothing"),
            ("format = []", "format", "an empty list"),
            ("format = 4", "format", "4"),
            ("format = ['dd/mm/yyyy', 'dd/mm']", "format", "\"dd/mm\""),
            ("format = 'dd/mm/yy'", "format", "\"dd/mm/yy\" without `pivot`"),
            ("format = 'dd/mm/yyyy'\npivot = 50", "pivot", "a pivot without `yy` in a format"),
            ("format = 'dd/mm/yy'\npivot = 2050", "pivot", "2050"),
            ("format = 'dd/mm/yyyy'\nfold = 'first'", "fold", "\"first\""),
            ("format = ['excel', 'excel1904']", "format", "two formats of serial numbers"),
        ] {
            let mistakes = compile(toml, None).unwrap_err();
            let expected = format!("s.toml: `dates.{key}`: found {found}; accepted: ");
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(&expected)), "{toml}: {mistakes:?}");
        }
    }
}
