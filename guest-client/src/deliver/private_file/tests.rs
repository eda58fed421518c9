#[path = "../../../tests/support/root.rs"]
mod root;

use std::fs::{self, read, read_dir};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

use root::is_root;
use tempfile::TempDir;

use super::*;

const STRANGER: u32 = 54321;

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

fn open(path: &Path) -> Result<Destination, FileError> {
    Destination::open(path, Permissions::OWNER, None, Folder::Trusted)
}

/// Another user's folder, and one of ours.
fn theirs_and_real(folder: &TempDir) -> (PathBuf, PathBuf) {
    let (theirs, real) = (folder.path().join("theirs"), folder.path().join("real"));
    fs::create_dir(&theirs).unwrap();
    fs::create_dir(&real).unwrap();
    chown(&theirs, Some(STRANGER), None).unwrap();
    (theirs, real)
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn permissions_give_others_nothing() {
    for (text, mode) in [("0400", 0o400), ("600", 0o600), ("0640", 0o640), ("660", 0o660)] {
        assert_eq!(text.parse::<Permissions>(), Ok(Permissions(mode)));
    }
    for text in ["0644", "0604", "0700", "04600", "0200", "0", "", "9", "+600", "-600", "0o600", "rw"] {
        assert_eq!(text.parse::<Permissions>(), Err(PermissionsError), "{text}");
    }
}

#[test]
fn a_file_is_replaced_as_a_whole_and_an_open_one_is_not_changed() {
    let folder = folder();
    let path = folder.path().join("token");
    let destination = open(&path).unwrap();
    assert_eq!(names(&folder), Vec::<String>::new());
    destination.write(b"one").unwrap();
    // A hard link to the old file does not get the content of the new one.
    fs::hard_link(&path, folder.path().join("link")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    destination.write(b"two").unwrap();
    assert_eq!(
        (read(&path).unwrap(), read(folder.path().join("link")).unwrap()),
        (b"two".to_vec(), b"one".to_vec())
    );
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(names(&folder), ["link", "token"]);
}

#[test]
fn a_staged_file_that_is_dropped_leaves_nothing() {
    let folder = folder();
    let path = folder.path().join("token");
    fs::write(&path, "old").unwrap();
    let destination = open(&path).unwrap();
    let untouched =
        || assert_eq!((names(&folder), read(&path).unwrap()), (vec!["token".to_owned()], b"old".to_vec()));
    // Not even a temporary name, so nothing is left if the program is killed.
    let staged = destination.stage(b"new").unwrap();
    untouched();
    drop(staged);
    untouched();
    let named = destination.create_named().unwrap();
    assert_eq!(names(&folder).len(), 2);
    drop(named);
    untouched();
}

/// As on file systems that require names.
#[test]
fn a_temporary_name_serves_where_a_file_needs_one() {
    let folder = folder();
    let path = folder.path().join("token");
    let destination = open(&path).unwrap();
    let staged = destination.create_named().unwrap();
    rustix::io::write(&staged.file, b"content").unwrap();
    staged.commit().unwrap();
    assert_eq!((names(&folder), read(&path).unwrap()), (vec!["token".to_owned()], b"content".to_vec()));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn t34_a_planted_link_is_refused_before_and_after_there_is_something_to_write() {
    let folder = folder();
    let (path, victim) = (folder.path().join("token"), folder.path().join("victim"));
    fs::write(&victim, "untouched").unwrap();
    let destination = open(&path).unwrap();
    symlink(&victim, &path).unwrap();
    assert!(matches!(destination.write(b"secret"), Err(FileError::Link { .. })));
    assert!(matches!(open(&path), Err(FileError::Link { path: found }) if found == path));
    fs::remove_file(&path).unwrap();
    symlink(folder.path().join("nowhere"), &path).unwrap();
    assert!(matches!(open(&path), Err(FileError::Link { .. })));
    assert_eq!(
        (read(&victim).unwrap(), names(&folder)),
        (b"untouched".to_vec(), vec!["token".to_owned(), "victim".to_owned()])
    );
}

#[test]
fn only_regular_files_are_replaced() {
    let folder = folder();
    let path = folder.path().join("pipe");
    rustix::fs::mkfifoat(CWD, &path, Mode::from_raw_mode(0o600)).unwrap();
    assert!(matches!(open(&path), Err(FileError::NotRegular { path: found }) if found == path));
    assert!(matches!(open(folder.path()), Err(FileError::NotRegular { .. })));
    for text in ["/", "..", "/tmp/", "/tmp/x/"] {
        assert!(matches!(open(Path::new(text)), Err(FileError::NoName { .. })), "{text}");
    }
    assert!(matches!(open(&folder.path().join("pipe/x")), Err(FileError::Io { .. })));
    assert!(matches!(open(&folder.path().join("no/x")), Err(FileError::Io { .. })));
}

#[test]
fn a_file_of_another_user_is_not_replaced() {
    if !is_root() {
        return;
    }
    let folder = folder();
    let path = folder.path().join("token");
    fs::write(&path, "planted").unwrap();
    chown(&path, Some(STRANGER), None).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, FileError::ForeignOwner { user: STRANGER, .. }), "{error}");
    assert_eq!((read(&path).unwrap(), names(&folder)), (b"planted".to_vec(), vec!["token".to_owned()]));
    // It may belong to its new owner: the second time.
    let owner = Some(Owner { user: STRANGER, group: STRANGER + 1 });
    Destination::open(&path, "0400".parse().unwrap(), owner, Folder::Trusted)
        .unwrap()
        .write(b"secret")
        .unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (STRANGER, STRANGER + 1, 0o400));
    assert_eq!(read(&path).unwrap(), b"secret");
}

#[test]
fn a_folder_that_others_can_write_is_refused_wherever_it_is_on_the_way() {
    let folder = folder();
    let (outer, inner) = (folder.path().join("outer"), folder.path().join("outer/inner"));
    fs::create_dir_all(&inner).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(&inner.join("token")).unwrap();
    for (path, bits) in [(&inner, 0o777), (&inner, 0o770), (&outer, 0o757), (&outer, 0o775)] {
        mode(path, bits);
        let error = open(&inner.join("token")).unwrap_err();
        assert!(
            matches!(&error, FileError::SharedDirectory { path: found, mode, .. } if found == path && *mode == bits),
            "{error}"
        );
        mode(path, 0o755);
    }
    // In a sticky folder others can make files, but not replace ours.
    mode(&outer, 0o1777);
    open(&inner.join("token")).unwrap().write(b"secret").unwrap();
}

#[test]
fn t34_a_folder_or_link_of_a_stranger_is_refused() {
    if !is_root() {
        return;
    }
    let folder = folder();
    let (theirs, real) = theirs_and_real(&folder);
    let error = open(&theirs.join("token")).unwrap_err();
    assert!(matches!(error, FileError::SharedDirectory { user: STRANGER, .. }), "{error}");
    // The owner of the file may own the folder, but links there are not followed: they could lead to any
    // folder of root.
    let owner = Some(Owner { user: STRANGER, group: STRANGER });
    let for_them = |path: &Path| Destination::open(path, Permissions::OWNER, owner, Folder::Trusted);
    for_them(&theirs.join("token")).unwrap().write(b"secret").unwrap();
    symlink(&real, theirs.join("link")).unwrap();
    let error = for_them(&theirs.join("link/token")).unwrap_err();
    assert!(matches!(error, FileError::ForeignLink { user: STRANGER, .. }), "{error}");
    let link = folder.path().join("link");
    symlink(&real, &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(STRANGER), None).unwrap();
    let error = for_them(&link.join("token")).unwrap_err();
    assert!(matches!(error, FileError::ForeignLink { user: STRANGER, .. }), "{error}");
    assert_eq!(read_dir(&real).unwrap().count(), 0);
}

#[test]
fn links_of_root_and_relative_paths_lead_where_they_say() {
    let folder = folder();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    symlink("a/../a/b", folder.path().join("relative")).unwrap();
    symlink(folder.path().join("a"), folder.path().join("absolute")).unwrap();
    open(&folder.path().join("relative/one")).unwrap().write(b"1").unwrap();
    open(&folder.path().join("absolute/b/../two")).unwrap().write(b"2").unwrap();
    assert_eq!(read(folder.path().join("a/b/one")).unwrap(), b"1");
    assert_eq!(read(folder.path().join("a/two")).unwrap(), b"2");
    symlink("loop", folder.path().join("loop")).unwrap();
    let error = open(&folder.path().join("loop/x")).unwrap_err();
    assert!(matches!(&error, FileError::Io { source, .. } if source.raw_os_error() == Some(40)), "{error}");
}

/// Root writes a capture into a user's home: safely, though its owner can replace it.
#[test]
fn a_folder_of_another_user_is_accepted_for_captures() {
    if !is_root() {
        return;
    }
    let folder = folder();
    let (theirs, real) = theirs_and_real(&folder);
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o775)).unwrap();
    let anywhere = |path: &Path| Destination::open(path, Permissions::OWNER, None, Folder::Any);
    let file = theirs.join("vm.json");
    fs::write(&file, "older").unwrap();
    chown(&file, Some(STRANGER), None).unwrap();
    anywhere(&file).unwrap().write(b"evidence").unwrap();
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (rustix::process::geteuid().as_raw(), 0o600));
    // Links are not followed: not as the file, not on the way, and not one of root's in a folder that others
    // can change.
    symlink(real.join("victim"), theirs.join("link.json")).unwrap();
    assert!(matches!(anywhere(&theirs.join("link.json")), Err(FileError::Link { .. })));
    symlink(&real, theirs.join("link")).unwrap();
    assert!(matches!(anywhere(&theirs.join("link/x")), Err(FileError::ForeignLink { user: STRANGER, .. })));
    chown(&theirs, Some(0), None).unwrap();
    assert!(matches!(anywhere(&theirs.join("link/x")), Err(FileError::ForeignLink { user: 0, .. })));
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o755)).unwrap();
    anywhere(&theirs.join("link/x")).unwrap();
    assert_eq!(read_dir(&real).unwrap().count(), 0);
}
