//! From a header's names to the fields of the record.

use fonderie_contract::{Origin, Source};
use fonderie_core::{ErrorCode, Result, StageError};

/// What a column of the file is for.
pub(crate) struct FileColumn {
    pub(crate) header: String,
    /// The field that it fills; none for an ignored column, or one without a name.
    pub(crate) field: Option<usize>,
}

/// Ties names to fields: the contract's names all there, each once, and no other.
///
/// # Errors
/// `ColumnMissing`, `ColumnRepeated`, `ColumnUnknown`.
pub(crate) fn lay_out(source: &Source, names: &[String]) -> Result<Vec<FileColumn>> {
    let wanted: Vec<(usize, &str)> = source
        .columns
        .iter()
        .enumerate()
        .filter_map(|(index, origin)| match origin {
            Origin::Column { header, .. } => Some((index, header.as_str())),
            _ => None,
        })
        .collect();
    let quoted = |names: &[&str]| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let missing: Vec<&str> =
        wanted.iter().map(|(_, header)| *header).filter(|header| !names.iter().any(|name| name == header)).collect();
    if !missing.is_empty() {
        // The line's own words are not repeated: of a file without a header, they are a patient's data.
        let message = format!(
            "the header lacks {}, which the contract of `{}` reads; of its {} columns the contract knows {}: have the file \
             sent again, or correct `columns` in the contract",
            quoted(&missing),
            source.id,
            names.len(),
            wanted.len() - missing.len(),
        );
        return Err(StageError::new(ErrorCode::ColumnMissing, message));
    }
    for (index, name) in names.iter().enumerate() {
        // An unnamed column comes of delimiters at the lines' ends; its cells must be empty (see the builder).
        if !name.is_empty() && names[..index].contains(name) {
            let message = format!("the header names \"{name}\" twice, so its values cannot be told apart");
            return Err(StageError::new(ErrorCode::ColumnRepeated, message));
        }
    }
    let field = |name: &str| wanted.iter().find(|(_, header)| *header == name).map(|(index, _)| *index);
    let unknown: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty() && field(name).is_none() && !source.ignored.iter().any(|i| i == name))
        .collect();
    if !unknown.is_empty() {
        let message = format!(
            "the header has {}, which the contract of `{}` does not know: map it under `columns`, or name it in \
             `ignored_columns`",
            quoted(&unknown),
            source.id,
        );
        return Err(StageError::new(ErrorCode::ColumnUnknown, message));
    }
    Ok(names.iter().map(|header| FileColumn { field: field(header), header: header.clone() }).collect())
}
