//! `latch`, against a software TPM.

use std::os::unix::process::ExitStatusExt as _;

use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use vouchsafe_protocol::{Digest32, LATCH_WORD, RECOVERY_WORD};

use super::unlock::Place;
use super::*;

impl World {
    fn pcr_15(&self) -> Digest32 {
        let value = self.machine.swtpm.read_pcr(HashingAlgorithm::Sha256, 15).expect("a TPM");
        Digest32(value.expect("an active bank").try_into().expect("32 bytes"))
    }

    /// The program in the system, with the kernel's log in a file.
    fn latch(&self, options: &[&str]) -> Output {
        self.booted(Place::System, "").arg("latch").args(options).output().expect("it runs")
    }
}

fn extend(value: &Digest32, digest: &Digest32) -> Digest32 {
    Digest32::of_parts(&[value.as_bytes(), digest.as_bytes()])
}

fn word() -> Digest32 {
    Digest32::of(LATCH_WORD.as_bytes())
}

#[test]
fn t31_the_latch_is_closed_once_in_every_bank() {
    let world = World::new(vec![]);
    assert_eq!(world.pcr_15(), Digest32([0; 32]));
    for _ in 0..2 {
        assert_eq!(wrote(&world.guest(&["latch", "--or-halt"])), b"");
        assert_eq!(
            world.pcr_15().to_string(),
            "a22f616c9fc58175110b4c854555c0f6cc70521cccbd0a1b6bab6ab361fa769c"
        );
    }
    let log = read_to_string(world.machine.userspace_log()).unwrap();
    assert_eq!(log.matches(LATCH_WORD).count(), 1, "{log}");
    let mut active = 0;
    for (bank, algorithm) in [
        (HashingAlgorithm::Sha1, &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY),
        (HashingAlgorithm::Sha256, &aws_lc_rs::digest::SHA256),
        (HashingAlgorithm::Sha384, &aws_lc_rs::digest::SHA384),
        (HashingAlgorithm::Sha512, &aws_lc_rs::digest::SHA512),
    ] {
        let Some(value) = world.machine.swtpm.read_pcr(bank, 15).unwrap() else { continue };
        let hash = |bytes: &[u8]| aws_lc_rs::digest::digest(algorithm, bytes).as_ref().to_vec();
        let word = hash(LATCH_WORD.as_bytes());
        assert_eq!(value, hash(&[vec![0; word.len()], word].concat()));
        active += 1;
    }
    assert!(active > 1, "swtpm has several banks");
}

#[test]
fn t31_a_latch_that_came_first_is_not_closed_again() {
    let world = World::new(vec![]);
    wrote(&world.guest(&["latch"]));
    // As systemd does it: extended, and logged.
    world.machine.swtpm.extend(15, &[7; 32]).unwrap();
    let entry = format!(
        "\u{1e}{{\"pcr\":15,\"digests\":[{{\"hashAlg\":\"sha256\",\"digest\":\"{}\"}}],\"content_type\":\"systemd\"}}\n",
        Digest32([7; 32])
    );
    let log = read_to_string(world.machine.userspace_log()).unwrap();
    write(world.machine.userspace_log(), log + &entry).unwrap();
    let before = world.pcr_15();
    wrote(&world.guest(&["latch"]));
    assert_eq!(world.pcr_15(), before);
}

#[test]
fn t31_a_late_latch_is_closed_and_said_to_be_late() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    world.machine.swtpm.extend(15, &[7; 32]).unwrap();
    let before = world.pcr_15();
    assert_eq!(wrote(&world.latch(&["--or-halt"])), b"");
    assert_eq!(world.pcr_15(), extend(&before, &word()));
    assert_eq!(
        world.console(),
        [
            "vouchsafe-guest: latch: closed, but something else had been extended into PCR 15 before: this boot counts as `booted`"
        ]
    );
}

#[test]
fn t31_a_log_that_cannot_be_written_does_not_keep_the_latch_open() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    std::fs::create_dir(world.machine.userspace_log()).unwrap();
    assert_eq!(wrote(&world.latch(&["--or-halt"])), b"");
    assert_eq!(world.pcr_15(), extend(&Digest32([0; 32]), &word()));
    let lines = world.console();
    assert!(
        lines.len() == 1 && lines[0].contains("latch: closed, but systemd's measurement log"),
        "{lines:?}"
    );
}

impl World {
    /// Without the TPM.
    fn without_tpm(self) -> Self {
        let config = read_to_string(self.file("guest.toml")).expect("it is there");
        let address = self.machine.swtpm.address().to_string();
        write(self.file("guest.toml"), config.replace(&address, "/nowhere/tpm")).expect("a file");
        self
    }
}

const FAILED: &str = "vouchsafe-guest: latch: /nowhere/tpm: No such file or directory (os error 2); \
                      the latch is open, and the keys of the initrd could be requested again";

#[test]
fn t31_a_latch_that_stays_open_is_an_error() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]).without_tpm();
    assert_eq!(failed_with(&world.latch(&[]), 17), "");
    assert_eq!(world.console(), [FAILED]);
}

/// In a PID namespace of its own, power-off ends the namespace with SIGINT: `reboot(2)`.
#[test]
fn t31_a_latch_that_stays_open_powers_the_machine_off() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]).without_tpm();
    let inner = world.booted(Place::System, "");
    let output = Command::new("unshare")
        .args(["--pid", "--fork"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .args(["latch", "--or-halt"])
        .output()
        .unwrap();
    assert_eq!((output.status.signal(), output.status.code()), (Some(2), None), "{output:?}");
    assert_eq!(world.console(), [format!("{FAILED}; powering off")]);
}

#[test]
fn t31_a_system_that_was_not_unlocked_by_attestation_does_not_count_as_latched() {
    let recovered = extend(&Digest32([0; 32]), &Digest32::of(RECOVERY_WORD.as_bytes()));
    let world = World::new(vec![]);
    assert_eq!(wrote(&world.latch(&["--or-halt", "--root", "/nowhere"])), b"");
    assert_eq!(world.pcr_15(), recovered);
    assert_eq!(
        world.console(),
        [
            "vouchsafe-guest: latch: no file system is mounted at /nowhere: this boot counts as `booted`, and secrets for the phase \
             `latched` are not released"
        ]
    );
    // Nothing makes it count later.
    assert_eq!(wrote(&world.latch(&["--or-halt"])), b"");
    assert_eq!(world.pcr_15(), recovered);

    let failed = World::new(vec![]);
    assert_eq!(wrote(&failed.latch(&["--or-halt", "--recovery"])), b"");
    assert_eq!((failed.pcr_15(), failed.console().len()), (recovered, 0));
}

#[test]
fn t31_a_broken_configuration_does_not_keep_the_latch_open() {
    if !is_root() {
        return;
    }
    // With the defaults there is no TPM here: the machine's own must not be extended by a test.
    let world = World::new(vec![]);
    write(world.file("guest.toml"), "brokers = 7").unwrap();
    let script = "mount -t tmpfs none /dev || exit 99; exec \"$0\" --config \"$1\" latch";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
        .arg(world.file("guest.toml"))
        .output()
        .unwrap();
    let error = failed_with(&output, 17);
    assert!(error.contains("no TPM: neither /dev/tpmrm0 nor /dev/tpm0 exists"), "{error}");
}
