//! Why a record or a cell cannot be read: the rule, and what its sentence names, which is never another cell's value. The
//! sentences are the dataset's ([`Messages`]).

use std::borrow::Cow;

use fonderie_contract::{Messages, ReaderRule};

use crate::visible::visible;

/// Why a record, or a cell that is present, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A quote that is still open at the end of the file or at the limit on records.
    UnclosedQuote,
    /// A quote whose next one is on a later line, at the start of a field and followed by text.
    ReopenedQuote,
    /// Text after a closing quote.
    TextAfterQuote,
    /// White space before an opening quote.
    SpaceBeforeQuote,
    /// A record over several lines of which the first and the last are complete by themselves.
    MeltedLines {
        /// The physical lines that the quotes bring together.
        lines: u64,
    },
    /// A record over several lines where the contract excludes them.
    SeveralLines,
    /// More fields than the header.
    LongRecord {
        /// Fields of the record.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// Fewer fields than the header.
    ShortRecord {
        /// Fields of the record.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// A sheet's row with values beyond the header's last column.
    BeyondHeader,
    /// A value under an empty header.
    UnnamedColumn,
    /// Bytes that the declared encoding does not have, or U+FFFD, which stands for a character that was lost before.
    Encoding,
    /// UTF-8 read as a single-byte encoding.
    DoubleEncoding,
    /// A control character.
    ControlCharacter(char),
    /// A text longer than its field.
    TextTooLong {
        /// The greatest length, in characters.
        most: usize,
    },
    /// A text that a spreadsheet wrapped.
    SpreadsheetText,
    /// A spreadsheet's formula of texts: `="18"&"19"`.
    SpreadsheetFormula,
    /// An id that a spreadsheet turned into a number.
    ScientificNotation,
    /// A number of a workbook with more digits than a spreadsheet keeps.
    TooManyDigits,
    /// A word for "nothing" in a field that identifies the row.
    UndeclaredEmptyWord(String),
    /// A date in none of the declared formats.
    DateFormat {
        /// The declared formats, as the contract writes them (`dd/mm/yyyy`).
        expected: Vec<String>,
    },
    /// A date in none of the declared formats that looks like one of another format.
    OtherDateFormat {
        /// The declared formats.
        expected: Vec<String>,
        /// The other one, or two of which either may be meant.
        found: Vec<String>,
    },
    /// A spreadsheet's serial number of a day with a time.
    SerialWithTime {
        /// The declared formats.
        expected: Vec<String>,
        /// A format with a time, which would allow it beside `excel`.
        time: String,
    },
    /// A date that stands for "no date" in much software (`00/00/0000`) and is not declared as such.
    PlaceholderDate(String),
    /// A date with a time, while the contract declares none: the format that would.
    UndeclaredTime(String),
    /// A day that no calendar has.
    NoSuchDay,
    /// A local time that a clock change makes ambiguous.
    AmbiguousTime,
    /// A local time that a clock change leaves out.
    ImpossibleTime,
    /// Two declared formats read the text as two days, written as ISO dates.
    AmbiguousDate(String, String),
    /// A date outside its field's range: the bounds as ISO dates.
    ImplausibleDate(String, String),
    /// A date that fits only the other order of day and month, in a file that shows both.
    DateOrder {
        /// The declared formats.
        expected: Vec<String>,
    },
    /// A number that is not formatted as a date.
    NumberForDate,
    /// A year in place of a spreadsheet's serial number.
    YearForDate,
    /// An amount that is not in the declared form.
    Amount,
    /// An amount that a key of the contract would let pass.
    AmountNeeds {
        /// The key, with its value, as the contract writes it: `trailing_sign = true`.
        key: Cow<'static, str>,
    },
    /// An amount in another currency than the declared one.
    OtherCurrency {
        /// The words of the declared currency.
        expected: Vec<String>,
    },
    /// A number of a workbook that its cell shows in thousands or millions.
    ScaledAmount,
    /// A number of a workbook that its cell does not show.
    HiddenAmount,
    /// An amount with an undeclared word, in a text or as a workbook's cell shows it.
    AmountWord(String),
    /// A number of a workbook that its cell shows with another sign than its own, or without it.
    AmountSign,
    /// A number that is no amount, with what is wrong with it as one.
    IntegerAs(Box<Problem>),
    /// Too many decimals.
    AmountDecimals {
        /// Decimals that the field has.
        most: usize,
    },
    /// An amount that does not fit into its field.
    AmountSize,
    /// A word for "nothing" instead of an amount.
    EmptyWordForAmount(String),
    /// A whole number that cannot be read.
    Integer,
    /// A word for "nothing" instead of a whole number.
    EmptyWordForInteger(String),
    /// A whole number outside its bounds.
    IntegerBounds {
        /// The smallest allowed.
        min: i64,
        /// The greatest allowed.
        max: i64,
    },
    /// A number outside its bounds, which are as the sentence shows them; `None` is no bound.
    NumberBounds(Option<String>, Option<String>),
    /// A truth value that is none of the declared words.
    Boolean {
        /// The declared words.
        expected: String,
    },
    /// A cell of another type than its field's.
    CellType,
    /// A formula in error.
    CellError,
    /// A formula without a stored value.
    FormulaWithoutValue,
    /// The row is not of its sender's scope: the owner field's name.
    OutOfScope(String),
    /// Two rows have one derived key and different inputs.
    DerivedKeyCollision,
}

impl Problem {
    /// The problem of a number that is read as an amount and is none.
    pub(crate) fn of_number(self) -> Self {
        Self::IntegerAs(Box::new(self))
    }

    /// The rule that the record or cell breaks.
    pub const fn rule(&self) -> ReaderRule {
        match self {
            Self::UnclosedQuote
            | Self::ReopenedQuote
            | Self::TextAfterQuote
            | Self::SpaceBeforeQuote
            | Self::MeltedLines { .. }
            | Self::SeveralLines => ReaderRule::Quotes,
            Self::LongRecord { .. } | Self::BeyondHeader => ReaderRule::LongRecord,
            Self::ShortRecord { .. } => ReaderRule::ShortRecord,
            Self::UnnamedColumn => ReaderRule::UnnamedColumn,
            Self::Encoding => ReaderRule::Encoding,
            Self::DoubleEncoding => ReaderRule::DoubleEncoding,
            Self::ControlCharacter(_) => ReaderRule::ForbiddenCharacter,
            Self::TextTooLong { .. } => ReaderRule::TextTooLong,
            Self::SpreadsheetText | Self::SpreadsheetFormula => ReaderRule::SpreadsheetText,
            Self::ScientificNotation | Self::TooManyDigits => ReaderRule::ScientificNotation,
            Self::UndeclaredEmptyWord(_) => ReaderRule::UndeclaredEmptyWord,
            Self::DateFormat { .. }
            | Self::OtherDateFormat { .. }
            | Self::SerialWithTime { .. }
            | Self::PlaceholderDate(_)
            | Self::UndeclaredTime(_)
            | Self::NoSuchDay
            | Self::AmbiguousTime
            | Self::ImpossibleTime
            | Self::NumberForDate
            | Self::YearForDate => ReaderRule::UnreadableDate,
            Self::AmbiguousDate(..) => ReaderRule::AmbiguousDate,
            Self::ImplausibleDate(..) => ReaderRule::ImplausibleDate,
            Self::DateOrder { .. } => ReaderRule::DateOrder,
            Self::Amount
            | Self::AmountNeeds { .. }
            | Self::OtherCurrency { .. }
            | Self::AmountDecimals { .. }
            | Self::ScaledAmount
            | Self::HiddenAmount
            | Self::AmountWord(_)
            | Self::AmountSign
            | Self::EmptyWordForAmount(_)
            | Self::AmountSize => ReaderRule::UnreadableAmount,
            Self::Integer
            | Self::IntegerAs(_)
            | Self::EmptyWordForInteger(_)
            | Self::IntegerBounds { .. }
            | Self::NumberBounds(..) => ReaderRule::UnreadableNumber,
            Self::Boolean { .. } => ReaderRule::UnreadableBoolean,
            Self::CellType => ReaderRule::CellType,
            Self::CellError => ReaderRule::CellError,
            Self::FormulaWithoutValue => ReaderRule::FormulaWithoutValue,
            Self::OutOfScope(_) => ReaderRule::OutOfScope,
            Self::DerivedKeyCollision => ReaderRule::DerivedKeyCollision,
        }
    }
}

impl Problem {
    /// The sentence for the sender, in the dataset's words. Its key is the variant's name; what it names is written as
    /// [`Messages`] has it.
    pub fn sentence(&self, messages: &Messages) -> String {
        self.told(messages, true)
    }

    /// The sentence; `amount` is whether an amount is what it is about.
    fn told(&self, messages: &Messages, amount: bool) -> String {
        let say = |key, values: &[(&str, &str)]| messages.sentence(key, values);
        let kind = ("kind", messages.number_word(amount));
        let formats = |expected: &[String]| {
            messages.any_of(&expected.iter().map(|format| messages.date_format(format)).collect::<Vec<_>>())
        };
        let widths = |found: usize, expected: usize| (found.to_string(), expected.to_string());
        match self {
            Self::UnclosedQuote => say("unclosed_quote", &[]),
            Self::ReopenedQuote => say("reopened_quote", &[]),
            Self::TextAfterQuote => say("text_after_quote", &[]),
            Self::SpaceBeforeQuote => say("space_before_quote", &[]),
            Self::MeltedLines { lines } => say("melted_lines", &[("lines", &lines.to_string())]),
            Self::SeveralLines => say("several_lines", &[]),
            Self::LongRecord { found, expected } => {
                let (found, expected) = widths(*found, *expected);
                say("long_record", &[("found", &found), ("expected", &expected)])
            }
            Self::ShortRecord { found, expected } => {
                let (found, expected) = widths(*found, *expected);
                say("short_record", &[("found", &found), ("expected", &expected)])
            }
            Self::BeyondHeader => say("beyond_header", &[]),
            Self::UnnamedColumn => say("unnamed_column", &[]),
            Self::Encoding => say("encoding", &[]),
            Self::DoubleEncoding => say("double_encoding", &[]),
            Self::ControlCharacter(c) => {
                let key = match c {
                    '\0' => "null_character",
                    '\u{1a}' => "dos_end",
                    c if fonderie_contract::is_invisible(*c, true) => "invisible_character",
                    _ => "control_character",
                };
                say(key, &[("character", &format!("U+{:04X}", u32::from(*c)))])
            }
            Self::TextTooLong { most } => say("text_too_long", &[("most", &most.to_string())]),
            Self::SpreadsheetText => say("spreadsheet_text", &[]),
            Self::SpreadsheetFormula => say("spreadsheet_formula", &[]),
            Self::ScientificNotation => say("scientific_notation", &[]),
            Self::TooManyDigits => say("too_many_digits", &[]),
            Self::UndeclaredEmptyWord(word) => say("undeclared_empty_word", &[("word", word)]),
            Self::DateFormat { expected } => say("date_format", &[("expected", &formats(expected))]),
            Self::OtherDateFormat { expected, found } => {
                let pivot = found.iter().any(|format| format.contains("yy") && !format.contains("yyyy"));
                let key = if pivot { "other_date_format_with_pivot" } else { "other_date_format" };
                let found: Vec<String> = found.iter().map(|format| messages.quoted(format)).collect();
                say(key, &[("expected", &formats(expected)), ("found", &messages.any_of(&found))])
            }
            Self::SerialWithTime { expected, time } => {
                say("serial_with_time", &[("expected", &formats(expected)), ("time", time)])
            }
            Self::PlaceholderDate(text) => say("placeholder_date", &[("text", text)]),
            Self::UndeclaredTime(format) => say("undeclared_time", &[("format", format)]),
            Self::NoSuchDay => say("no_such_day", &[]),
            Self::AmbiguousTime => say("ambiguous_time", &[]),
            Self::ImpossibleTime => say("impossible_time", &[]),
            Self::AmbiguousDate(first, second) => say("ambiguous_date", &[("first", first), ("second", second)]),
            Self::ImplausibleDate(min, max) => say("implausible_date", &[("min", min), ("max", max)]),
            Self::DateOrder { expected } => say("date_order", &[("expected", &formats(expected))]),
            Self::NumberForDate => say("number_for_date", &[]),
            Self::YearForDate => say("year_for_date", &[]),
            Self::Amount => say("amount", &[kind]),
            Self::AmountNeeds { key } => say("amount_needs", &[kind, ("key", key)]),
            Self::OtherCurrency { expected } => {
                say("other_currency", &[kind, ("expected", &messages.any_of(expected))])
            }
            Self::ScaledAmount => say("scaled_amount", &[]),
            Self::HiddenAmount => say("hidden_amount", &[]),
            Self::AmountWord(word) => say("amount_word", &[kind, ("word", &visible(word))]),
            Self::AmountSign => say("amount_sign", &[]),
            Self::IntegerAs(problem) => problem.told(messages, false),
            Self::AmountDecimals { most: 0 } => say("amount_whole", &[]),
            Self::AmountDecimals { most } => say("amount_decimals", &[("most", &most.to_string())]),
            Self::AmountSize => say("amount_size", &[kind]),
            Self::EmptyWordForAmount(word) => say("empty_word_for_amount", &[("word", word)]),
            Self::Integer => say("integer", &[]),
            Self::EmptyWordForInteger(word) => say("empty_word_for_integer", &[("word", word)]),
            Self::IntegerBounds { min, max } => {
                say("integer_bounds", &[("min", &min.to_string()), ("max", &max.to_string())])
            }
            Self::NumberBounds(Some(min), None) => say("number_least", &[("min", min)]),
            Self::NumberBounds(None, Some(max)) => say("number_most", &[("max", max)]),
            Self::NumberBounds(min, max) => {
                let shown = |bound: &Option<String>| bound.clone().unwrap_or_default();
                say("integer_bounds", &[("min", &shown(min)), ("max", &shown(max))])
            }
            Self::Boolean { expected } => say("boolean", &[("expected", expected)]),
            Self::CellType => say("cell_type", &[]),
            Self::CellError => say("cell_error", &[]),
            Self::FormulaWithoutValue => say("formula_without_value", &[]),
            Self::OutOfScope(field) => say("out_of_scope", &[("field", field)]),
            Self::DerivedKeyCollision => say("derived_key_collision", &[]),
        }
    }
}
