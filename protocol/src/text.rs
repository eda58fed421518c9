//! Makes untrusted text safe to print on a terminal.

/// Escapes everything in `text` that could change what a terminal shows: control characters of ASCII and C1,
/// and the invisible ones that change the direction of writing.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_harmless(c) { c } else { ' ' }).collect()
}

/// The same for a text of several lines: line ends and tabs are kept, everything else is shown as `\u{…}`.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    escaped(text, |c| format!("\\u{{{:x}}}", u32::from(c)))
}

/// Equivalent JSON without such characters: in JSON they occur only in strings, where they can be escaped.
#[must_use]
pub fn printable_json(json: &str) -> String {
    // All of them are in the Basic Multilingual Plane.
    escaped(json, |c| format!("\\u{:04x}", u32::from(c)))
}

fn escaped(text: &str, escape: impl Fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) || matches!(c, '\n' | '\t') {
            out.push(c);
        } else {
            out.push_str(&escape(c));
        }
    }
    out
}

const fn is_harmless(c: char) -> bool {
    !is_control(c) && !is_bidi_control(c)
}

/// Control characters of ASCII and C1, and the separators that some terminals treat as line ends.
const fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}')
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
        assert_eq!(
            printable_lines("a\u{1b}[2J\n\tb\u{9b}\u{202e}é\r"),
            "a\\u{1b}[2J\n\tb\\u{9b}\\u{202e}é\\u{d}"
        );
    }

    #[test]
    fn t55_json_says_the_same_without_them() {
        let text = "a\u{1b}\u{9b}31m\u{202e}\u{2028}\u{7f}é\n\"";
        let json =
            serde_json::to_string_pretty(&serde_json::json!({ "text": text, "more": [text] })).unwrap();
        let shown = printable_json(&json);
        assert!(shown.chars().all(|c| is_harmless(c) || c == '\n'), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["text"], text);
        assert_eq!(read["more"][0], text);
    }
}
