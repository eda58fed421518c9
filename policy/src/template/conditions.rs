//! The `when` clause of a new policy.

/// Lines of the `when` clause.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) lines: Vec<String>,
}

impl Conditions {
    pub(super) fn add(&mut self, comment: &str, condition: impl Into<String>) {
        self.end();
        self.lines.push(format!("  // {comment}"));
        self.lines.push(format!("  {}", condition.into()));
    }

    pub(super) fn more(&mut self, condition: String) {
        self.end();
        self.lines.push(format!("  {condition}"));
    }

    fn end(&mut self) {
        if let Some(last) = self.lines.last_mut() {
            last.push_str(" &&");
        }
    }
}

/// A string literal of Cedar.
pub(super) fn literal(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
