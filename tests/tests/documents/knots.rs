//! Files of a crate that import one another in a cycle can only be read and changed together: a knot. Its
//! size is bounded for each crate.
//!
//! Counted are paths: `use` of `crate::`, `super::`, `self::` and of child modules, and such paths in the
//! code. Tests are excluded, since they may use anything in a crate.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::files;

/// The largest knot allowed in each crate, in files. Bounds are only lowered.
const BOUNDS: [(&str, usize); 9] = [
    ("protocol", 4),
    ("reference-values", 1),
    ("attestation", 4),
    ("policy", 1),
    ("keystore", 2),
    ("broker", 1),
    ("guest-client", 2),
    ("system", 1),
    ("tests", 1),
];

/// The modules of a crate, each by its path below the root, with the modules that it names.
type Imports = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

#[test]
fn no_crate_has_a_larger_knot_than_its_bound() {
    let files = files();
    let mut over = Vec::new();
    for (name, bound) in BOUNDS {
        let knot = largest_knot(&imports(&sources(&files, name)));
        println!("{name}: the largest knot has {} files: {}", knot.len(), knot.join(" "));
        if knot.len() > bound {
            over.push(format!(
                "{name}: {} files, at most {bound} are allowed: {}",
                knot.len(),
                knot.join(" ")
            ));
        }
    }
    assert!(over.is_empty(), "files that import one another in a circle:\n{}", over.join("\n"));
}

#[test]
fn a_circle_is_a_knot_and_a_line_is_none() {
    let line = [("a", "use crate::b::B;"), ("b", "use crate::c;"), ("c", "")];
    assert_eq!(knot(&line).len(), 1);
    let circle = [
        ("a", "use crate::{b::{B, C}, d};"),
        ("b", "fn f() -> crate::c::C {}"),
        ("c", "use super::a;"),
        ("d", ""),
    ];
    assert_eq!(knot(&circle), ["a", "b", "c"]);
}

#[test]
fn parents_that_name_their_children_are_in_their_knots() {
    let folder = [("a", "mod b;\npub use b::B;"), ("a/b", "use super::A;\n"), ("a/c", "use super::b::B;")];
    assert_eq!(knot(&folder), ["a", "a::b"]);
    let clean = [
        ("a", "mod b;\npub use b::B;"),
        ("a/b", "use super::c::C;"),
        ("a/c", "// crate::a\npub(in crate::a) struct C;"),
    ];
    assert_eq!(knot(&clean).len(), 1);
}

#[test]
fn tests_do_not_count() {
    let tested =
        [("a", "use crate::b::B;"), ("b", "struct B;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n")];
    assert_eq!(knot(&tested).len(), 1);
}

fn knot(files: &[(&str, &str)]) -> Vec<String> {
    let named =
        files.iter().map(|(path, text)| (path.split('/').map(str::to_owned).collect(), (*text).to_owned()));
    largest_knot(&imports(&named.collect()))
}

/// The files of a crate without its tests, by module.
fn sources(files: &[(String, String)], name: &str) -> BTreeMap<Vec<String>, String> {
    let mut found = BTreeMap::new();
    for (path, text) in files {
        let Some(path) = path.strip_prefix(&format!("{name}/src/")).and_then(|path| path.strip_suffix(".rs"))
        else {
            continue;
        };
        let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
        if module.iter().any(|part| ["tests", "bin"].contains(&part.as_str())) {
            continue;
        }
        module.retain(|part| !["lib", "main"].contains(&part.as_str()));
        found.entry(module).or_insert_with(String::new).push_str(text);
    }
    assert!(found.len() > 1, "{name} has sources");
    found
}

fn imports(sources: &BTreeMap<Vec<String>, String>) -> Imports {
    let known: BTreeSet<_> = sources.keys().cloned().collect();
    let targets = |module: &Vec<String>, text: &str| {
        let named = paths(module, text).into_iter().map(|path| owner(&known, path));
        named.filter(|target| target != module).collect()
    };
    sources.iter().map(|(module, text)| (module.clone(), targets(module, text))).collect()
}

/// The innermost module that a path leads through.
fn owner(known: &BTreeSet<Vec<String>>, mut path: Vec<String>) -> Vec<String> {
    while !path.is_empty() && !known.contains(&path) {
        path.pop();
    }
    path
}

/// All paths in this crate that a module's text names.
fn paths(module: &[String], text: &str) -> Vec<Vec<String>> {
    let text = code(text);
    let mut found = Vec::new();
    for (position, _) in text.match_indices("::") {
        let before = text.get(..position).unwrap_or_default();
        let word = before.rsplit(|c: char| !is_name(c)).next().unwrap_or_default();
        let start = before.strip_suffix(word).unwrap_or_default();
        // `pub(in crate::folder)` only limits visibility, and uses nothing.
        if start.ends_with("::") || start.ends_with("(in ") || word.is_empty() {
            continue;
        }
        let base = match word {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => parent(module),
            // A path that starts with a child module; any other name is not a file below this one.
            child => [module, &[child.to_owned()]].concat(),
        };
        walk(base, text.get(position + 2..).unwrap_or_default(), &mut found);
    }
    found
}

/// Collects the tree of paths at the start of `rest`; returns the rest.
fn walk<'a>(base: Vec<String>, rest: &'a str, found: &mut Vec<Vec<String>>) -> &'a str {
    let rest = rest.trim_start();
    if let Some(mut rest) = rest.strip_prefix('{') {
        loop {
            rest = walk(base.clone(), rest, found).trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return rest.strip_prefix('}').unwrap_or_default(),
            }
        }
    }
    let name = rest.split(|c: char| !is_name(c)).next().unwrap_or_default();
    let after = rest.strip_prefix(name).unwrap_or_default();
    let path = match name {
        "super" => parent(&base),
        "self" => base,
        name => [base, vec![name.to_owned()]].concat(),
    };
    match after.strip_prefix("::") {
        Some(rest) => walk(path, rest, found),
        None => {
            found.push(path);
            after
                .trim_start()
                .strip_prefix("as ")
                .map_or(after, |renamed| renamed.trim_start_matches(is_name))
        }
    }
}

fn parent(module: &[String]) -> Vec<String> {
    module.split_last().map(|(_, parents)| parents.to_vec()).unwrap_or_default()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A file without its comments and the tests at its end.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text.get(..end).unwrap_or_default().lines();
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The files of the largest knot; a single file if there is none.
fn largest_knot(imports: &Imports) -> Vec<String> {
    let reached: BTreeMap<_, _> = imports.keys().map(|module| (module, reach(imports, module))).collect();
    let mutual = |one: &Vec<String>, other: &Vec<String>| {
        reached.get(one).is_some_and(|reached| reached.contains(other))
            && reached.get(other).is_some_and(|reached| reached.contains(one))
    };
    let knot = |one| imports.keys().filter(|other| *other == one || mutual(one, other)).collect::<Vec<_>>();
    let largest = imports.keys().map(knot).max_by_key(Vec::len).unwrap_or_default();
    largest
        .into_iter()
        .map(|module| if module.is_empty() { "lib".to_owned() } else { module.join("::") })
        .collect()
}

fn reach(imports: &Imports, from: &[String]) -> BTreeSet<Vec<String>> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_vec()]);
    while let Some(module) = open.pop() {
        for next in imports.get(&module).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}
