//! What cargo knows about a build: the crates in each program, with the features that they are really built with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::command::text;
use crate::description::Build;

/// Name and version of a crate.
pub(crate) type CrateId = (String, String);

/// The crates of one program, by name and version.
pub(crate) struct Crates {
    /// The program's own.
    pub(crate) root: CrateId,
    /// All of them, the root too.
    pub(crate) all: BTreeMap<CrateId, Crate>,
}

/// A crate as it is built for a program.
pub(crate) struct Crate {
    /// Features that are on; several sets, where build scripts need others than the program.
    pub(crate) features: BTreeSet<String>,
    /// Whether its code is in the program. Otherwise only the build needs it: build scripts and procedural macros.
    pub(crate) linked: bool,
    /// What it needs.
    pub(crate) dependencies: BTreeSet<CrateId>,
    /// SHA-256 of its archive at crates.io, in hex; crates of the tree have none.
    pub(crate) checksum: Option<String>,
    /// What its manifest says.
    pub(crate) manifest: Manifest,
}

/// A crate's manifest, as `cargo metadata` prints it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Manifest {
    name: String,
    version: String,
    manifest_path: PathBuf,
    /// An SPDX expression, in cargo's older spelling with a slash at times.
    license: Option<String>,
    /// The project's page.
    pub(crate) repository: Option<String>,
    /// The native library that it links, built by itself or not.
    pub(crate) links: Option<String>,
}

impl Manifest {
    /// The folder with its files.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("/"))
    }

    /// The licence as a current SPDX expression.
    pub(crate) fn licence(&self) -> Option<String> {
        let licence = self.license.as_deref()?;
        Some(if licence.contains('/') {
            licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
        } else {
            licence.to_owned()
        })
    }
}

impl Crates {
    /// Those of the program that cargo makes of this package of the tree.
    ///
    /// # Errors
    /// When cargo fails, or says what contradicts itself.
    pub(crate) fn of(tree: &Path, build: &Build, package: &str) -> anyhow::Result<Self> {
        let linked = Tree::read(tree, build, "normal,no-proc-macro")?;
        let whole = Tree::read(tree, build, "normal,build")?;
        let root = linked.roots.iter().find(|(name, _)| name == package);
        let root = root.with_context(|| format!("cargo tree: there is no {package}"))?.clone();
        let (in_program, needed) = (linked.reach(&root), whole.reach(&root));
        let (manifests, checksums) = (manifests(tree)?, checksums(tree)?);
        let mut all = BTreeMap::new();
        for id in needed {
            let is_linked = in_program.contains(&id);
            let from = if is_linked { &linked } else { &whole };
            let node = from.nodes.get(&id).with_context(|| format!("cargo tree: {} is missing", id.0))?;
            let edges = whole.nodes.get(&id).map(|node| node.dependencies.clone()).unwrap_or_default();
            let manifest = manifests.get(&id);
            let manifest = manifest.with_context(|| format!("cargo metadata: {} is missing", id.0))?.clone();
            let checksum = checksums.get(&id).cloned();
            let features = node.features.clone();
            all.insert(id, Crate { features, linked: is_linked, dependencies: edges, checksum, manifest });
        }
        ensure!(all.len() > 1, "cargo tree: {package} has no dependencies");
        Ok(Self { root, all })
    }

    /// The crates whose code is in the program, without those of the tree.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&CrateId, &Crate)> {
        self.all.iter().filter(|(_, krate)| krate.linked && krate.checksum.is_some())
    }
}

/// Output of `cargo tree`.
#[derive(Debug, Default)]
struct Tree {
    roots: Vec<CrateId>,
    nodes: BTreeMap<CrateId, Node>,
}

#[derive(Debug, Default)]
struct Node {
    features: BTreeSet<String>,
    dependencies: BTreeSet<CrateId>,
}

impl Tree {
    fn read(tree: &Path, build: &Build, edges: &str) -> anyhow::Result<Self> {
        let mut command = cargo(tree);
        command.args(["tree", "--locked", "--offline", "--target", TARGET, "--prefix", "depth"]);
        command.args(["--format", "|{p}|{f}", "-e", edges]).args(build.selection());
        Self::parse(&text(&mut command)?)
    }

    /// Each line is `depth|name vVERSION …|feature,feature`, with ` (*)` where a crate was expanded before.
    fn parse(printed: &str) -> anyhow::Result<Self> {
        let (mut tree, mut above) = (Self::default(), Vec::<CrateId>::new());
        for line in printed.lines().filter(|line| !line.is_empty()) {
            let parse = || {
                let (depth, rest) = line.split_once('|')?;
                let (package, features) = rest.split_once('|')?;
                let (name, rest) = package.split_once(" v")?;
                let version = rest.split(' ').next()?;
                let features = features.trim_end_matches("(*)").trim();
                let features = features.split(',').filter(|name| !name.is_empty());
                Some((depth.parse::<usize>().ok()?, (name.to_owned(), version.to_owned()), features))
            };
            let (depth, id, features) = parse().with_context(|| format!("cargo tree: {line}"))?;
            above.truncate(depth);
            match above.last() {
                Some(parent) => {
                    tree.nodes.entry(parent.clone()).or_default().dependencies.insert(id.clone());
                }
                None => tree.roots.push(id.clone()),
            }
            tree.nodes.entry(id.clone()).or_default().features.extend(features.map(ToOwned::to_owned));
            above.push(id);
        }
        Ok(tree)
    }

    /// A crate and everything that it needs.
    fn reach(&self, from: &CrateId) -> BTreeSet<CrateId> {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(id) = next.pop() {
            if reached.insert(id.clone()) {
                next.extend(self.nodes.get(id).into_iter().flat_map(|node| &node.dependencies));
            }
        }
        reached
    }
}

fn manifests(tree: &Path) -> anyhow::Result<BTreeMap<CrateId, Manifest>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Manifest>,
    }
    let mut command = cargo(tree);
    command.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    command.args(["--filter-platform", TARGET]);
    let metadata: Metadata = serde_json::from_str(&text(&mut command)?).context("cargo metadata")?;
    let packages = metadata.packages.into_iter();
    Ok(packages.map(|package| ((package.name.clone(), package.version.clone()), package)).collect())
}

/// From Cargo.lock.
fn checksums(tree: &Path) -> anyhow::Result<BTreeMap<CrateId, String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let path = tree.join("Cargo.lock");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lock: Lock = toml::from_str(&text).with_context(|| path.display().to_string())?;
    let packages = lock.package.into_iter();
    Ok(packages.filter_map(|one| Some(((one.name, one.version), one.checksum?))).collect())
}

/// cargo in a tree, with the toolchain that the tree names.
pub(crate) fn cargo(tree: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(tree);
    command
}

/// The only processor that vouchsafe is built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> CrateId {
        (name.to_owned(), "1.0.0".to_owned())
    }

    #[test]
    fn a_tree_is_read_with_what_was_expanded_before() {
        let printed = "0|one v1.0.0 (/tree/one)|\n1|a v1.0.0|std,default\n2|b v1.0.0|\n1|b v1.0.0| (*)\n\n\
                       0|two v1.0.0 (/tree/two)|\n1|m v1.0.0 (proc-macro)|x\n2|a v1.0.0|std,default (*)\n";
        let tree = Tree::parse(printed).unwrap();
        assert_eq!(tree.roots, [id("one"), id("two")]);
        assert_eq!(tree.reach(&id("one")), [id("one"), id("a"), id("b")].into());
        assert_eq!(tree.reach(&id("two")), [id("two"), id("m"), id("a"), id("b")].into());
        assert_eq!(tree.nodes[&id("a")].features, ["std", "default"].map(ToOwned::to_owned).into());
        assert!(tree.nodes[&id("b")].features.is_empty());
        let error = Tree::parse("no depth\n").unwrap_err().to_string();
        assert_eq!(error, "cargo tree: no depth");
    }

    #[test]
    fn licences_are_spdx_expressions() {
        let manifest = |licence: &str| -> Manifest {
            let value = serde_json::json!({ "name": "a", "version": "1", "manifest_path": "/a/Cargo.toml", "license": licence });
            serde_json::from_value(value).unwrap()
        };
        assert_eq!(manifest("Apache-2.0 / MIT").licence().as_deref(), Some("Apache-2.0 OR MIT"));
        assert_eq!(manifest("ISC AND MIT").licence().as_deref(), Some("ISC AND MIT"));
        assert_eq!(manifest("MIT").folder(), Path::new("/a"));
    }
}
