//! Text of others on a terminal.

/// `text` with everything replaced that could change what a terminal shows: control characters of ASCII and C1, and the
/// invisible ones that change the direction of writing.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_bidi_control(c) { ' ' } else { c }).collect()
}

/// Unicode Standard Annex #9, table 4, and the marks of its section 2.6.
const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t55_nothing_that_moves_the_cursor_or_turns_the_text_gets_through() {
        assert_eq!(printable("a\u{1b}[2J\r\n\u{9b}1m\u{202e}b\u{2066}\u{7f}é"), "a [2J   1m b  é");
    }
}
