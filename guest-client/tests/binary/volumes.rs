//! `luks format`, `enroll`, `status` and `recover`, with cryptsetup and a file as the device.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use super::unlock::Place;
use super::*;

const KEY: &[u8] = b"\0the broker's key\n\xff, 32 bytes of it";

impl World {
    /// With an empty device of a volume `data`.
    pub(super) fn with_empty_disk() -> Self {
        let world = Self::new(vec![]);
        File::create(world.file("disk")).expect("a file").set_len(18 << 20).expect("room");
        let disk = world.file("disk");
        world.configure(&format!(
            "[volumes.data]\nsecret = \"prod/db/data\"\ndevice = {disk:?}\nstage = \"system\"\n"
        ));
        world
    }

    /// A command of `luks` with this input.
    pub(super) fn luks(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.booted(Place::System, "");
        command.arg("luks").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        // It may end without having read its input.
        drop(child.stdin.take().expect("a pipe").write_all(input));
        child.wait_with_output().expect("it ends")
    }

    /// A code that was printed, and nothing else on standard output.
    pub(super) fn code(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.luks(arguments, input);
        assert!(output.status.success(), "{output:?}");
        assert!(stderr(&output).contains("the recovery code, which is not shown again"), "{output:?}");
        let code =
            String::from_utf8(output.stdout).expect("a text").strip_suffix('\n').expect("a line").to_owned();
        assert_eq!((code.len(), code.split('-').count()), (39, 8), "{code}");
        code
    }

    /// Whether cryptsetup opens the device with a key.
    fn opens(&self, key: &[u8]) -> bool {
        write(self.file("key"), key).expect("a file");
        let mut cryptsetup = Command::new("cryptsetup");
        cryptsetup.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let status = cryptsetup.args(["open", "--test-passphrase", "--key-file"]).arg(self.file("key"));
        status.arg(self.file("disk")).stderr(Stdio::null()).status().expect("it runs").success()
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(wrote(&self.luks(&["status", "data"], b""))).into_owned()
    }

    /// Nothing of a draft stays behind.
    fn assert_tidy(&self) {
        let left = std::fs::read_dir(self.file("of-run/vouchsafe")).expect("it is there");
        assert_eq!(left.count(), 0);
    }
}

#[test]
fn a_formatted_volume_opens_with_the_brokers_key_and_the_code() {
    if !is_root() {
        return;
    }
    let world = World::with_empty_disk();
    let code = world.code(&["format", "data", "--key", "-"], KEY);
    assert!(world.opens(KEY) && world.opens(code.as_bytes()) && !world.opens(b"another"));
    world.assert_tidy();
    let status = world.shown();
    for line in [
        "data      aes-xts-plain64, 512 bits, sectors of 4096 bytes, from byte 16777216\n",
        "slot 0    pbkdf2, 1000 iterations\n",
        "slot 1    argon2id, 65536 KiB, 4 passes\n",
        "copy      none: /run/vouchsafe/data.header: No such file",
    ] {
        assert!(status.contains(line), "{status}");
    }
    let digest = Digest32::of(&read(world.file("disk")).unwrap()[..16 << 20]);
    assert!(status.contains(&format!("digest    {digest}\n")), "{status}");
    wrote(&world.luks(&["header", "data"], b""));
    assert!(world.shown().ends_with("copy      of this header\n"));
}

#[test]
fn a_device_with_content_is_not_formatted_by_mistake() {
    if !is_root() {
        return;
    }
    let world = World::with_empty_disk();
    let mut content = vec![0; 18 << 20];
    content[(16 << 20) - 1] = 1;
    write(world.file("disk"), &content).unwrap();
    let error = failed_with(&world.luks(&["format", "data", "--key", "-"], KEY), 2);
    assert!(error.contains("disk: not empty; --erase formats it all the same"), "{error}");
    assert!(read(world.file("disk")).unwrap() == content);
    world.code(&["format", "data", "--erase", "--key", "-"], KEY);
    assert!(world.opens(KEY));
    // Too small: nothing is written.
    write(world.file("disk"), vec![0; 1 << 20]).unwrap();
    let error = failed_with(&world.luks(&["format", "data", "--key", "-"], KEY), 18);
    assert!(error.contains("too small for a LUKS2 header"), "{error}");
    let error = failed_with(&world.luks(&["format", "data", "--key", "-"], b""), 18);
    assert!(error.contains("too small"), "{error}");
}

#[test]
fn the_broker_is_asked_for_the_key_of_a_new_volume() {
    if !is_root() {
        return;
    }
    let world = World::with_empty_disk();
    world.code(&["format", "data"], b"");
    assert!(world.opens(&secret_of("prod/db/data")));
}

#[test]
fn a_volume_with_a_passphrase_is_enrolled() {
    if !is_root() {
        return;
    }
    let world = World::with_empty_disk();
    world.code(&["format", "data", "--key", "-"], b"a passphrase");
    let before = read(world.file("disk")).unwrap();
    let error = failed_with(&world.luks(&["enroll", "data"], b"another passphrase\n"), 19);
    assert!(error.contains("it opens no key slot of the volume"), "{error}");
    assert!(read(world.file("disk")).unwrap() == before);
    assert_eq!(wrote(&world.luks(&["enroll", "data"], b"a passphrase\n")), b"");
    assert!(world.opens(&secret_of("prod/db/data")) && world.opens(b"a passphrase"));
    assert!(world.shown().contains("slot 2    pbkdf2, 1000 iterations\n"));
    // Once more changes nothing, and asks nothing.
    let before = read(world.file("disk")).unwrap();
    let output = world.luks(&["enroll", "data"], b"");
    assert!(stderr(&output).contains("the broker's key opens this volume already"), "{output:?}");
    assert!(output.status.success() && read(world.file("disk")).unwrap() == before);
    let code = world.code(&["enroll", "data", "--recovery"], b"");
    assert!(world.opens(code.as_bytes()));
    world.assert_tidy();
}

#[test]
fn a_recovery_code_is_replaced() {
    if !is_root() {
        return;
    }
    let world = World::with_empty_disk();
    let old = world.code(&["format", "data", "--key", "-"], KEY);
    // As a person types it.
    let typed = format!(" {} \n", old.to_uppercase().replace('-', " "));
    let new = world.code(&["recover", "data", "--rotate"], typed.as_bytes());
    assert!(world.opens(new.as_bytes()) && world.opens(KEY) && !world.opens(old.as_bytes()));
    let error = failed_with(&world.luks(&["recover", "data", "--rotate"], old.as_bytes()), 19);
    assert!(error.contains("it opens no key slot"), "{error}");
    let error = failed_with(&world.luks(&["recover", "data"], b"0123-4567"), 19);
    assert!(error.contains("a recovery code has 32 characters in groups of 4, and this has 8"), "{error}");
    world.assert_tidy();
}

#[test]
fn key_scripts_get_a_typed_code_in_its_one_form() {
    if !is_root() {
        return;
    }
    let world = World::with_empty_disk();
    let code = "0123-4567-89ab-cdef-ghjk-mnpq-rstv-58te";
    let typed = |text: &str| wrote(&world.luks(&["typed"], text.as_bytes())).to_vec();
    assert_eq!(typed(&code.to_uppercase().replace('-', "")), code.as_bytes());
    for other in ["a passphrase", " two words ", "0123-4567", "pässword"] {
        assert_eq!(typed(other), other.as_bytes());
    }
    assert_eq!(world.console(), Vec::<String>::new());
    let wrong = code.replace('m', "n");
    assert_eq!(typed(&wrong), wrong.as_bytes());
    let expected =
        "vouchsafe-guest: recovery code: the checksum does not match: there is a typing error somewhere";
    assert_eq!(world.console(), [expected]);
}

#[test]
fn t32_no_code_is_asked_for_before_the_header_is_checked() {
    if !is_root() {
        return;
    }
    let world = World::with_empty_disk();
    let code = world.code(&["format", "data", "--key", "-"], KEY);
    let mut disk = read(world.file("disk")).unwrap();
    disk[5000] ^= 1;
    write(world.file("disk"), &disk).unwrap();
    for command in
        [&["recover", "data"][..], &["recover", "data", "--rotate"], &["enroll", "data"], &["status", "data"]]
    {
        let error = failed_with(&world.luks(command, code.as_bytes()), 18);
        assert!(error.contains("LUKS header refused (checksum)"), "{error}");
    }
    assert_eq!(world.broker.lock().log.len(), 0);
}

#[test]
fn t34_cryptsetup_gets_keys_as_descriptors_alone() {
    if !is_root() {
        return;
    }
    let world = World::with_empty_disk();
    let log = world.file("seen");
    let real = ["/usr/sbin/cryptsetup", "/sbin/cryptsetup"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists());
    let real = real.expect("scripts/setup installs cryptsetup");
    std::fs::copy(&real, world.file("cryptsetup")).unwrap();
    let script = format!(
        "#!/bin/sh\n{{ tr '\\0' ' ' </proc/$$/cmdline; env; }} >>{log:?}\nexec {:?} \"$@\"\n",
        world.file("cryptsetup")
    );
    write(world.file("spy"), script).unwrap();
    set_permissions(world.file("spy"), PermissionsExt::from_mode(0o755)).unwrap();
    let spied = "mount --bind \"$1\" \"$2\" || exit 99; shift 2; exec \"$@\"";
    let inner = world.booted(Place::System, "");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", spied, "sh"]).arg(world.file("spy")).arg(&real);
    command.arg(inner.get_program()).args(inner.get_args());
    let output = command.args(["luks", "format", "data"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let seen = read_to_string(log).unwrap();
    let code = String::from_utf8(output.stdout).unwrap();
    assert!(
        seen.contains("luksFormat") && seen.contains("luksAddKey") && seen.contains("/proc/self/fd/"),
        "{seen}"
    );
    assert!(!seen.contains("secret of") && !seen.contains(code.trim()), "{seen}");
}
