//! Names of a file in messages.

/// A name as a message shows it: at most 30 characters, with characters that cannot be seen as their codes.
pub(crate) fn visible(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in name.chars().enumerate() {
        if at == 30 {
            out.push('…');
            break;
        }
        let odd = c.is_control()
            || c == '\u{FFFD}'
            || (c.is_whitespace() && c != ' ')
            || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}');
        if odd {
            out.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}
