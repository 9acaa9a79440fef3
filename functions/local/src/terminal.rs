//! What the terminal can do, if there is one.

use std::ffi::OsStr;
use std::io::IsTerminal;

/// What begins and ends a colour.
const RESET: &str = "\x1b[0m";

#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Green,
    Yellow,
    Red,
}

/// A word in a colour if standard output is a terminal that shows colours and `NO_COLOR` is not set; else as it is.
pub(crate) fn painted(word: &str, colour: Colour) -> String {
    let (no_color, term) = (std::env::var_os("NO_COLOR"), std::env::var_os("TERM"));
    if !coloured(std::io::stdout().is_terminal(), no_color.as_deref(), term.as_deref()) {
        return word.to_owned();
    }
    let begin = match colour {
        Colour::Green => "\x1b[32m",
        Colour::Yellow => "\x1b[33m",
        Colour::Red => "\x1b[31m",
    };
    format!("{begin}{word}{RESET}")
}

/// Whether bars can be drawn on standard error: on a terminal that can go back to the beginning of a line.
pub(crate) fn bars() -> bool {
    moves(std::io::stderr().is_terminal(), std::env::var_os("TERM").as_deref())
}

/// <https://no-color.org>: any text but the empty one.
fn coloured(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    moves(terminal, term) && no_color.is_none_or(OsStr::is_empty)
}

fn moves(terminal: bool, term: Option<&OsStr>) -> bool {
    terminal && term.is_some_and(|term| term != "dumb" && !term.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_show_them_and_people_who_want_them() {
        let shown = |terminal, no_color: Option<&str>, term: Option<&str>| {
            coloured(terminal, no_color.map(OsStr::new), term.map(OsStr::new))
        };
        assert!(shown(true, None, Some("xterm-256color")) && shown(true, Some(""), Some("xterm")));
        for (terminal, no_color, term) in [
            (false, None, Some("xterm")),
            (true, Some("1"), Some("xterm")),
            (true, Some("0"), Some("xterm")),
            (true, None, Some("dumb")),
            (true, None, None),
        ] {
            assert!(!shown(terminal, no_color, term), "{terminal} {no_color:?} {term:?}");
        }
        assert!(moves(true, Some(OsStr::new("xterm"))) && !moves(true, Some(OsStr::new("dumb"))));
    }
}
