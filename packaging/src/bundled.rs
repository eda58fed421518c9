//! C code that is in the programs because a crate compiles it.

use std::fs;

use anyhow::{Context as _, ensure};

use crate::cargo::{Crate, CrateId, Crates};
use crate::description::{Bundled, Description};

/// C code of a crate of a program.
pub(crate) struct Found<'a> {
    pub(crate) id: &'a CrateId,
    pub(crate) bundled: &'a Bundled,
    pub(crate) version: String,
    pub(crate) licence: String,
}

impl Found<'_> {
    pub(crate) fn purl(&self) -> String {
        self.bundled.purl.replace("{version}", &self.version)
    }
}

/// All C code of a program, each with the version that its header has.
///
/// # Errors
/// When a header has no version, or a crate links a library that the description does not know.
pub(crate) fn found<'a>(crates: &'a Crates, description: &'a Description) -> anyhow::Result<Vec<Found<'a>>> {
    for ((name, _), krate) in crates.all.iter().filter(|(_, krate)| krate.linked) {
        let bundled = description.bundled.iter().any(|bundled| bundled.krate == *name);
        ensure!(
            krate.manifest.links.is_none() || bundled || description.without_code.contains(name),
            "{name} links a library: add it to [[bundled]] of packages.toml, or to `without_code` if it compiles none"
        );
    }
    let all = description.bundled.iter().flat_map(|bundled| {
        let crates = crates.all.iter().filter(|((name, _), krate)| *name == bundled.krate && krate.linked);
        crates.map(move |(id, krate)| read(id, krate, bundled))
    });
    all.collect()
}

fn read<'a>(id: &'a CrateId, krate: &'a Crate, bundled: &'a Bundled) -> anyhow::Result<Found<'a>> {
    let header = krate.manifest.folder().join(&bundled.header);
    let text = fs::read_to_string(&header).with_context(|| header.display().to_string())?;
    let version = version(&text, &bundled.version);
    let version = version.with_context(|| format!("{}: no {}", header.display(), bundled.version))?;
    let licence = bundled.licence.clone().or_else(|| krate.manifest.licence());
    let licence = licence.with_context(|| format!("{}: no licence", bundled.krate))?;
    Ok(Found { id, bundled, version, licence })
}

/// The value of a macro: a string, or a number of a major version and two digits each of a minor one and a patch.
fn version(header: &str, name: &str) -> Option<String> {
    let value = header.lines().find_map(|line| {
        let mut words = line.strip_prefix("#define")?.split_whitespace();
        (words.next()? == name).then(|| words.next())?
    })?;
    if let Some(text) = value.strip_prefix('"') {
        return text.strip_suffix('"').map(ToOwned::to_owned);
    }
    let number: u32 = value.parse().ok()?;
    Some(format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_texts_or_numbers() {
        let header =
            "#define X_OTHER 1\n#define X        \"3.51.3\"\n#define Y 30302   // a comment\n#define Z a\n";
        assert_eq!(version(header, "X").as_deref(), Some("3.51.3"));
        assert_eq!(version(header, "Y").as_deref(), Some("3.3.2"));
        assert_eq!((version(header, "Z"), version(header, "W")), (None, None));
    }
}
