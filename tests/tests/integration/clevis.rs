//! The Clevis pin with the real Clevis: LUKS2 volumes in files, a real broker, a TPM in software.
//!
//! There may be no device mapper here, so a volume is not opened: `clevis luks pass` decrypts as `clevis luks unlock`
//! does, and `cryptsetup --test-passphrase` says whether the volume would open. Needs root for mounts.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_tests::broker::{program, run_with_input, success};
use vouchsafe_tests::vm::Vm;

use crate::world::World;

/// A VM with a LUKS2 volume, whose passphrase is `recovery`.
struct Machine {
    world: World,
    _vm: Vm,
    folder: PathBuf,
}

/// Where Clevis runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    System,
    /// An initrd of dracut, as far as the guest can tell.
    Initrd,
}

impl Machine {
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            let _ = writeln!(std::io::stderr(), "skipped: mounts need root");
            return None;
        }
        let world = World::start();
        for path in ["prod/db/data", "prod/db/root"] {
            world.put(path, "prod/app", path.as_bytes());
        }
        let (vm, config) = world.vm("vm", AkAlgorithm::Ecc);
        let volumes = "[limits]\nattempts = 1\n[volumes.data]\nsecret = \"prod/db/data\"\nstage = \"system\"\n\
                       [volumes.root]\nsecret = \"prod/db/root\"\n";
        fs::write(&config, fs::read_to_string(&config).unwrap() + volumes).unwrap();
        let folder = world.folder().join("machine");
        fs::create_dir_all(folder.join("bin")).unwrap();
        let machine = Self { world, _vm: vm, folder };
        let script = format!(
            "#!/bin/sh\nexec {} --config {} \"$@\"\n",
            program("vouchsafe-guest").unwrap().display(),
            config.display()
        );
        let guest = machine.file("bin/vouchsafe-guest");
        fs::write(&guest, script).unwrap();
        fs::set_permissions(&guest, fs::Permissions::from_mode(0o755)).unwrap();
        machine.format();
        Some(machine)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn volume(&self) -> String {
        self.file("disk").display().to_string()
    }

    fn format(&self) {
        fs::File::create(self.file("disk")).unwrap().set_len(20 << 20).unwrap();
        let mut format = Command::new("cryptsetup");
        format.args(["luksFormat", "--type", "luks2", "--batch-mode", "--key-file", "-"]);
        format.args(["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", &self.volume()]);
        success(run_with_input(format, b"recovery").unwrap()).unwrap();
    }

    /// Runs a command with the pin in its path and this machine's kernel log.
    fn run(&self, place: Place, command: &[&str], input: &[u8]) -> Output {
        let initrd = "mount -t tmpfs none /etc && : >/etc/initrd-release && mount --bind \"$1\" /proc/cmdline || exit 99;";
        let script = format!(
            "mount --bind \"$0\" /dev/kmsg && mount --bind \"$2\" /run || exit 99; {} shift 2; exec \"$@\"",
            if place == Place::Initrd { initrd } else { "" }
        );
        fs::write(self.file("kmsg"), "").unwrap();
        fs::write(self.file("cmdline"), "ro rd.shell=0 rd.emergency=reboot\n").unwrap();
        fs::create_dir_all(self.file("run")).unwrap();
        let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/clevis");
        let path = format!("{}:{}:/usr/sbin:/usr/bin:/sbin:/bin", self.file("bin").display(), pins.display());
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "sh", "-c", &script]);
        inside.args([self.file("kmsg"), self.file("cmdline"), self.file("run")]).args(command);
        run_with_input(
            {
                inside.env("PATH", path);
                inside
            },
            input,
        )
        .unwrap()
    }

    /// Binds the volume, with its passphrase.
    fn bind(&self, pin: &str) -> Output {
        let volume = self.volume();
        self.run(
            Place::System,
            &["clevis", "luks", "bind", "-y", "-k", "-", "-d", &volume, "vouchsafe", pin],
            b"recovery",
        )
    }

    /// What Clevis would unlock the volume with.
    fn pass(&self, place: Place) -> Output {
        self.run(place, &["clevis", "luks", "pass", "-d", &self.volume(), "-s", "1"], b"")
    }

    /// Whether a passphrase opens the volume.
    fn opens(&self, passphrase: &[u8]) -> bool {
        let mut test = Command::new("cryptsetup");
        test.args(["open", "--test-passphrase", "--key-file", "-", &self.volume()]);
        run_with_input(test, passphrase).unwrap().status.success()
    }

    /// The JWE in the volume's header.
    fn token(&self) -> Value {
        let mut export = Command::new("cryptsetup");
        export.args(["token", "export", "--token-id", "0", &self.volume()]);
        serde_json::from_slice(&success(run_with_input(export, b"").unwrap()).unwrap()).unwrap()
    }

    /// Changes the JWE in the header, as the host can.
    fn set_token(&self, token: &Value) {
        let run = |arguments: &[&str], input: &[u8]| {
            let mut command = Command::new("cryptsetup");
            command.arg("token").args(arguments).arg(self.volume());
            success(run_with_input(command, input).unwrap()).unwrap();
        };
        run(&["remove", "--token-id", "0"], b"");
        run(&["import", "--token-id", "0"], token.to_string().as_bytes());
    }

    /// Lines on the console.
    fn console(&self) -> Vec<String> {
        fs::read_to_string(self.file("kmsg")).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    /// The requests that the broker decided.
    fn decisions(&self) -> usize {
        let log = self.world.broker.read_log();
        log.lines().filter(|line| line.contains("\"decision\"") || line.contains("decision.id")).count()
    }
}

/// Asserts that Clevis got nothing.
fn got_nothing(output: &Output) {
    assert!(!output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

fn header(token: &Value) -> String {
    let header = token["jwe"]["protected"].as_str().unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

#[test]
fn clevis_binds_a_volume_and_unlocks_it() {
    let Some(machine) = Machine::new() else { return };
    success(machine.bind(r#"{"volume":"data"}"#)).unwrap();
    let token = machine.token();
    assert_eq!(
        header(&token),
        r#"{"alg":"dir","clevis":{"pin":"vouchsafe","vouchsafe":{"volume":"data"}},"enc":"A256GCM"}"#
    );
    let passphrase = success(machine.pass(Place::System)).unwrap();
    assert!(machine.opens(&passphrase));
    assert!(!token.to_string().contains(&String::from_utf8(passphrase).unwrap()));
    assert_eq!(machine.console(), Vec::<String>::new());
}

#[test]
fn t36_a_refusal_is_one_line_and_clevis_gets_nothing() {
    let Some(machine) = Machine::new() else { return };
    success(machine.bind(r#"{"volume":"data"}"#)).unwrap();
    machine.world.run(&["secret", "retire", "prod/db/data"]);
    got_nothing(&machine.pass(Place::System));
    let console = machine.console();
    let [line] = console.as_slice() else { panic!("{console:?}") };
    assert!(line.starts_with("<3>vouchsafe-guest: volume data: refused (not-granted), decision "), "{line}");
}

#[test]
fn t32_a_changed_header_of_the_volume_decides_nothing() {
    let Some(machine) = Machine::new() else { return };
    success(machine.bind(r#"{"volume":"data"}"#)).unwrap();
    let before = machine.decisions();
    assert!(before > 0, "requests are counted");
    let known = header(&machine.token());
    for (from, to, line) in [
        ("\"data\"", "\"other\"", "volume other: the configuration has no volume of this name"),
        ("\"data\"", "\"root\"", "volume root: this volume is configured for the stage `initrd`"),
        (
            "{\"volume\"",
            "{\"secret\":\"prod/db/root\",\"volume\"",
            "clevis: Clevis: the protected header is not one",
        ),
    ] {
        let mut token = machine.token();
        token["jwe"]["protected"] = URL_SAFE_NO_PAD.encode(known.replace(from, to)).into();
        machine.set_token(&token);
        got_nothing(&machine.pass(Place::System));
        let console = machine.console();
        assert_eq!(console.len(), 1, "{console:?}");
        assert!(console[0].starts_with(&format!("<3>vouchsafe-guest: {line}")), "{console:?}");
    }
    assert_eq!(machine.decisions(), before, "nothing was requested");
}

#[test]
fn t36_in_an_initrd_a_failure_is_the_last_request() {
    let Some(machine) = Machine::new() else { return };
    fs::write(machine.file("key"), "prod/db/root").unwrap();
    let pin = format!(r#"{{"volume":"root","key_file":{:?}}}"#, machine.file("key"));
    success(machine.bind(&pin)).unwrap();
    assert!(!header(&machine.token()).contains("key_file"));
    got_nothing(&machine.pass(Place::System));
    assert!(machine.opens(&success(machine.pass(Place::Initrd)).unwrap()));
    assert!(machine.opens(&success(machine.pass(Place::Initrd)).unwrap()), "as often as it succeeds");

    machine.world.run(&["secret", "retire", "prod/db/root"]);
    got_nothing(&machine.pass(Place::Initrd));
    assert_eq!(machine.console().len(), 1, "{:?}", machine.console());
    let before = machine.decisions();
    assert!(before > 0, "requests are counted");
    machine.world.run(&["secret", "restore", "prod/db/root"]);
    got_nothing(&machine.pass(Place::Initrd));
    assert_eq!(machine.console(), Vec::<String>::new());
    assert_eq!(machine.decisions(), before, "nothing was requested");
}
