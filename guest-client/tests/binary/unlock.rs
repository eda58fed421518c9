//! `unlock`, in an initrd that is made of mounts in a mount namespace: it needs root.

use std::time::Instant;

use super::*;

/// The command line of a boot with dracut.
pub(super) const COMMAND_LINE: &str = "root=/dev/mapper/root ro rd.shell=0 rd.emergency=reboot\n";

pub(super) const VOLUMES: &str = "[volumes.root]\nsecret = \"prod/db/root\"\n[volumes.var]\nsecret = \"prod/db/var\"\n\
                                  [volumes.data]\nsecret = \"prod/db/data\"\nstage = \"system\"\n";

/// Where the program runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Initrd,
    System,
}

impl World {
    /// With volumes in its configuration.
    pub(super) fn with_volumes(script: Vec<Act>) -> Self {
        let world = Self::new(script);
        world.configure(VOLUMES);
        world
    }

    pub(super) fn configure(&self, tables: &str) {
        let config = read_to_string(self.file("guest.toml")).expect("it is there");
        write(self.file("guest.toml"), config + tables).expect("a file");
    }

    /// The program in this place, with the kernel's log and command line in files of this world, and `/run` in a folder.
    pub(super) fn booted(&self, place: Place, command_line: &str) -> Command {
        write(self.file("cmdline"), command_line).expect("a file");
        write(self.file("kmsg"), "").expect("a file");
        std::fs::create_dir_all(self.file("of-run")).expect("a folder");
        let initrd = "mount -t tmpfs none /etc && : >/etc/initrd-release && mount --bind \"$2\" /proc/cmdline || exit 99;";
        let script = format!(
            "mount --bind \"$3\" /dev/kmsg && mount --bind \"$4\" /run || exit 99; {} guest=$0 config=$1; shift 4; exec \"$guest\" --config \"$config\" \"$@\"",
            if place == Place::Initrd { initrd } else { "" }
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_vouchsafe-guest")]);
        let files = ["guest.toml", "cmdline", "kmsg", "of-run"];
        command.args(files.map(|name| self.file(name)));
        command
    }

    fn unlock(&self, place: Place, command_line: &str, volume: &str) -> Output {
        self.booted(place, command_line).args(["unlock", volume]).output().expect("it runs")
    }

    /// Errors that reached the kernel's log.
    pub(super) fn console(&self) -> Vec<String> {
        self.records("<3>")
    }

    /// What else reached it.
    pub(super) fn informed(&self) -> Vec<String> {
        self.records("<6>")
    }

    fn records(&self, priority: &str) -> Vec<String> {
        let records = read_to_string(self.file("kmsg")).expect("it is there");
        assert!(
            records.is_empty() || records.ends_with('\n'),
            "the kernel holds back a record without a newline"
        );
        assert!(records.lines().all(|line| line.starts_with("<3>") || line.starts_with("<6>")), "{records}");
        records.lines().filter_map(|line| line.strip_prefix(priority)).map(ToOwned::to_owned).collect()
    }

    /// Asserts that the command failed with this code, and the only line about it.
    pub(super) fn failed_on_console(&self, output: &Output, code: i32) -> String {
        assert_eq!(failed_with(output, code), "", "nothing but the console gets the line");
        let lines = self.console();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().expect("one line")
    }
}

#[test]
fn unlock_prints_the_key_of_one_volume_and_requests_all() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![]);
    let output = world.unlock(Place::Initrd, COMMAND_LINE, "var");
    assert_eq!(wrote(&output), secret_of("prod/db/var"));
    assert_eq!(world.console(), Vec::<String>::new());
    let [line] = &world.informed()[..] else { panic!("one line: {:?}", world.informed()) };
    let start = format!("vouchsafe-guest: volume var: released, decision {}, in ", "dd".repeat(16));
    assert!(line.starts_with(&start) && line.ends_with(" ms for the broker"), "{line}");
    let requests = world.broker.lock().requests();
    let paths: Vec<_> =
        requests.iter().flat_map(|request| request.paths.as_slice()).map(ToString::to_string).collect();
    assert_eq!(paths, ["prod/db/root", "prod/db/var"]);
}

#[test]
fn t35_unlock_requests_nothing_when_a_shell_could_open() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![]);
    let output = world.unlock(Place::Initrd, "ro rd.shell=0 rd.emergency=reboot init=/bin/sh\n", "root");
    assert_eq!(
        world.failed_on_console(&output, 16),
        "vouchsafe-guest: volume root: the kernel argument `init=/bin/sh` can open a shell: boot without it"
    );
    let line = world.failed_on_console(&world.unlock(Place::Initrd, "ro quiet panic=-1\n", "root"), 16);
    assert!(line.contains("boot with the kernel arguments rd.shell=0 rd.emergency=reboot"), "{line}");
    assert_eq!(world.broker.lock().log.len(), 0);
    // After the initrd the command line is the broker's concern alone.
    assert_eq!(wrote(&world.unlock(Place::System, "ro init=/bin/sh\n", "data")), secret_of("prod/db/data"));
    assert_eq!(world.informed(), Vec::<String>::new());
}

#[test]
fn t36_a_refusal_is_one_line_on_the_console() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![act(|asked| Some(problem(&asked.refusal(ReasonCode::NotGranted))))]);
    let output = world.unlock(Place::Initrd, COMMAND_LINE, "root");
    let decision = "dd".repeat(16);
    assert_eq!(
        world.failed_on_console(&output, 10),
        format!(
            "vouchsafe-guest: volume root: refused (not-granted), decision {decision}; \
             the broker's operator sees why with `vouchsafe explain {decision}`"
        )
    );
}

#[test]
fn t36_a_broker_that_is_away_is_one_line_in_bounded_time() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![]);
    let config = read_to_string(world.file("guest.toml")).unwrap();
    write(world.file("guest.toml"), config.replace("attempts = 2", "attempts = 99\ndeadline = 2")).unwrap();
    world.broker.lock().challenge_script.extend((0..99).map(|_| None));
    let started = Instant::now();
    let output = world.unlock(Place::Initrd, COMMAND_LINE, "root");
    assert!(started.elapsed() < Duration::from_secs(6));
    let line = world.failed_on_console(&output, 11);
    assert!(line.starts_with("vouchsafe-guest: volume root: gave up after "), "{line}");
    assert!(line.ends_with("`vouchsafe-guest doctor` checks the brokers of the configuration"), "{line}");
}

#[test]
fn a_volume_is_unlocked_in_its_stage_only() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![]);
    for (place, volume, expected) in [
        (Place::System, "root", "configured for the stage `initrd`, and this is the stage `system`"),
        (Place::Initrd, "data", "configured for the stage `system`, and this is the stage `initrd`"),
        (Place::Initrd, "swap", "the configuration has no volume of this name"),
    ] {
        let line = world.failed_on_console(&world.unlock(place, COMMAND_LINE, volume), 2);
        assert!(line.starts_with(&format!("vouchsafe-guest: volume {volume}: ")), "{line}");
        assert!(line.contains(expected), "{line}");
    }
    assert_eq!(world.broker.lock().log.len(), 0);
}

#[test]
fn without_a_kernel_log_the_line_goes_to_standard_error() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![]);
    let script = "mount -t tmpfs none /dev || exit 99; exec \"$0\" --config \"$1\" unlock swap";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_vouchsafe-guest")])
        .arg(world.file("guest.toml"))
        .output()
        .unwrap();
    let error = failed_with(&output, 2);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("vouchsafe-guest: volume swap: the configuration has no volume"), "{error}");
}

#[test]
fn t34_a_terminal_gets_no_key() {
    let world = World::with_volumes(vec![]);
    let guest = env!("CARGO_BIN_EXE_vouchsafe-guest");
    let command = format!("{guest} --config {} unlock data", world.file("guest.toml").display());
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .stdin(File::open("/dev/null").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("not for a terminal"), "{output:?}");
    assert_eq!(world.broker.lock().log.len(), 0);
}
