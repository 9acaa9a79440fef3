//! Date formats as users write them: `dd/mm/yyyy`.

use crate::compiled::{DateFormat, DatePart};

/// What a contract may say.
pub(crate) const ACCEPTED: &str =
    "`dd`, `mm` and `yyyy` once each, in any order, with one separator between them or none, such as \"dd/mm/yyyy\"";

/// Reads a date format.
pub(crate) fn parse(text: &str) -> Option<DateFormat> {
    let mut parts = Vec::new();
    let mut separators = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, length) = [("dd", DatePart::Day), ("mm", DatePart::Month), ("yyyy", DatePart::Year)]
            .into_iter()
            .find(|(token, _)| rest.starts_with(token))
            .map(|(token, part)| (part, token.len()))?;
        if parts.contains(&part) {
            return None;
        }
        parts.push(part);
        rest = &rest[length..];
        if parts.len() < 3 {
            let end = rest.find(|c: char| c.is_ascii_alphanumeric())?;
            separators.push(&rest[..end]);
            rest = &rest[end..];
        }
    }
    let parts: [DatePart; 3] = parts.try_into().ok()?;
    (separators[0] == separators[1]).then(|| DateFormat {
        parts,
        separator: separators[0].to_owned(),
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        use DatePart::{Day, Month, Year};
        let shape = |text: &str| parse(text).map(|format| (format.parts, format.separator));
        assert_eq!(shape("dd/mm/yyyy"), Some(([Day, Month, Year], "/".to_owned())));
        assert_eq!(shape("yyyy-mm-dd"), Some(([Year, Month, Day], "-".to_owned())));
        assert_eq!(shape("yyyymmdd"), Some(([Year, Month, Day], String::new())));
        for bad in ["", "dd/mm", "dd/mm/yy", "dd/mm-yyyy", "dd/dd/yyyy", "mm/dd/yyyy ", "jj/mm/aaaa"] {
            assert_eq!(shape(bad), None, "{bad}");
        }
    }
}
