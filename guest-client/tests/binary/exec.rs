//! Commands that run as another user, and files that they and their children read. Most of these tests need
//! root.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use super::*;

/// Runs `script` in a shell that gets the secret `prod/key` in the file `$KEY`.
fn exec(world: &World, options: &[&str], script: &str) -> Output {
    world.guest(&[&["exec"], options, &["--", "sh", "-c", script]].concat())
}

/// Version of the running kernel.
fn kernel() -> (u32, u32) {
    let release = read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    numbers.next().zip(numbers.next()).expect("two numbers")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(wrote(output)).into_owned()
}

/// Asserts that no mount of the program is visible outside, and that nothing is left in `/run/vouchsafe`.
fn assert_nothing_outside() {
    let mounts = read_to_string("/proc/self/mountinfo").expect("/proc");
    assert!(!mounts.contains("/run/vouchsafe"), "{mounts}");
    assert_eq!(std::fs::read_dir("/run/vouchsafe").expect("the folder").count(), 0);
}

#[test]
fn t34_files_of_the_private_tmpfs_are_the_commands_alone() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let script = "cat \"$KEY\"; echo; stat -c '%a %u:%g' \"$KEY\" \"${KEY%/*}\"; ls \"${KEY%/*}\"; echo \"$KEY\"; \
                  exec 3<&- 4<&-; sh -c 'cat \"$KEY\"; exit 7'";
    let output = exec(&world, &["--tmpfs", "KEY=prod/key"], script);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(7), ""), "{output:?}");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<_> = shown.lines().collect();
    let [first, file, folder, listed, path, child] = lines[..] else { panic!("{lines:?}") };
    assert_eq!([first, child], ["secret of prod/key"; 2]);
    assert_eq!([file, folder, listed], ["400 0:0", "700 0:0", "KEY"]);
    assert!(path.starts_with("/run/vouchsafe/") && !Path::new(path).exists(), "{path}");
    assert_nothing_outside();
}

#[test]
fn the_tmpfs_is_gone_with_the_last_process_however_that_ends() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let script = "echo \"$KEY\"; exec sleep 60";
    let mut child = program()
        .arg("--config")
        .arg(world.file("guest.toml"))
        .args(["exec", "--tmpfs", "KEY=prod/key", "--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut path = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut path).unwrap();
    let inside = format!("/proc/{}/root{}", child.id(), path.trim());
    let mounts = read_to_string(format!("/proc/{}/mounts", child.id())).unwrap();
    let folder = Path::new(path.trim()).parent().unwrap().display();
    let mount =
        mounts.lines().find(|line| line.contains(&format!(" {folder} tmpfs "))).expect("it is mounted");
    assert!(
        ["nosuid", "nodev", "noexec", "mode=700"].into_iter().all(|option| mount.contains(option)),
        "{mount}"
    );
    assert_eq!(mount.contains("noswap"), kernel() >= (6, 4), "{mount}");
    assert_eq!(read(&inside).unwrap(), secret_of("prod/key"));
    assert!(!Path::new(path.trim()).exists());
    assert_nothing_outside();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!Path::new(&inside).exists());
    assert_nothing_outside();
}

#[test]
fn signals_and_the_exit_status_are_the_commands_own() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let mut child = program()
        .arg("--config")
        .arg(world.file("guest.toml"))
        .args(["exec", "--tmpfs", "KEY=prod/key", "--user", "54321:54321", "--", "sh", "-c"])
        .arg("trap 'exit 9' TERM; echo $$; while :; do sleep 0.05; done")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut own = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut own).unwrap();
    assert_eq!(own.trim(), child.id().to_string());
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn t34_a_command_of_another_user_has_its_files_and_nothing_of_roots() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let script = "id -u; id -g; id -G; grep -E '^(Uid|Gid|CapEff|CapPrm):' /proc/self/status | tr '\\t' ' '; \
                  cat \"$KEY\" \"$MEMORY\"; echo; stat -Lc '%a %u:%g' \"$KEY\" \"$MEMORY\"; \
                  cat /proc/1/environ 2>/dev/null && echo READ; exit 0";
    let options = ["--tmpfs", "KEY=prod/key", "--file", "MEMORY=prod/memory", "--user", "54321:54322"];
    let shown = text(&exec(&world, &options, script));
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(
        lines,
        [
            "54321",
            "54322",
            "54322",
            "Uid: 54321 54321 54321 54321",
            "Gid: 54322 54322 54322 54322",
            "CapPrm: 0000000000000000",
            "CapEff: 0000000000000000",
            "secret of prod/keysecret of prod/memory",
            "400 54321:54322",
            "400 54321:54322",
        ]
    );
}

#[test]
fn a_user_by_name_has_its_groups_and_its_home() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let script = "id -un; id -gn; printf '%s %s %s\\n' \"$HOME\" \"$USER\" \"$LOGNAME\"; cat \"$KEY\"";
    let shown = text(&exec(&world, &["--file", "KEY=prod/key", "--user", "nobody"], script));
    let home = "/nonexistent";
    assert_eq!(shown, format!("nobody\nnogroup\n{home} nobody nobody\nsecret of prod/key"));
}

#[test]
fn a_command_below_a_command_has_both_files() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let script = format!(
        "\"{}\" --config \"{}\" exec --tmpfs INNER=prod/inner --user 54321:54321 -- \
         sh -c 'cat \"$INNER\"; cat \"$KEY\" 2>&1 | grep -o Permission; id -u'; cat \"$KEY\"",
        env!("CARGO_BIN_EXE_vouchsafe-guest"),
        world.file("guest.toml").display()
    );
    let shown = text(&exec(&world, &["--tmpfs", "KEY=prod/key"], &script));
    assert_eq!(shown, "secret of prod/innerPermission\n54321\nsecret of prod/key");
    assert_nothing_outside();
}

#[test]
fn missing_privileges_are_detected_before_any_request() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    let stranger = |options: &[&str]| {
        Command::new("setpriv")
            .args(["--reuid", "54321", "--regid", "54321", "--clear-groups"])
            .arg(env!("CARGO_BIN_EXE_vouchsafe-guest"))
            .args([&["exec"], options, &["--", "true"]].concat())
            .output()
            .unwrap()
    };
    let error = failed_with(&stranger(&["--tmpfs", "KEY=prod/key"]), 14);
    assert!(error.contains("a private tmpfs needs root"), "{error}");
    let error = failed_with(&stranger(&["--env", "KEY=prod/key", "--user", "0"]), 14);
    assert!(error.contains("only root can run a command as another user"), "{error}");
    failed_with(&world.guest(&["exec", "--env", "A=n/a", "--user", "no-such-user", "--", "true"]), 2);
    assert_eq!(world.broker.lock().log.len(), 0);
}

#[test]
fn t34_capabilities_that_survive_a_change_of_user_are_refused() {
    if !is_root() {
        return;
    }
    let world = World::new(vec![]);
    // Secure bits with which the kernel keeps root's capabilities.
    let output = Command::new("setpriv")
        .args(["--securebits", "+no_setuid_fixup"])
        .arg(env!("CARGO_BIN_EXE_vouchsafe-guest"))
        .arg("--config")
        .arg(world.file("guest.toml"))
        .args(["exec", "--env", "KEY=prod/key", "--user", "54321:54321", "--", "echo", "started"])
        .output()
        .unwrap();
    let error = failed_with(&output, 14);
    assert!(error.contains("the set of capabilities is not what it should be"), "{error}");
}
