//! The list of public recipes stays short, and README names all of them.

use crate::tree::read;

/// Upper limit of recipes, so that the list can be read at a glance.
const MOST: usize = 12;

/// The recipes that `./justw` lists: not assignments, and not marked private.
fn recipes(justfile: &str) -> Vec<&str> {
    let lines: Vec<&str> = justfile.lines().collect();
    let is_recipe = |line: &str| {
        line.starts_with(|first: char| first.is_ascii_lowercase())
            && !line.contains(":=")
            && line.contains(':')
    };
    let marks = std::iter::once("").chain(lines.iter().copied());
    let public = marks.zip(&lines).filter(|(above, line)| is_recipe(line) && *above != "[private]");
    public.filter_map(|(_, line)| line.split([' ', ':']).next()).collect()
}

#[test]
fn there_are_few_recipes_and_readme_names_them() {
    let justfile = read("justfile");
    let found = recipes(&justfile);
    assert!(
        found.contains(&"test") && found.contains(&"demo"),
        "the justfile is read as it is written: {found:?}"
    );
    assert!(found.len() <= MOST, "{} public recipes: {found:?}", found.len());
    let readme = read("README.md");
    let named = |recipe: &str| {
        readme.contains(&format!("`{recipe}`")) || readme.contains(&format!("./justw {recipe}"))
    };
    let unnamed: Vec<_> = found.into_iter().filter(|recipe| !named(recipe)).collect();
    assert_eq!(unnamed, Vec::<&str>::new(), "recipes that README does not name");
}

#[test]
fn private_recipes_and_settings_are_not_counted() {
    let justfile = "name := \"x\"\n\n# One.\none *ARGS: two\n    run a: b\n\n[private]\ntwo:\n    true\n";
    assert_eq!(recipes(justfile), ["one"]);
}
