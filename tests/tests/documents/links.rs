//! Every relative link in a Markdown file leads to a file of the tree.

use std::path::Path;

use super::tree::{self, root};

/// Targets of inline links, without what follows `#`.
fn targets(markdown: &str) -> impl Iterator<Item = &str> {
    let targets = markdown.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(|target| target.split('#').next().unwrap_or_default())
}

#[test]
fn relative_links_lead_somewhere() {
    let mut broken = Vec::new();
    for (name, text) in tree::files().into_iter().filter(|(name, _)| name.ends_with(".md")) {
        let folder = Path::new(&name).parent().expect("a file is in a folder");
        for target in targets(&text).filter(|target| !target.is_empty() && !target.contains("://")) {
            if !root().join(folder).join(target).exists() {
                broken.push(format!("{name}: {target}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn targets_are_what_stands_in_parentheses() {
    let markdown = "[a](b/c.md) and [d](../e.md#part), [f](https://example.com), (no link)";
    assert_eq!(targets(markdown).collect::<Vec<_>>(), ["b/c.md", "../e.md", "https://example.com"]);
}
