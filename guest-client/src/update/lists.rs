//! Component lists that image builders have signed, and that packages of an update have installed. They are sent as they
//! are: whether one counts is for the broker to say.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vouchsafe_protocol::limits::{MAX_COMPONENT_LIST, MAX_COMPONENT_LISTS};
use vouchsafe_protocol::request::CarriedLists;
use vouchsafe_protocol::{ObjectName, SharedBytes, UnixTime};

/// The lists of a folder that are for one baseline.
#[derive(Debug, Default)]
pub struct FoundLists {
    /// The newest of them.
    pub lists: CarriedLists,
    /// What was left out, a line each.
    pub notes: Vec<String>,
}

/// What decides whether a list is sent. Nothing in it is checked.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    version: u32,
    issued_at: UnixTime,
    baseline: ObjectName,
}

/// Reads the files `*.json` in `folder` of the machine whose files are below `root`. A file that cannot be read, or is no list,
/// is left out.
#[must_use]
pub fn of_baseline(root: &Path, folder: &Path, baseline: &ObjectName) -> FoundLists {
    let folder = root.join(folder.strip_prefix("/").unwrap_or(folder));
    let mut found = FoundLists::default();
    let mut all = Vec::new();
    for path in files(&folder, &mut found.notes) {
        match read(&path) {
            Ok((head, bytes)) if head.baseline == *baseline => all.push((head, bytes)),
            Ok(_) => {}
            Err(error) => found.notes.push(format!("{} is left out: {error}", path.display())),
        }
    }
    all.sort_by(|(one, _), (other, _)| other.cmp(one));
    if all.len() > MAX_COMPONENT_LISTS {
        let (count, folder) = (all.len(), folder.display());
        let note =
            format!("{folder} has {count} lists for {baseline}: the newest {MAX_COMPONENT_LISTS} are sent");
        found.notes.push(note);
    }
    let newest = all.into_iter().take(MAX_COMPONENT_LISTS).map(|(_, bytes)| bytes);
    found.lists = CarriedLists::new(newest.collect()).unwrap_or_default();
    found
}

/// The names in the folder that are those of lists, sorted. A folder that is missing has none.
fn files(folder: &Path, notes: &mut Vec<String>) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                notes.push(format!("{} is not read: {error}", folder.display()));
            }
            return Vec::new();
        }
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    files
}

fn read(path: &Path) -> io::Result<(Head, SharedBytes)> {
    // Before it is opened: opening a device or a pipe can wait for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let limit = u64::try_from(MAX_COMPONENT_LIST).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_COMPONENT_LIST {
        return Err(io::Error::other(format!("it has more than {MAX_COMPONENT_LIST} bytes")));
    }
    let head = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
    Ok((head, bytes.into()))
}

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::Digest32;

    use super::*;

    fn list(baseline: &str, version: u32, issued_at: u64) -> String {
        format!("{{\"baseline\":{baseline:?},\"version\":{version},\"issued_at\":{issued_at},\"x\":[]}}")
    }

    fn found(root: &Path) -> FoundLists {
        of_baseline(root, Path::new("/usr/lists"), &"prod/image".parse().unwrap())
    }

    #[test]
    fn the_newest_lists_for_the_baseline_are_sent_as_they_are() {
        let root = tempfile::tempdir().unwrap();
        assert!(found(root.path()).lists.is_empty() && found(root.path()).notes.is_empty());
        let folder = root.path().join("usr/lists");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write("other.json", &list("prod/other", 9, 1));
        write("a.txt", &list("prod/image", 9, 1));
        for (name, version, issued_at) in [("a", 3, 9), ("b", 5, 1), ("c", 4, 1), ("d", 5, 2), ("e", 2, 99)] {
            write(&format!("{name}.json"), &list("prod/image", version, issued_at));
        }
        let sent = found(root.path());
        let expected = [(5, 2), (5, 1), (4, 1), (3, 9)]
            .map(|(version, at)| Digest32::of(list("prod/image", version, at).as_bytes()));
        assert_eq!(sent.lists.digests(), expected);
        assert_eq!(sent.notes.len(), 1, "{:?}", sent.notes);
        assert!(sent.notes[0].ends_with("has 5 lists for prod/image: the newest 4 are sent"));
    }

    #[test]
    fn what_is_no_list_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("usr/lists");
        fs::create_dir_all(folder.join("folder.json")).unwrap();
        fs::write(folder.join("long.json"), vec![b' '; MAX_COMPONENT_LIST + 1]).unwrap();
        fs::write(folder.join("other.json"), "{}").unwrap();
        fs::write(folder.join("right.json"), list("prod/image", 1, 1)).unwrap();
        let sent = found(root.path());
        assert_eq!(sent.lists.len(), 1);
        for (note, reason) in
            sent.notes.iter().zip(["it is no file", "more than 65536 bytes", "missing field"])
        {
            assert!(note.contains(reason), "{note}");
        }
        assert_eq!(sent.notes.len(), 3);
    }
}
