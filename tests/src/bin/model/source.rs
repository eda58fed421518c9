//! A model with its markers, and the model without some of its bindings.
//!
//! Markers are comments, so the unchanged file is the whole protocol:
//!
//! | marker | without the binding |
//! |---|---|
//! | `x = HASH(a, b) // binds GROUP: one two` | `nil` stands in the place of the argument `GROUP.one` or `GROUP.two`; `-` is none |
//! | `LINE // check NAME` | the line is left out |
//! | `// without NAME: LINE`, below a line | the line above reads so instead |
//! | `// covered NAME by OTHER, ANOTHER: REASON` | nothing breaks until these are taken out as well |
//! | `// beyond NAME: REASON` | the model holds for one session only; what breaks with two is prevented by something that it has not |

use anyhow::{Context as _, bail, ensure};

/// A model and the bindings that can be removed.
pub(crate) struct Model {
    pub(crate) name: String,
    lines: Vec<String>,
    /// In the order of their first marker.
    pub(crate) bindings: Vec<String>,
    pub(crate) covered: Vec<Covered>,
    /// What the protocol has in addition to the model, and how that prevents what breaks with two sessions.
    pub(crate) beyond: Option<(String, String)>,
    pub(crate) queries: Vec<String>,
}

/// A binding whose removal breaks nothing as long as others remain.
pub(crate) struct Covered {
    pub(crate) binding: String,
    pub(crate) by: Vec<String>,
    pub(crate) reason: String,
}

impl Model {
    pub(crate) fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let mut model = Self {
            name: name.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            bindings: Vec::new(),
            covered: Vec::new(),
            beyond: None,
            queries: Vec::new(),
        };
        let mut in_queries = false;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            match line {
                "queries[" => in_queries = true,
                "]" => in_queries = false,
                query if in_queries && !query.starts_with("//") => model.queries.push(query.to_owned()),
                _ => model.note(line).with_context(|| format!("{name}, line {number}: {line}"))?,
            }
        }
        for covered in &model.covered {
            for binding in covered.by.iter().chain([&covered.binding]) {
                ensure!(model.bindings.contains(binding), "{name}: no marker names {binding}");
            }
        }
        Ok(model)
    }

    fn note(&mut self, line: &str) -> anyhow::Result<()> {
        let names = match Marker::of(line)? {
            None => vec![],
            Some(Marker::Covered(covered)) => {
                self.covered.push(covered);
                vec![]
            }
            Some(Marker::Beyond(name, reason)) => {
                self.beyond = Some((name.to_owned(), reason.to_owned()));
                vec![]
            }
            Some(Marker::Check(name) | Marker::Without(name, _)) => vec![name.to_owned()],
            Some(Marker::Binds(names)) => names.into_iter().flatten().collect(),
        };
        for name in names {
            if !self.bindings.contains(&name) {
                self.bindings.push(name);
            }
        }
        Ok(())
    }

    /// The model without these bindings.
    pub(crate) fn without(&self, removed: &[&str]) -> anyhow::Result<String> {
        let mut kept: Vec<String> = Vec::new();
        // The line that a `without` below refers to, unless it was removed.
        for line in &self.lines {
            match Marker::of(line)? {
                Some(Marker::Check(name)) if removed.contains(&name) => kept.push(String::new()),
                Some(Marker::Binds(names)) => {
                    let gone =
                        |name: &Option<String>| name.as_deref().is_some_and(|name| removed.contains(&name));
                    kept.push(without_arguments(line, &names.iter().map(gone).collect::<Vec<_>>())?);
                }
                Some(Marker::Without(name, instead)) => {
                    if removed.contains(&name) {
                        *kept.last_mut().context("a `without` has no line above it")? = instead.to_owned();
                    }
                }
                _ => kept.push(line.clone()),
            }
        }
        Ok(kept.join("\n") + "\n")
    }
}

enum Marker<'l> {
    /// For each argument of the line's call, its binding.
    Binds(Vec<Option<String>>),
    Check(&'l str),
    Without(&'l str, &'l str),
    Covered(Covered),
    Beyond(&'l str, &'l str),
}

impl<'l> Marker<'l> {
    fn of(line: &'l str) -> anyhow::Result<Option<Self>> {
        let Some((code, comment)) = line.split_once("// ") else { return Ok(None) };
        let Some((word, rest)) = comment.trim().split_once(' ') else { return Ok(None) };
        let pair = || rest.split_once(": ").context("the marker has no `: `");
        Ok(match (code.trim().is_empty(), word) {
            (false, "binds") => {
                let (group, fields) = pair()?;
                let name = |field: &str| (field != "-").then(|| format!("{group}.{field}"));
                let names: Vec<_> = fields.split_whitespace().map(name).collect();
                let arguments = arguments(code)?.1.len();
                ensure!(names.len() == arguments, "{arguments} arguments, {} names", names.len());
                Some(Self::Binds(names))
            }
            (false, "check") => Some(Self::Check(rest)),
            (true, "beyond") => pair().map(|(name, reason)| Some(Self::Beyond(name, reason)))?,
            (true, "without") => pair().map(|(name, line)| Some(Self::Without(name, line)))?,
            (true, "covered") => {
                let (names, reason) = pair()?;
                let (binding, by) = names.split_once(" by ").context("covered by what?")?;
                let by = by.split(", ").map(str::to_owned).collect();
                Some(Self::Covered(Covered { binding: binding.to_owned(), by, reason: reason.to_owned() }))
            }
            _ => None,
        })
    }
}

/// The text before the outermost call's arguments, and the arguments; a `?` after the call is left to the
/// caller.
fn arguments(code: &str) -> anyhow::Result<(&str, Vec<&str>)> {
    let code = code.trim_end().trim_end_matches('?');
    let Some((head, inner)) = code.split_once('(') else { bail!("no call") };
    let inner = inner.strip_suffix(')').context("the call does not end the line")?;
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (at, character) in inner.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).context("more than one call")?,
            ',' if depth == 0 => {
                found.extend(inner.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.extend(inner.get(start..));
    Ok((head, found))
}

fn without_arguments(line: &str, gone: &[bool]) -> anyhow::Result<String> {
    let (code, _) = line.split_once("//").context("no marker")?;
    let (head, arguments) = arguments(code)?;
    let left: Vec<_> = arguments
        .iter()
        .zip(gone)
        .map(|(argument, gone)| if *gone { "nil" } else { argument.trim() })
        .collect();
    let checked = if code.trim_end().ends_with('?') { "?" } else { "" };
    Ok(format!("{head}({}){checked}", left.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "\
attacker[active]
    t = HASH(a, HASH(b, c), d) // binds t: one two -
    u = HASH(t)
    // without u: u = HASH(nil)
    _ = SIGNVERIF(a, t, s)? // check signature
    // covered t.one by u: because
queries[
    confidentiality? b
]
";

    #[test]
    fn each_marker_takes_its_binding_out() {
        let model = Model::parse("m", MODEL).unwrap();
        assert_eq!(model.bindings, ["t.one", "t.two", "u", "signature"]);
        assert_eq!(model.queries, ["confidentiality? b"]);
        assert_eq!(model.covered[0].by, ["u"]);
        let has = |removed: &[&str], line: &str| {
            model.without(removed).unwrap().lines().any(|found| found.trim() == line)
        };
        assert!(has(&["t.one"], "t = HASH(nil, HASH(b, c), d)"));
        assert!(has(&["t.two", "t.one"], "t = HASH(nil, nil, d)"));
        assert!(has(&["u"], "u = HASH(nil)") && !has(&["u"], "u = HASH(t)"));
        assert!(has(&[], "u = HASH(t)"));
        assert!(!model.without(&["signature"]).unwrap().contains("SIGNVERIF"));
    }

    #[test]
    fn a_marker_that_fits_nothing_is_an_error() {
        for (changed, by) in
            [("one two -", "one two"), ("by u:", "by v:"), ("covered t.one by", "covered t.one")]
        {
            assert!(Model::parse("m", &MODEL.replace(changed, by)).is_err(), "{by}");
        }
    }
}
