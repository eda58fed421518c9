//! Secrets and evidence in files.

use std::fs::{self, Permissions, create_dir, metadata, read_dir, set_permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::*;

/// `vouchsafe-guest` in a shell after `before`; its arguments start with `$0 --config $1`, the folder of the
/// test is `$2`.
fn shell(world: &World, before: &str, arguments: &str) -> Output {
    let script = format!("{before} exec \"$0\" --config \"$1\" {arguments}");
    Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
        .args([world.file("guest.toml"), world.directory.path().to_owned()])
        .output()
        .expect("a shell")
}

/// An empty folder for output.
fn folder(world: &World) -> PathBuf {
    let folder = world.file("out");
    create_dir(&folder).expect("a folder");
    folder
}

fn count(folder: &Path) -> usize {
    read_dir(folder).expect("a folder").count()
}

#[test]
fn t34_a_file_is_its_owners_only_whatever_the_umask() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let file = folder(&world).join("token");
    for umask in ["000", "777", "022"] {
        let before = format!("umask {umask}; ");
        assert_eq!(wrote(&shell(&world, &before, "fetch prod/key --output \"$2/out/token\"")), b"");
        assert_eq!(read(&file).unwrap(), secret_of("prod/key"));
        assert_eq!(metadata(&file).unwrap().mode() & 0o7777, 0o600, "umask {umask}");
    }
    assert_eq!(count(file.parent().unwrap()), 1);
    let path = file.to_str().unwrap();
    wrote(&world.guest(&["fetch", "prod/key", "-o", path, "--mode", "0440", "--owner", "54321:54322"]));
    let found = metadata(&file).unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o440, 54321, 54322));
    for mode in ["0644", "0777", "4600", "x"] {
        failed_with(&world.guest(&["fetch", "prod/key", "-o", path, "--mode", mode]), 2);
    }
    let error = failed_with(&world.guest(&["fetch", "prod/key", "-o", path, "--owner", "no-such-user"]), 2);
    assert!(error.contains("no-such-user"), "{error}");
    failed_with(&world.guest(&["fetch", "prod/key", "--owner", "0"]), 2);
}

#[test]
fn several_secrets_come_in_a_file_each_or_in_one_of_json() {
    let world = World::new(vec![]);
    let folder = folder(&world);
    let [one, other] = ["one", "other"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    wrote(&world.guest(&["fetch", "prod/b", "prod/a", "--output", &one, "--output", &other]));
    assert_eq!((read(&one).unwrap(), read(&other).unwrap()), (secret_of("prod/b"), secret_of("prod/a")));
    assert_eq!(world.broker.lock().requests().len(), 1);
    wrote(&world.guest(&["fetch", "--json", "prod/b", "prod/a", "--output", &one]));
    let json: serde_json::Value = serde_json::from_slice(&read(&one).unwrap()).unwrap();
    assert_eq!(json["secrets"][0]["path"], "prod/a");
    let asked = world.broker.lock().log.len();
    let twice = format!("{}/../out/one", folder.display());
    for wrong in [
        &["fetch", "prod/b", "prod/a", "-o", &one][..],
        &["fetch", "prod/b", "-o", &one, "-o", &other],
        &["fetch", "--json", "prod/b", "prod/a", "-o", &one, "-o", &other],
        &["fetch", "prod/b", "prod/a", "-o", &one, "-o", &twice],
        &["fetch", "prod/b", "-o", &one, "--fd", "3"],
    ] {
        failed_with(&world.guest(wrong), 2);
    }
    assert_eq!(world.broker.lock().log.len(), asked);
}

#[test]
fn t34_a_folder_of_another_user_is_refused_before_any_request() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let folder = folder(&world);
    let (file, victim) = (folder.join("token"), folder.join("victim"));
    write(&victim, "untouched").unwrap();
    let fetch = || failed_with(&world.guest(&["fetch", "prod/key", "-o", file.to_str().unwrap()]), 14);
    symlink(&victim, &file).unwrap();
    assert!(fetch().contains("is a symbolic link"));
    fs::remove_file(&file).unwrap();
    write(&file, "planted").unwrap();
    std::os::unix::fs::chown(&file, Some(54321), None).unwrap();
    assert!(fetch().contains("belongs to user 54321"));
    fs::remove_file(&file).unwrap();
    set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    assert!(fetch().contains("others may change this folder (owner 0, mode 0777)"));
    set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    assert!(
        failed_with(&world.guest(&["fetch", "prod/key", "-o", "/nowhere/token"]), 14).contains("/nowhere")
    );
    assert_eq!((world.broker.lock().log.len(), count(&folder)), (0, 1));
    assert_eq!(read(&victim).unwrap(), b"untouched");
}

#[test]
fn a_refused_file_leaves_the_old_one() {
    let refused = || act(|asked| Some(problem(&asked.refusal(ReasonCode::NotGranted))));
    let world = World::new(vec![refused(), refused()]);
    let folder = folder(&world);
    let file = folder.join("token");
    let fetch = ["fetch", "prod/key", "-o", file.to_str().unwrap()];
    failed_with(&world.guest(&fetch), 10);
    assert_eq!(count(&folder), 0);
    write(&file, "old").unwrap();
    failed_with(&world.guest(&fetch), 10);
    assert_eq!((read(&file).unwrap(), count(&folder)), (b"old".to_vec(), 1));
}

#[test]
fn a_program_that_is_killed_while_it_waits_leaves_nothing() {
    let world = World::new(vec![]);
    let folder = folder(&world);
    world.broker.lock().challenge_script.extend((0..99).map(|_| None));
    let mut child = program()
        .arg("--config")
        .arg(world.file("guest.toml"))
        .args(["fetch", "prod/key", "-o", folder.join("token").to_str().unwrap()])
        .spawn()
        .unwrap();
    let asked = || !world.broker.lock().log.is_empty();
    for _ in 0..500 {
        if asked() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(asked());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(count(&folder), 0);
}

/// A full tmpfs of one page: the file can be made, but its content cannot be written.
#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    folder(&world);
    let script = "mount -t tmpfs -o size=4k,mode=0755 none \"$2/out\" || exit 99; printf old > \"$2/out/token\"; \
                  \"$0\" --config \"$1\" fetch prod/key --output \"$2/out/token\"; echo \"$?\"; \
                  cat \"$2/out/token\"; ls -A \"$2/out\" | wc -l; exit 0; true";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
        .args([world.file("guest.toml"), world.directory.path().to_owned()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "14\nold1\n");
    assert!(stderr(&output).contains("No space left on device"), "{output:?}");
    assert_eq!(world.broker.lock().requests().len(), 1);
}

#[test]
fn stdout_that_others_may_read_causes_a_warning() {
    let world = World::new(vec![]);
    let output = shell(&world, "umask 022; ", "fetch prod/key > \"$2/token\"");
    assert!(output.status.success());
    assert!(stderr(&output).contains("others may read (mode 0644); --output"), "{output:?}");
    assert_eq!(read(world.file("token")).unwrap(), secret_of("prod/key"));
    assert_eq!(wrote(&shell(&world, "umask 077; ", "fetch prod/key > \"$2/private\"")), b"");
}

#[test]
fn t34_evidence_follows_no_link_and_is_its_owners_only() {
    let world = World::new(vec![]);
    let folder = folder(&world);
    let (file, victim) = (folder.join("vm.json"), folder.join("victim"));
    write(&victim, "untouched").unwrap();
    symlink(&victim, &file).unwrap();
    let evidence = ["evidence", "-o", file.to_str().unwrap()];
    assert!(failed_with(&world.guest(&evidence), 14).contains("is a symbolic link"));
    assert_eq!(read(&victim).unwrap(), b"untouched");
    fs::remove_file(&file).unwrap();
    write(&file, "old").unwrap();
    set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    assert!(world.guest(&evidence).status.success());
    assert_eq!(metadata(&file).unwrap().mode() & 0o7777, 0o600);
    assert!(serde_json::from_slice::<Evidence>(&read(&file).unwrap()).unwrap().vtpm.is_some());
    assert_eq!(count(&folder), 2);
}

/// Core dumps are already disabled by then, which also changes who may use the process's `/proc`.
#[test]
fn t34_a_user_without_privileges_writes_its_own_files() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let folder = folder(&world);
    std::os::unix::fs::chown(&folder, Some(54321), Some(54321)).unwrap();
    for directory in [world.directory.path(), world.machine.directory.path()] {
        set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
    }
    let fetch = |file: &Path, options: &[&str]| {
        Command::new("setpriv")
            .args(["--reuid", "54321", "--regid", "54321", "--clear-groups"])
            .arg(env!("CARGO_BIN_EXE_vouchsafe-guest"))
            .arg("--config")
            .arg(world.file("guest.toml"))
            .args(["fetch", "prod/key", "-o", file.to_str().unwrap()])
            .args(options)
            .output()
            .unwrap()
    };
    let file = folder.join("token");
    let output = fetch(&file, &[]);
    assert!(output.status.success(), "{output:?}");
    let found = metadata(&file).unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o600, 54321));
    assert_eq!(read(&file).unwrap(), secret_of("prod/key"));
    let error = failed_with(&fetch(&file, &["--owner", "54322:54322"]), 14);
    assert!(error.contains("only root may make files for another user"), "{error}");
    let error = failed_with(&fetch(&world.file("token"), &[]), 14);
    assert!(error.contains("Permission denied"), "{error}");
    assert_eq!((count(&folder), world.broker.lock().requests().len()), (1, 1));
}
