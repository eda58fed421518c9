//! `luks`, with headers that cryptsetup makes. `/run` is a mount of its own, so it needs root.

use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::process::Stdio;

use super::unlock::{COMMAND_LINE, Place};
use super::*;

/// Bytes of the header.
const HEADER: usize = 1 << 20;

impl World {
    /// With encrypted volumes: `root`, which the file `disk` stands for, and `var` without a device.
    fn with_disk() -> Self {
        let world = Self::new(vec![]);
        let disk = world.file("disk");
        File::create(&disk).expect("a file").set_len(2 << 20).expect("room");
        let fast = ["--offset=2048", "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000"];
        let mut cryptsetup = Command::new("cryptsetup")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .args(["luksFormat", "--batch-mode", "--type=luks2", "--key-file=-"])
            .args(fast)
            .arg(&disk)
            .stdin(Stdio::piped())
            // It warns of few key slots.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("scripts/setup installs cryptsetup");
        let key = secret_of("prod/db/root");
        cryptsetup.stdin.take().expect("a pipe").write_all(&key).expect("it reads");
        assert!(cryptsetup.wait().expect("it ends").success());
        let root = format!("[volumes.root]\nsecret = \"prod/db/root\"\ndevice = {disk:?}\n");
        world.configure(&(root + "[volumes.var]\nsecret = \"prod/db/var\"\n"));
        world
    }

    fn in_initrd(&self, arguments: &[&str]) -> Output {
        self.booted(Place::Initrd, COMMAND_LINE).args(arguments).output().expect("it runs")
    }

    fn copy(&self) -> PathBuf {
        self.file("of-run/vouchsafe/root.header")
    }

    /// Changes a byte of the header on the disk.
    fn damage(&self, offset: u64) {
        let disk = File::options().write(true).open(self.file("disk")).expect("it is there");
        disk.write_all_at(b"x", offset).expect("it is written");
    }
}

#[test]
fn t32_the_header_is_copied_for_root_alone() {
    if !is_root() {
        return;
    }
    let world = World::with_disk();
    assert_eq!(wrote(&world.in_initrd(&["luks", "header", "root"])), b"");
    assert_eq!(world.console(), Vec::<String>::new());
    assert!(read(world.copy()).unwrap() == read(world.file("disk")).unwrap()[..HEADER]);
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(world.file("of-run/vouchsafe")), mode(world.copy())), (0o700, 0o600));
    // cryptsetup opens with this copy, whatever is on the disk by then.
    write(world.file("disk"), vec![0; 2 << 20]).unwrap();
    assert_eq!(wrote(&world.in_initrd(&["unlock", "root"])), secret_of("prod/db/root"));
    // The broker gets the digest of the header that is used.
    let request = world.broker.lock().requests().remove(0);
    let headers: Vec<_> = request.headers.iter().map(|(path, digest)| (path.as_str(), *digest)).collect();
    assert_eq!(headers, [("prod/db/root", Digest32::of(&read(world.copy()).unwrap()))]);
    assert_eq!(request.paths.as_slice().len(), 2);
}

#[test]
fn t32_a_refused_header_leaves_no_copy() {
    if !is_root() {
        return;
    }
    let world = World::with_disk();
    wrote(&world.in_initrd(&["luks", "header", "root"]));
    world.damage(5000);
    let line = world.failed_on_console(&world.in_initrd(&["luks", "header", "root"]), 18);
    let expected = "LUKS header refused (checksum): the checksum of the primary copy does not match";
    assert_eq!(line, format!("vouchsafe-guest: volume root: {}: {expected}", world.file("disk").display()));
    assert!(!world.copy().exists());
}

#[test]
fn t32_no_key_is_requested_without_a_copy() {
    if !is_root() {
        return;
    }
    let world = World::with_disk();
    let line = world.failed_on_console(&world.in_initrd(&["unlock", "root"]), 18);
    assert!(
        line.contains("there is no checked copy of its header: /run/vouchsafe/root.header: No such file"),
        "{line}"
    );
    assert!(line.ends_with("`vouchsafe-guest luks header` makes one"), "{line}");
    assert_eq!(world.broker.lock().log.len(), 0);
    // A copy that was changed is none.
    wrote(&world.in_initrd(&["luks", "header", "root"]));
    File::options().write(true).open(world.copy()).unwrap().write_all_at(b"x", 5000).unwrap();
    let line = world.failed_on_console(&world.in_initrd(&["unlock", "root"]), 18);
    assert!(line.contains("LUKS header refused (checksum)"), "{line}");
    assert_eq!(world.broker.lock().log.len(), 0);
    // The other volume does not wait for it, and its request leaves the key of this one out.
    assert_eq!(wrote(&world.in_initrd(&["unlock", "var"])), secret_of("prod/db/var"));
    let requests = world.broker.lock().requests();
    let paths: Vec<_> = requests.iter().flat_map(|request| request.paths.as_slice()).collect();
    assert_eq!(paths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["prod/db/var"]);
}

#[test]
fn a_device_that_does_not_appear_is_waited_for() {
    if !is_root() {
        return;
    }
    let world = World::with_disk();
    std::fs::rename(world.file("disk"), world.file("later")).unwrap();
    let (from, to) = (world.file("later"), world.file("disk"));
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        std::fs::rename(from, to).unwrap();
    });
    wrote(&world.in_initrd(&["luks", "header", "root", "--wait", "20"]));
    late.join().unwrap();
    let line = world.failed_on_console(&world.in_initrd(&["luks", "header", "nowhere"]), 2);
    assert!(line.ends_with("the configuration has no volume of this name: add [volumes.NAME]"), "{line}");
    let line = world.failed_on_console(&world.in_initrd(&["luks", "header", "var"]), 2);
    assert!(line.contains("the configuration has no device for this volume"), "{line}");
}

#[test]
fn scripts_get_the_device_of_a_volume() {
    let world = World::new(vec![]);
    world.configure("[volumes.root]\nsecret = \"prod/db/root\"\ndevice = \"/dev/disk/by-uuid/1\"\n");
    assert_eq!(wrote(&world.guest(&["luks", "device", "root"])), b"/dev/disk/by-uuid/1\n");
    failed_with(&world.guest(&["luks", "device", "other"]), 2);
    let config = read_to_string(world.file("guest.toml")).unwrap();
    write(world.file("guest.toml"), config.replace("/dev/disk/", "disk/")).unwrap();
    let error = failed_with(&world.guest(&["luks", "device", "root"]), 2);
    assert!(
        error.contains("`volumes.root` has the device disk/by-uuid/1: name it by its full path"),
        "{error}"
    );
}
