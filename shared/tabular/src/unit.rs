//! Units that a contract lets stand beside numbers.

use fonderie_contract::NumberFormat;

/// A number's text without a declared unit behind or before it; `None` if it has none.
pub(crate) fn without_unit<'t>(text: &'t str, format: &NumberFormat) -> Option<&'t str> {
    let before = |unit: &String| {
        let ends_in_digit = unit.ends_with(|c: char| c.is_ascii_digit());
        text.strip_prefix(unit.as_str()).filter(|_| !ends_in_digit).map(str::trim_start)
    };
    let off = |unit: &String| text.strip_suffix(unit.as_str()).map(str::trim_end).or_else(|| before(unit));
    // The longest one: `°` must not leave the `F` of `°F`.
    format.units.iter().filter_map(off).min_by_key(|rest| rest.len())
}
