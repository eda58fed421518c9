//! The disk is full.

use std::fs::{self, DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use vouchsafe_attestation::test_util::ca::AkCertificateSpec;
use vouchsafe_attestation::test_util::vm::{Kinds, SimulatedVm};
use vouchsafe_protocol::ReasonCode;

use super::{PATH, VALUE, line, readiness, refusal, until};
use crate::world::{World, boot, command_line, simulated, text};

/// A small disk in a folder; both go with this.
struct Disk(PathBuf);

impl Disk {
    /// `None` where mounts are not allowed.
    fn mounted_at(path: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            let _ = writeln!(std::io::stderr(), "skipped: mounts need root");
            return None;
        }
        DirBuilder::new().mode(0o700).create(path).unwrap();
        let options = "size=16m,mode=0700";
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none", text(path)]).status();
        assert!(mounted.unwrap().success());
        Some(Self(path.to_owned()))
    }

    /// Fills it until so many KiB are free.
    fn fill(&self, left: u64) {
        let stat = rustix::fs::statvfs(&self.0).unwrap();
        let free = stat.f_bavail * stat.f_frsize;
        let mut file = File::options().create(true).append(true).open(self.ballast()).unwrap();
        let zeros = vec![0; usize::try_from(free.saturating_sub(left * 1024)).unwrap()];
        // The broker writes at the same time: the last page may be taken.
        let _full = file.write_all(&zeros);
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _gone = Command::new("umount").args(["--lazy", text(&self.0)]).status();
        if let Some(folder) = self.0.parent() {
            let _gone = fs::remove_dir_all(folder);
        }
    }
}

/// Grants on record.
fn on_record(world: &World) -> usize {
    let listed = world.json(&["decisions", "list", "--outcome", "granted", "--limit", "1000"]);
    listed["records"].as_array().or(listed.as_array()).unwrap_or_else(|| panic!("{listed}")).len()
}

#[test]
fn a_full_disk_is_announced_before_releases_fail_and_nothing_leaves_unrecorded() {
    let folder = TempDir::new().unwrap();
    let Some(disk) = Disk::mounted_at(&folder.path().join("data")) else { return };
    // Three guests here ask more often than VMs do, each time over a new connection.
    let limits = "[limits]\nfree_disk = 4\nprobe = 1\nreleases_per_instance = 100000\nconnections_per_minute = 100000\n\
                  requests_per_minute = 100000\n";
    let world = World::within(folder, limits);
    world.policy("prod/app", &["--for", "app", "--command-line", &command_line()]);
    world.put(PATH, "prod/app", VALUE);
    until("the broker is ready", || readiness(&world).0.then_some(()));

    // First look: /readyz and the log, while releases still succeed.
    disk.fill(3 * 1024);
    until("the broker is unready", || (!readiness(&world).0).then_some(()));
    assert_eq!(readiness(&world).1, ["disk-almost-full"]);
    let first = line(&world.broker, "broker.not_ready", "disk-almost-full");
    let step = "free disk space before releases fail: the broker then goes on by itself";
    assert_eq!(first["message"], step, "{first}");
    assert_eq!(world.value(&simulated(), PATH), VALUE);

    // Nobody came; now it is full, under load.
    let (ending, granted) = (AtomicBool::new(false), AtomicUsize::new(1));
    let ask = |id: u64| {
        let spec = AkCertificateSpec { instance_id: id, ..AkCertificateSpec::default() };
        let vm = SimulatedVm::booted(&spec, &boot());
        let mut refused = Vec::new();
        while !ending.load(Ordering::Relaxed) {
            let asked = world.request(&vm, Kinds::VTPM, &[PATH]);
            let reply = world.send(&asked);
            if reply.status == 200 {
                assert_eq!(reply.open(&asked)[0].secret.expose(), VALUE);
                granted.fetch_add(1, Ordering::Relaxed);
            } else {
                refused.push(refusal(&reply));
            }
        }
        refused
    };
    let refused = thread::scope(|scope| {
        let guests: Vec<_> = (1..4).map(|id| scope.spawn(move || ask(id))).collect();
        for _ in 0..60 {
            disk.fill(0);
            thread::sleep(Duration::from_millis(50));
        }
        let ((ready, reasons), put) =
            (readiness(&world), ["secret", "put", "prod/late", "--policy", "prod/app", "--from", "-"]);
        let put = world.broker.operator(&put, &[b'7'; 4096]).unwrap();
        ending.store(true, Ordering::Relaxed);
        assert!(!ready && reasons.contains(&"storage-failed".to_owned()), "{reasons:?}");
        let said = String::from_utf8(put.stderr).unwrap();
        assert!(
            said.contains("disk is full: look at the broker's log, and at /readyz (unavailable)"),
            "{said}"
        );
        guests.into_iter().flat_map(|guest| guest.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(refused.len() > 3, "{refused:?}");
    assert!(refused.iter().all(|code| *code == ReasonCode::Unavailable), "{refused:?}");

    // Space again: the broker recovers by itself.
    fs::remove_file(disk.ballast()).unwrap();
    assert_eq!(world.value(&simulated(), PATH), VALUE);
    until("the broker is ready", || readiness(&world).0.then_some(()));
    let released = granted.load(Ordering::Relaxed) + 1;
    assert_eq!(on_record(&world), released, "all that was released, and nothing else");
    let stored = world.run(&["secret", "list"]);
    assert!(stored.contains(PATH) && !stored.contains("prod/late"), "{stored}");
}
