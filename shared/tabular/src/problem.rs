//! Why a record or a cell cannot be read: the rule, and a French sentence for the facility. All sentences of the reader
//! stand in this file.
//!
//! A sentence names what was found and, if a key of the contract would settle it, that key; never another cell's value.

use std::borrow::Cow;
use std::fmt;

use fonderie_contract::ReaderRule;

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
        /// The declared formats, as a facility reads them (`jj/mm/aaaa`).
        expected: String,
    },
    /// A date in none of the declared formats that looks like one of another format.
    OtherDateFormat {
        /// The declared formats, as a facility reads them.
        expected: String,
        /// The other one, or two of which either may be meant, as a contract writes them, between `« »`.
        found: String,
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
        /// The declared formats, as a facility reads them.
        expected: String,
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
        /// The declared currency.
        expected: String,
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
    /// A number outside its bounds, which are as the sentence shows them.
    NumberBounds(String, String),
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
            | Self::NumberBounds(..) => ReaderRule::UnreadableInteger,
            Self::Boolean { .. } => ReaderRule::UnreadableBoolean,
            Self::CellType => ReaderRule::CellType,
            Self::CellError => ReaderRule::CellError,
            Self::FormulaWithoutValue => ReaderRule::FormulaWithoutValue,
            Self::OutOfScope(_) => ReaderRule::OutOfScope,
            Self::DerivedKeyCollision => ReaderRule::DerivedKeyCollision,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence("montant", f)
    }
}

impl Problem {
    /// Writes the sentence; `amount` is the word for what an amount's problem is about.
    fn sentence(&self, amount: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnclosedQuote => f.write_str("Un guillemet ouvert n'est jamais refermé."),
            Self::ReopenedQuote => {
                f.write_str("Un guillemet ouvert sur cette ligne n'est suivi d'un autre qu'au début d'un champ d'une ligne suivante.")
            }
            Self::TextAfterQuote => f.write_str("Du texte suit un guillemet fermant."),
            Self::SpaceBeforeQuote => f.write_str("Un espace précède un guillemet ouvrant, qui ne compte donc pas comme tel."),
            Self::MeltedLines { lines } => {
                write!(f, "Des guillemets réunissent {lines} lignes dont la première et la dernière sont déjà complètes.")
            }
            Self::SeveralLines => f.write_str(
                "Des guillemets réunissent plusieurs lignes, ce que le contrat exclut (`multiline = false`).",
            ),
            Self::LongRecord { found, expected } => {
                write!(f, "La ligne a plus de champs que l'en-tête : {found} au lieu de {expected}.")
            }
            Self::ShortRecord { found, expected } => {
                write!(f, "La ligne a moins de champs que l'en-tête : {found} au lieu de {expected}.")
            }
            Self::BeyondHeader => f.write_str("La ligne a des valeurs au-delà des colonnes de l'en-tête."),
            Self::UnnamedColumn => f.write_str("Une valeur se trouve dans une colonne sans nom."),
            Self::Encoding => f.write_str("La cellule contient des octets étrangers à l'encodage convenu, ou le signe U+FFFD d'un caractère perdu."),
            Self::DoubleEncoding => f.write_str(
                "La cellule est écrite en UTF-8, alors que l'encodage convenu est un autre : ses accents seraient faux.",
            ),
            Self::ControlCharacter(c) => {
                let name = match c {
                    '\0' => ", un octet nul : fichier écrit en partie ou abîmé",
                    '\u{1a}' => ", la marque de fin de fichier de DOS",
                    c if fonderie_contract::is_invisible(*c, true) => ", invisible",
                    _ => "",
                };
                write!(f, "La cellule contient un caractère de contrôle (U+{:04X}{name}).", u32::from(*c))
            }
            Self::TextTooLong { most } => {
                write!(f, "Le texte est plus long que le champ ne l'admet : {most} caractères au plus.")
            }
            Self::SpreadsheetText => f.write_str(
                "Un tableur a entouré le texte (=\"…\" ou une apostrophe) ; le contrat peut l'admettre par \
                 `spreadsheet_text = true`.",
            ),
            Self::SpreadsheetFormula => f.write_str(
                "La cellule contient une formule de tableur et non sa valeur : exporter les valeurs.",
            ),
            Self::ScientificNotation => f.write_str(
                "Un tableur a changé cet identifiant en nombre et en a perdu des chiffres : reprendre la valeur d'origine.",
            ),
            Self::TooManyDigits => f.write_str(
                "Le nombre a plus de quinze chiffres : le tableur en a perdu, reprendre la valeur d'origine en texte.",
            ),
            Self::UndeclaredEmptyWord(word) => write!(
                f,
                "« {word} » se trouve là où la ligne doit être identifiée ; si ce mot veut dire « rien », le contrat le \
                 déclare par `empty = [\"{word}\"]`."
            ),
            Self::DateFormat { expected } => write!(f, "La date n'est pas écrite dans le format convenu ({expected})."),
            Self::OtherDateFormat { expected, found } => write!(
                f,
                "La date n'est pas écrite dans le format convenu ({expected}) ; elle ressemble à {found}, que le contrat peut \
                 admettre par `dates.format`{}.",
                if found.contains("yy") && !found.contains("yyyy") { " et `dates.pivot`" } else { "" }
            ),
            Self::YearForDate => f.write_str(
                "Le nombre est une année, pas un jour : compté comme un numéro de jour de tableur, il donnerait un jour de 1905 ; \
                 envoyer la date entière.",
            ),
            Self::PlaceholderDate(text) => write!(
                f,
                "« {text} » n'est pas une date ; si cela veut dire « pas de date », le contrat le déclare par \
                 `empty = [\"{text}\"]`."
            ),
            Self::UndeclaredTime(format) => write!(
                f,
                "La date porte une heure ; le contrat peut l'admettre en ajoutant l'heure au format (`{format}`)."
            ),
            Self::NoSuchDay => f.write_str("Ce jour n'existe pas dans le calendrier."),
            Self::AmbiguousTime => f.write_str(
                "Cette heure a existé deux fois ce jour-là (changement d'heure) ; le contrat peut choisir par `fold`.",
            ),
            Self::ImpossibleTime => f.write_str(
                "Cette heure n'a pas existé ce jour-là (changement d'heure) ; le contrat peut l'admettre par `fold`.",
            ),
            Self::AmbiguousDate(first, second) => {
                write!(f, "Deux formats convenus lisent cette date : {first} ou {second}.")
            }
            Self::ImplausibleDate(min, max) => {
                write!(f, "La date n'est pas vraisemblable : elle doit se trouver entre le {min} et le {max}.")
            }
            Self::DateOrder { expected } => write!(
                f,
                "Le jour et le mois sont dans un autre ordre que celui convenu ({expected})."
            ),
            Self::NumberForDate => f.write_str("La cellule contient un nombre qui n'est pas mis en forme de date."),
            Self::Amount => write!(f, "Le {amount} ne peut pas être lu dans le format convenu."),
            Self::AmountNeeds { key } => {
                write!(f, "Le {amount} n'est pas écrit dans le format convenu ; le contrat peut l'admettre par `{key}`.")
            }
            Self::ScaledAmount => f.write_str(
                "Le format de la cellule montre un autre nombre que le sien, en milliers ou en millions par exemple : lui \
                 donner un format qui montre le nombre entier.",
            ),
            Self::HiddenAmount => f.write_str(
                "Le format de la cellule ne montre pas le nombre qu'elle contient : lui donner un format qui le montre.",
            ),
            Self::AmountWord(word) => write!(
                f,
                "Le {amount} porte « {0} », que le contrat ne déclare pas ; si ce mot n'y change rien, le contrat l'admet par \
                 `units = [\"{0}\"]`, ou par `currency` si c'est la devise.",
                visible(word)
            ),
            Self::AmountSign => f.write_str(
                "Le format de la cellule montre le nombre avec un autre signe que le sien, ou sans son signe : lui donner un \
                 format ordinaire, ou corriger le nombre.",
            ),
            Self::IntegerAs(problem) => problem.sentence("nombre", f),
            Self::OtherCurrency { expected } => {
                write!(f, "Le {amount} porte une autre devise que celle convenue ({expected}).")
            }
            Self::AmountDecimals { most: 0 } => f.write_str("Le montant doit être un nombre entier, sans décimales."),
            Self::AmountDecimals { most } => write!(f, "Le montant a trop de décimales : {most} au plus."),
            Self::AmountSize => write!(f, "Le {amount} est trop grand pour l'entrepôt."),
            Self::EmptyWordForAmount(word) => write!(
                f,
                "« {word} » n'est pas un montant ; si ce mot veut dire « rien », le contrat le déclare par `empty = [\"{word}\"]`."
            ),
            Self::EmptyWordForInteger(word) => write!(
                f,
                "« {word} » n'est pas un nombre ; si ce mot veut dire « rien », le contrat le déclare par `empty = [\"{word}\"]`."
            ),
            Self::Integer => f.write_str("Le nombre entier ne peut pas être lu."),
            Self::IntegerBounds { min, max } => {
                write!(f, "Le nombre est hors des limites admises : de {min} à {max}.")
            }
            Self::NumberBounds(min, max) => {
                write!(f, "Le nombre est hors des limites admises : de {min} à {max}.")
            }
            Self::Boolean { expected } => write!(f, "La valeur n'est aucun des mots convenus ({expected})."),
            Self::CellType => f.write_str("La cellule n'est pas du type attendu dans cette colonne."),
            Self::CellError => f.write_str("La formule de la cellule est en erreur."),
            Self::FormulaWithoutValue => f.write_str(
                "La cellule contient une formule sans valeur enregistrée : ouvrir le classeur, le recalculer et l'enregistrer.",
            ),
            Self::OutOfScope(field) => write!(
                f,
                "La ligne n'est pas du périmètre de cet expéditeur : le contrat ne lui attribue pas cette valeur de {field} (`owns`)."
            ),
            Self::DerivedKeyCollision => {
                f.write_str("Une autre ligne du fichier a le même identifiant calculé, à partir d'autres valeurs.")
            }
        }
    }
}
