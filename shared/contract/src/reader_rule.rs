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
    UnreadableInteger,
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
        Self::UnreadableInteger,
        Self::UnreadableBoolean,
        Self::CellType,
        Self::CellError,
        Self::FormulaWithoutValue,
        Self::OutOfScope,
        Self::DerivedKeyCollision,
        Self::CleanedKey,
        Self::FormattedKey,
    ];

    /// Its id, as reports, the ledger and the facility's CSV show it.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Quotes => "guillemets",
            Self::LongRecord => "enregistrement_long",
            Self::ShortRecord => "enregistrement_court",
            Self::UnnamedColumn => "colonne_sans_nom",
            Self::Encoding => "encodage",
            Self::DoubleEncoding => "double_encodage",
            Self::ForbiddenCharacter => "caractere_interdit",
            Self::TextTooLong => "texte_trop_long",
            Self::SpreadsheetText => "texte_de_tableur",
            Self::ScientificNotation => "notation_scientifique",
            Self::UndeclaredEmptyWord => "mot_vide_non_declare",
            Self::UnreadableDate => "date_illisible",
            Self::AmbiguousDate => "date_ambigue",
            Self::ImplausibleDate => "date_invraisemblable",
            Self::DateOrder => "ordre_de_date",
            Self::UnreadableAmount => "montant_illisible",
            Self::UnreadableInteger => "nombre_illisible",
            Self::UnreadableBoolean => "booleen_illisible",
            Self::CellType => "type_de_cellule",
            Self::CellError => "cellule_en_erreur",
            Self::FormulaWithoutValue => "formule_sans_valeur",
            Self::OutOfScope => "hors_perimetre",
            Self::DerivedKeyCollision => "cle_derivee_en_conflit",
            Self::CleanedKey => "cle_nettoyee",
            Self::FormattedKey => "cle_mise_en_forme",
        }
    }

    /// The id of its count of values that a dataset lets the reader leave out (`unreadable = "empty"`).
    pub fn emptied_id(self) -> String {
        format!("{}_videe", self.id())
    }

    /// Whether an id is one of the reader's own, so that no rule of a dataset may have it.
    pub fn owns(id: &str) -> bool {
        let id = id.strip_suffix("_videe").unwrap_or(id);
        Self::ALL.iter().any(|rule| rule.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_recognised() {
        for (at, rule) in ReaderRule::ALL.iter().enumerate() {
            assert!(ReaderRule::ALL[..at].iter().all(|other| other.id() != rule.id()), "{}", rule.id());
            assert!(ReaderRule::owns(rule.id()) && ReaderRule::owns(&rule.emptied_id()));
        }
        assert!(!ReaderRule::owns("montants_negatifs"));
    }
}
