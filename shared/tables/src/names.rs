//! Names in SQL.

/// A quoted identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's qualified name, with an ending for a base table.
pub fn name(schema: &str, table: &str, ending: &str) -> String {
    format!("{}.{}", quote(schema), quote(&format!("{table}{ending}")))
}

/// A list of quoted names.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}
