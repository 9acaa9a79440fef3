//! The rules that the reader applies to every file, whatever its dataset declares.
//!
//! They stand here, below the reader, because a dataset's own rules may not have the same ids.

/// A rule of the reader: what it refuses, or counts and lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReaderRule {
    /// Quotes that do not enclose one field.
    Quotes,
    /// A record with more fields than the header.
    LongRecord,
    /// A record with fewer fields than the header.
    ShortRecord,
    /// A value in a column that has no name.
    UnnamedColumn,
    /// Bytes that the declared encoding does not have.
    Encoding,
    /// UTF-8 that was read, or written, as if it were in a single-byte encoding.
    DoubleEncoding,
    /// Control characters.
    ForbiddenCharacter,
    /// A text longer than its field.
    TextTooLong,
    /// A text that a spreadsheet wrapped: `="0010"`, `'0010`.
    SpreadsheetText,
    /// An id that a spreadsheet turned into a number with an exponent.
    ScientificNotation,
    /// A word for "nothing" that the contract does not declare.
    UndeclaredEmptyWord,
    /// A date that cannot be read.
    UnreadableDate,
    /// A date that two declared formats read as two days.
    AmbiguousDate,
    /// A date outside its field's range.
    ImplausibleDate,
    /// A date that fits only the order of day and month that the contract does not declare.
    DateOrder,
    /// An amount that cannot be read.
    UnreadableAmount,
    /// A number, or a whole number, that cannot be read. An amount has a rule of its own.
    UnreadableNumber,
    /// A truth value that cannot be read.
    UnreadableBoolean,
    /// A cell of a workbook whose type does not fit its field.
    CellType,
    /// A formula in error.
    CellError,
    /// A formula without a stored value.
    FormulaWithoutValue,
    /// A row that is not of its sender's scope.
    OutOfScope,
    /// Two rows with one derived key and different inputs.
    DerivedKeyCollision,
    /// Counted only: a key that was stored without its invisible characters.
    CleanedKey,
    /// Counted only: a key that a workbook shows in a number format of its own.
    FormattedKey,
}

impl ReaderRule {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::Quotes,
        Self::LongRecord,
        Self::ShortRecord,
        Self::UnnamedColumn,
        Self::Encoding,
        Self::DoubleEncoding,
        Self::ForbiddenCharacter,
        Self::TextTooLong,
        Self::SpreadsheetText,
        Self::ScientificNotation,
        Self::UndeclaredEmptyWord,
        Self::UnreadableDate,
        Self::AmbiguousDate,
        Self::ImplausibleDate,
        Self::DateOrder,
        Self::UnreadableAmount,
        Self::UnreadableNumber,
        Self::UnreadableBoolean,
        Self::CellType,
        Self::CellError,
        Self::FormulaWithoutValue,
        Self::OutOfScope,
        Self::DerivedKeyCollision,
        Self::CleanedKey,
        Self::FormattedKey,
    ];

    /// Its id in `messages.toml`, and wherever that file gives it no other.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Quotes => "quotes",
            Self::LongRecord => "long_record",
            Self::ShortRecord => "short_record",
            Self::UnnamedColumn => "unnamed_column",
            Self::Encoding => "encoding",
            Self::DoubleEncoding => "double_encoding",
            Self::ForbiddenCharacter => "forbidden_character",
            Self::TextTooLong => "text_too_long",
            Self::SpreadsheetText => "spreadsheet_text",
            Self::ScientificNotation => "scientific_notation",
            Self::UndeclaredEmptyWord => "undeclared_empty_word",
            Self::UnreadableDate => "unreadable_date",
            Self::AmbiguousDate => "ambiguous_date",
            Self::ImplausibleDate => "implausible_date",
            Self::DateOrder => "date_order",
            Self::UnreadableAmount => "unreadable_amount",
            Self::UnreadableNumber => "unreadable_number",
            Self::UnreadableBoolean => "unreadable_boolean",
            Self::CellType => "cell_type",
            Self::CellError => "cell_error",
            Self::FormulaWithoutValue => "formula_without_value",
            Self::OutOfScope => "out_of_scope",
            Self::DerivedKeyCollision => "derived_key_collision",
            Self::CleanedKey => "cleaned_key",
            Self::FormattedKey => "formatted_key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        for (at, rule) in ReaderRule::ALL.iter().enumerate() {
            assert!(ReaderRule::ALL[..at].iter().all(|other| other.id() != rule.id()), "{}", rule.id());
        }
    }
}
