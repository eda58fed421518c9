//! Tar archives whose bytes depend on nothing but what is in them: sorted, with one time for all and no names of users.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context as _, ensure};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// Files by their path, relative and without a dot.
pub(crate) struct Archive {
    time: u64,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    content: Content,
    mode: u32,
    /// User and group.
    owner: u64,
}

enum Content {
    File(Vec<u8>),
    Folder,
    Link(String),
}

impl Archive {
    /// An empty one, with the time of all entries in seconds since 1970.
    pub(crate) const fn new(time: u64) -> Self {
        Self { time, entries: BTreeMap::new() }
    }

    /// Adds a file of root, and the folders above it.
    pub(crate) fn file(&mut self, path: &str, bytes: impl Into<Vec<u8>>, mode: u32) -> anyhow::Result<()> {
        self.add(path, Entry { content: Content::File(bytes.into()), mode, owner: 0 })
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &str, target: &str) -> anyhow::Result<()> {
        self.add(path, Entry { content: Content::Link(target.to_owned()), mode: 0o777, owner: 0 })
    }

    /// Adds a folder.
    pub(crate) fn folder(&mut self, path: &str, mode: u32, owner: u64) -> anyhow::Result<()> {
        self.add(path, Entry { content: Content::Folder, mode, owner })
    }

    /// Whether something has this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    fn add(&mut self, path: &str, entry: Entry) -> anyhow::Result<()> {
        let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        ensure!(plain, "{path}: not a relative path without dots");
        for (end, _) in path.match_indices('/') {
            let above = path.get(..end).unwrap_or_default().to_owned();
            let folder = || Entry { content: Content::Folder, mode: 0o755, owner: 0 };
            self.entries.entry(above).or_insert_with(folder);
        }
        let before = self.entries.insert(path.to_owned(), entry);
        ensure!(
            before.is_none_or(|before| matches!(before.content, Content::Folder)),
            "{path} is there twice"
        );
        Ok(())
    }

    /// The archive.
    pub(crate) fn tar(&self) -> anyhow::Result<Vec<u8>> {
        let mut tar = Builder::new(Vec::new());
        for (path, entry) in &self.entries {
            let mut header = Header::new_gnu();
            header.set_mode(entry.mode);
            header.set_uid(entry.owner);
            header.set_gid(entry.owner);
            header.set_mtime(self.time);
            match &entry.content {
                Content::File(bytes) => {
                    header.set_entry_type(EntryType::Regular);
                    header.set_size(bytes.len().try_into()?);
                    tar.append_data(&mut header, path, bytes.as_slice())
                }
                Content::Folder => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_size(0);
                    tar.append_data(&mut header, format!("{path}/"), std::io::empty())
                }
                Content::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_size(0);
                    tar.append_link(&mut header, path, target)
                }
            }
            .with_context(|| path.clone())?;
        }
        Ok(tar.into_inner()?)
    }
}

/// Compresses without a name and a time.
pub(crate) fn gzip(bytes: &[u8], level: u32) -> anyhow::Result<Vec<u8>> {
    // 255: the operating system is not said.
    let mut file = GzBuilder::new().operating_system(255).write(Vec::new(), Compression::new(level));
    file.write_all(bytes)?;
    Ok(file.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_additions_does_not_count() {
        let make = |turned: bool| {
            let mut archive = Archive::new(1_700_000_000);
            let mut names = ["usr/bin/a", "etc/b"];
            if turned {
                names.reverse();
            }
            for name in names {
                archive.file(name, name, 0o644).unwrap();
            }
            archive.link("lib", "usr/lib").unwrap();
            archive.folder("var/data", 0o700, 10_001).unwrap();
            gzip(&archive.tar().unwrap(), 1).unwrap()
        };
        assert_eq!(make(false), make(true));
    }

    #[test]
    fn entries_have_the_given_modes_owners_and_time() {
        let mut archive = Archive::new(7);
        archive.file("usr/bin/a", "x", 0o755).unwrap();
        archive.folder("data", 0o700, 10_001).unwrap();
        let bytes = archive.tar().unwrap();
        let mut read = tar::Archive::new(bytes.as_slice());
        let found: Vec<_> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().display().to_string();
                (path, header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap())
            })
            .collect();
        let row = |path: &str, mode, owner| (path.to_owned(), mode, owner, 7);
        let expected = [row("data/", 0o700, 10_001), row("usr/", 0o755, 0), row("usr/bin/", 0o755, 0)];
        assert_eq!(found, [expected.as_slice(), &[row("usr/bin/a", 0o755, 0)]].concat());
    }

    #[test]
    fn paths_that_lead_elsewhere_and_second_files_are_refused() {
        let mut archive = Archive::new(0);
        for path in ["/etc", "a/../b", "./a", "a//b", ""] {
            let error = archive.file(path, "", 0o644).unwrap_err().to_string();
            assert_eq!(error, format!("{path}: not a relative path without dots"));
        }
        archive.file("a", "", 0o644).unwrap();
        assert_eq!(archive.file("a", "", 0o644).unwrap_err().to_string(), "a is there twice");
    }
}
