//! Files of the machine by the names that firmware and GRUB have for them. Each is read once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use vouchsafe_protocol::Digest32;
use vouchsafe_reference_values::BootLog;

use super::error::UpdateError;

/// The files of a machine.
pub(super) struct Files {
    root: PathBuf,
    read: RefCell<BTreeMap<PathBuf, Rc<Content>>>,
    /// The folder in which the files of one of GRUB's devices were found by their digests.
    folders: BTreeMap<String, BTreeSet<PathBuf>>,
}

/// A file's bytes and their digest.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest32,
}

impl Files {
    /// The files below `root`. The log says which of GRUB's devices is mounted where.
    pub(super) fn new(root: &Path, log: &BootLog<'_>) -> Self {
        let mut files = Self { root: root.to_owned(), read: RefCell::default(), folders: BTreeMap::new() };
        for event in &log.events {
            let Some((device, path)) = event.file().and_then(split_device) else { continue };
            for (folder, file) in places(root, path) {
                if files.read(&file).is_ok_and(|content| content.digest == event.digest) {
                    files.folders.entry(device.to_owned()).or_default().insert(PathBuf::from(folder));
                }
            }
        }
        files
    }

    /// Reads a file by its full path.
    pub(super) fn read(&self, path: &Path) -> Result<Rc<Content>, UpdateError> {
        if let Some(content) = self.read.borrow().get(path) {
            return Ok(Rc::clone(content));
        }
        let failed = |source| UpdateError::Read { path: self.shown(path), source };
        // Before it is opened: opening a device or a pipe can wait for ever.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(failed(std::io::ErrorKind::InvalidInput.into()));
        }
        let file = File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
            return Err(UpdateError::TooLarge { path: self.shown(path) });
        }
        let content = Rc::new(Content { digest: Digest32::of(&bytes), bytes });
        self.read.borrow_mut().insert(path.to_owned(), Rc::clone(&content));
        Ok(content)
    }

    /// The path of a file in the machine, as its user knows it.
    pub(super) fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest))
    }

    /// A path of the machine.
    pub(super) fn below(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The file that GRUB calls so, such as `(hd0,gpt16)/grub/grub.cfg` or `/vmlinuz-6.1.0-1`.
    ///
    /// # Errors
    /// If there is none, or if it may be one of several that differ.
    pub(super) fn of_grub(&self, name: &str) -> Result<PathBuf, UpdateError> {
        let missing = || UpdateError::NotFound { name: name.to_owned() };
        let (device, path) = split_device(name).ok_or_else(missing)?;
        let exist: Vec<(&str, PathBuf)> =
            places(&self.root, path).filter(|(_, place)| place.is_file()).collect();
        let known = self.folders.get(device);
        let in_known =
            |(folder, _): &(&str, PathBuf)| known.is_some_and(|known| known.contains(Path::new(folder)));
        let is_any_known = exist.iter().any(in_known);
        let chosen = exist.into_iter().filter(|place| !is_any_known || in_known(place));
        let paths: Vec<PathBuf> = chosen.map(|(_, place)| place).collect();
        let (first, others) = paths.split_first().ok_or_else(missing)?;
        for other in others {
            if self.read(other)?.digest != self.read(first)?.digest {
                return Err(UpdateError::Ambiguous {
                    name: name.to_owned(),
                    one: self.shown(first),
                    other: self.shown(other),
                });
            }
        }
        Ok(first.clone())
    }

    /// The file in the EFI system partition that the firmware calls so, such as `\EFI\debian\shimx64.efi`. Capitals do not
    /// matter there.
    pub(super) fn of_firmware(&self, name: &str) -> Result<PathBuf, UpdateError> {
        let found = ESP_FOLDERS.into_iter().find_map(|folder| {
            let mut place = self.root.join(folder);
            for part in name.split(['\\', '/']).filter(|part| !part.is_empty()) {
                place = fs::read_dir(&place)
                    .ok()?
                    .flatten()
                    .map(|entry| entry.path())
                    .find(|path| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(part)))?;
            }
            place.is_file().then_some(place)
        });
        found.ok_or_else(|| UpdateError::NotFound { name: name.to_owned() })
    }

    /// Names of the files in a folder, in the order of versions.
    pub(super) fn names(&self, folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_by_key(|name| version_key(name));
        names
    }
}

/// Where the file with this path on one of GRUB's devices may be, with the folder in which the device is mounted. The names
/// in a log are not measured, so the host chooses them: below `/` only files at the top and folders of the boot are read.
fn places<'p>(root: &'p Path, path: &'p str) -> impl Iterator<Item = (&'static str, PathBuf)> + 'p {
    let of_boot = path.split_once('/').is_none_or(|(top, _)| BOOT_FOLDERS.contains(&top));
    let folders = FOLDERS.into_iter().filter(move |folder| of_boot || !folder.is_empty());
    folders.map(move |folder| (folder, root.join(folder).join(path)))
}

/// Device and path of a name in GRUB's form; the device is empty for one on `$root`.
pub(super) fn split_device(name: &str) -> Option<(&str, &str)> {
    let (device, path) = match name.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?,
        None => ("", name),
    };
    let path = path.strip_prefix('/')?;
    let plain = path.split('/').all(|part| part != "..");
    (plain && !path.is_empty()).then_some((device, path.trim_start_matches('/')))
}

/// Numbers in a name count as numbers: 6.1.0-9 is before 6.1.0-10.
fn version_key(name: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (text, next) = after.split_at(end);
        parts.push((number.parse().unwrap_or_default(), text.to_owned()));
        rest = next;
    }
    parts
}

/// Where file systems that GRUB reads are mounted.
const FOLDERS: [&str; 4] = ["", "boot", "boot/efi", "efi"];
/// Folders that a boot loader reads, at the top of a file system.
const BOOT_FOLDERS: [&str; 6] = ["boot", "efi", "EFI", "grub", "grub2", "loader"];
/// Where the EFI system partition is mounted.
const ESP_FOLDERS: [&str; 3] = ["boot/efi", "efi", "boot"];
/// Largest file that is read; unified kernel images contain whole initrds.
const MAX_FILE: u64 = 512 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_host_chooses_lead_to_folders_of_the_boot_only() {
        let of =
            |path: &'static str| places(Path::new("/"), path).map(|(_, place)| place).collect::<Vec<_>>();
        for elsewhere in ["proc/kmsg", "etc/shadow", "dev/watchdog", "run/x"] {
            let below_boot = ["boot", "boot/efi", "efi"];
            assert_eq!(of(elsewhere), below_boot.map(|folder| Path::new("/").join(folder).join(elsewhere)));
        }
        assert!(of("boot/vmlinuz").contains(&PathBuf::from("/boot/vmlinuz")));
        assert!(of("vmlinuz").contains(&PathBuf::from("/vmlinuz")));
    }

    #[test]
    fn names_of_grub_have_a_device_or_not() {
        assert_eq!(split_device("(hd0,gpt1)/a/b"), Some(("hd0,gpt1", "a/b")));
        assert_eq!(split_device("/vmlinuz"), Some(("", "vmlinuz")));
        assert_eq!(
            split_device("(hd0,gpt2)/loader/entries//a.conf"),
            Some(("hd0,gpt2", "loader/entries//a.conf"))
        );
        assert_eq!(split_device("(hd0,gpt1)/../etc/shadow"), None);
        assert_eq!(split_device("vmlinuz"), None);
        assert_eq!(split_device("(hd0"), None);
        assert_eq!(split_device("/"), None);
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let mut names = ["vmlinuz-6.1.0-10-amd64", "vmlinuz-6.1.0-9-amd64", "vmlinuz-6.12.0-1-amd64"];
        names.sort_by_key(|name| version_key(name));
        assert_eq!(names, ["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-10-amd64", "vmlinuz-6.12.0-1-amd64"]);
    }
}
