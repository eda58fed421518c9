//! Compares docs/threats.md with the tree: every cited id has a row, and the code and tests named in a row
//! exist.

use std::collections::BTreeSet;

use super::tree::{self, root};

/// A row of the page.
#[derive(Debug, Default, PartialEq, Eq)]
struct Threat {
    id: String,
    defence: bool,
    missing: bool,
    code: Vec<String>,
    tests: Vec<String>,
}

/// Rows of the page: a heading `### T01: …` and a list with one item for each member.
fn threats(page: &str) -> Vec<Threat> {
    let mut rows: Vec<Threat> = Vec::new();
    for section in page.split("\n### ").skip(1) {
        let (title, body) = section.split_once('\n').expect("a heading has text below it");
        let (id, _) = title.split_once(": ").expect("a heading is an id and a title");
        let mut row = Threat { id: id.to_owned(), ..Threat::default() };
        for item in body.split("\n- **").skip(1) {
            let (member, text) = item.split_once(":** ").expect("an item is a member and its text");
            let text = text.split("\n\n").next().unwrap_or_default();
            match member {
                "Attack" | "Fault" => {}
                "Defence" => row.defence = true,
                "Not implemented yet" => row.missing = true,
                "Code" => row.code = quoted(text),
                "Tests" => row.tests = quoted(text),
                other => panic!("{id}: unknown member {other}"),
            }
        }
        rows.push(row);
    }
    rows
}

/// Texts between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Ids cited in a text: `T` and two digits that are not part of a longer word or of a time such as T00:00.
fn cited(text: &str) -> BTreeSet<&str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = BTreeSet::new();
    for (start, _) in text.match_indices('T') {
        let (before, rest) = text.split_at(start);
        let Some(id) = rest.get(..3).filter(|id| id.bytes().skip(1).all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        let after = rest.as_bytes().get(3..).unwrap_or_default();
        let is_time = matches!(after, [b':', digit, ..] if digit.is_ascii_digit());
        let is_part =
            before.bytes().last().is_some_and(is_word) || after.first().copied().is_some_and(is_word);
        if !is_part && !is_time {
            found.insert(id);
        }
    }
    found
}

/// Names of functions with the prefix of a threat, such as `t01_`.
fn threat_tests(source: &str) -> impl Iterator<Item = &str> {
    let names = source.split("fn ").skip(1).filter_map(|rest| {
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().filter(|name| name.len() > 4)
    });
    names.filter(|name| {
        matches!(name.as_bytes(), [b't', tens, ones, b'_', ..] if tens.is_ascii_digit() && ones.is_ascii_digit())
    })
}

/// The tree without this file, which cites ids that do not exist.
fn tree() -> Vec<(String, String)> {
    let mut files = tree::files();
    files.retain(|(name, _)| name != file!());
    files
}

fn page() -> Vec<Threat> {
    threats(&tree::read("docs/threats.md"))
}

#[test]
fn ids_are_numbered_without_gaps() {
    let ids: Vec<_> = page().into_iter().map(|row| row.id).collect();
    let expected: Vec<_> = (1..=ids.len()).map(|number| format!("T{number:02}")).collect();
    assert_eq!(ids, expected);
}

#[test]
fn every_cited_id_has_a_row() {
    let rows = page();
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut unknown = Vec::new();
    for (name, text) in tree() {
        let tests: Vec<_> =
            threat_tests(&text).filter_map(|test| test.get(..3)).map(str::to_uppercase).collect();
        let all = cited(&text).into_iter().chain(tests.iter().map(String::as_str));
        unknown.extend(all.filter(|id| !ids.contains(id)).map(|id| format!("{name}: {id}")));
    }
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn code_and_tests_of_each_row_exist() {
    let tree = tree();
    let tests: BTreeSet<_> = tree.iter().flat_map(|(_, text)| threat_tests(text)).collect();
    for row in page() {
        assert!(row.defence || row.missing, "{}: neither a defence nor that there is none yet", row.id);
        assert_eq!(row.defence, !row.tests.is_empty(), "{}: a defence has tests", row.id);
        assert_eq!(row.defence, !row.code.is_empty(), "{}: a defence is in the code", row.id);
        for test in &row.tests {
            assert!(tests.contains(test.as_str()), "{}: there is no test {test}", row.id);
        }
        for file in &row.code {
            assert!(root().join(file).is_file(), "{}: there is no file {file}", row.id);
        }
    }
}

#[test]
fn a_page_is_read_by_its_members() {
    let page = "# Threats\n\n### T01: one\n\n- **Attack:** some.\n- **Defence:** other.\n- **Code:** `a.rs`,\n  `b/c.rs`\n\
                - **Tests:** `t01_one`\n\n## More\n\n### T02: two\n\n- **Attack:** some.\n- **Not implemented yet:** all.\n";
    let one = Threat {
        id: "T01".to_owned(),
        defence: true,
        code: vec!["a.rs".to_owned(), "b/c.rs".to_owned()],
        tests: vec!["t01_one".to_owned()],
        ..Threat::default()
    };
    let two = Threat { id: "T02".to_owned(), missing: true, ..Threat::default() };
    assert_eq!(threats(page), [one, two]);
}

#[test]
fn citations_are_told_from_other_words() {
    let text = "T01, (T02) and T03: not AT04, T050, T06x, 2026-01-01T00:00:00Z or T7. T08";
    assert_eq!(cited(text), BTreeSet::from(["T01", "T02", "T03", "T08"]));
    let source = "fn t09_a() {}\nasync fn t10_b() {}\nfn test() {}\nfn tx1_c() {}";
    assert_eq!(threat_tests(source).collect::<Vec<_>>(), ["t09_a", "t10_b"]);
}
