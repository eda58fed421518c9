//! `serve-keys`, asked as systemd asks.

use std::io::Read as _;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Instant;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, socket};
use rustix::process::{Uid, geteuid};

use super::unlock::{COMMAND_LINE, Place, VOLUMES};
use super::*;

const SERVICES: &str = "[services.\"app.service\"]\n\"db-password\" = \"prod/app/db-password\"\n";

/// A running server, which ends with this.
struct Keys {
    world: World,
    process: Child,
}

impl Drop for Keys {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Keys {
    fn serve(place: Place, script: Vec<Act>) -> Self {
        let world = World::new(script);
        world.configure(VOLUMES);
        world.configure(SERVICES);
        let mut command = world.booted(place, COMMAND_LINE);
        let socket = world.file("run/keys.sock");
        let process = command.arg("serve-keys").arg("--socket").arg(&socket).spawn().expect("it runs");
        let keys = Self { world, process };
        let deadline = Instant::now() + Duration::from_secs(10);
        // A connection would count as a request.
        while !std::fs::metadata(&socket).is_ok_and(|found| found.permissions().mode() & 0o777 == 0o600) {
            assert!(Instant::now() < deadline, "the server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        keys
    }

    fn socket(&self) -> PathBuf {
        self.world.file("run/keys.sock")
    }

    fn ask(&self, wanted: &str) -> Vec<u8> {
        ask(&self.socket(), Some(wanted))
    }

    /// Asserts that a request is refused, with one more line on the console.
    fn refused(&self, wanted: &str) -> String {
        let before = self.world.console().len();
        let answer = self.ask(wanted);
        assert!(
            answer.len() > 1024 * 1024 + 128 * 1024,
            "systemd takes no credential of {} bytes",
            answer.len()
        );
        let lines = self.world.console();
        assert_eq!(lines.len(), before + 1, "{lines:?}");
        lines.last().expect("a line").clone()
    }

    fn requests(&self) -> usize {
        self.world.broker.lock().requests().len()
    }
}

/// As systemd does it (src/basic/fileio.c, `xfopenat_unix_socket`): binds a name, connects, shuts down its own direction, and reads
/// to the end. The name begins with a random number, `"@%" PRIx64 "/cryptsetup/%s"` in src/cryptsetup/cryptsetup.c and
/// `"@%" PRIx64 "/unit/%s/%s"` in src/core/exec-credential.c.
fn ask(path: &Path, wanted: Option<&str>) -> Vec<u8> {
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).expect("a socket");
    if let Some(wanted) = wanted {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).expect("randomness");
        let name = format!("{:x}/{wanted}", u64::from_ne_bytes(random));
        bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes()).expect("it fits"))
            .expect("a free name");
    }
    connect(&socket, &SocketAddrUnix::new(path).expect("it fits")).expect("the server listens");
    let mut stream = UnixStream::from(socket);
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it ends");
    answer
}

#[test]
fn systemd_cryptsetup_gets_the_keys_of_the_initrd_by_one_request() {
    if !is_root() {
        return;
    }
    let keys = Keys::serve(Place::Initrd, vec![]);
    assert_eq!(keys.ask("cryptsetup/root"), secret_of("prod/db/root"));
    assert_eq!(keys.ask("cryptsetup/var"), secret_of("prod/db/var"));
    assert_eq!(keys.ask("cryptsetup/root"), secret_of("prod/db/root"));
    assert_eq!(keys.requests(), 1);
    let [line] = &keys.world.informed()[..] else { panic!("one line: {:?}", keys.world.informed()) };
    assert!(line.starts_with("vouchsafe-guest: volume root: released, decision "), "{line}");
    let requests = keys.world.broker.lock().requests();
    assert_eq!(requests[0].paths.as_slice().len(), 2);
    assert!(
        keys.refused("cryptsetup/data")
            .contains("volume data: this volume is configured for the stage `system`")
    );
    let line = keys.refused("unit/app.service/db-password");
    assert!(line.ends_with(
        "credential db-password of app.service: credentials are given to services after the initrd only"
    ));
    assert_eq!(keys.requests(), 1);
}

#[test]
fn t31_no_key_of_the_initrd_is_served_after_the_latch() {
    if !is_root() {
        return;
    }
    let keys = Keys::serve(Place::Initrd, vec![]);
    assert_eq!(keys.ask("cryptsetup/root"), secret_of("prod/db/root"));
    wrote(&keys.world.guest(&["latch"]));
    let line = keys.refused("cryptsetup/root");
    assert_eq!(
        line,
        "vouchsafe-guest: volume root: PCR 15 has been extended, by the latch or by something else: \
         keys of the initrd are not given any more in this boot"
    );
    keys.refused("cryptsetup/var");
    assert_eq!(keys.requests(), 1);
    // The same for a server that starts late, whatever a broker would release.
    let late = Keys::serve(Place::Initrd, vec![]);
    wrote(&late.world.guest(&["latch"]));
    assert!(late.refused("cryptsetup/root").contains("PCR 15 has been extended"));
}

#[test]
fn t35_no_key_is_served_when_a_shell_could_open() {
    if !is_root() {
        return;
    }
    let keys = Keys::serve(Place::Initrd, vec![]);
    write(keys.world.file("cmdline"), format!("rescue {COMMAND_LINE}")).unwrap();
    let line = keys.refused("cryptsetup/root");
    assert_eq!(
        line,
        "vouchsafe-guest: volume root: the kernel argument `rescue` can open a shell: boot without it"
    );
    assert_eq!(keys.world.broker.lock().log.len(), 0);
}

#[test]
fn t36_a_refusal_holds_up_the_initrd_once() {
    if !is_root() {
        return;
    }
    let keys =
        Keys::serve(Place::Initrd, vec![act(|asked| Some(problem(&asked.refusal(ReasonCode::NotGranted))))]);
    let mark = keys.world.file("run/recovery");
    assert!(!mark.exists());
    let line = keys.refused("cryptsetup/root");
    assert!(line.starts_with("vouchsafe-guest: volume root: refused (not-granted), decision dd"), "{line}");
    assert!(mark.exists(), "the latch has to know that a passphrase is asked for");
    let line = keys.refused("cryptsetup/var");
    assert!(
        line.ends_with("volume var: the keys of the initrd were requested before, and were refused"),
        "{line}"
    );
    assert_eq!(keys.requests(), 1);
}

#[test]
fn after_the_initrd_each_key_and_credential_is_requested_when_it_is_asked_for() {
    if !is_root() {
        return;
    }
    let keys = Keys::serve(Place::System, vec![]);
    assert_eq!(keys.ask("cryptsetup/data"), secret_of("prod/db/data"));
    for _ in 0..2 {
        assert_eq!(keys.ask("unit/app.service/db-password"), secret_of("prod/app/db-password"));
    }
    assert_eq!(keys.requests(), 3);
    let paths: Vec<_> =
        keys.world.broker.lock().requests().iter().map(|request| request.paths.as_slice().len()).collect();
    assert_eq!(paths, [1, 1, 1]);
    assert!(keys.refused("cryptsetup/root").contains("configured for the stage `initrd`"));
    assert!(keys.refused("unit/app.service/other").contains("no credential of this name for this unit"));
    assert!(
        keys.refused("unit/other.service/db-password").contains("no credential of this name for this unit")
    );
    assert!(keys.refused("cryptsetup/swap").contains("no volume of this name"));
    assert_eq!(keys.requests(), 3);
}

#[test]
fn a_program_without_a_name_gets_nothing() {
    if !is_root() {
        return;
    }
    let keys = Keys::serve(Place::System, vec![]);
    assert!(keys.refused("other/root").contains("names neither a volume nor a credential"));
    assert!(ask(&keys.socket(), None).len() > 1024 * 1024);
    // What is written is random, so nobody can make a volume that it opens.
    assert_ne!(keys.ask("other/root"), keys.ask("other/root"));
    assert_eq!(keys.world.broker.lock().log.len(), 0);
}

#[test]
fn another_user_gets_nothing_even_through_an_open_socket() {
    if !is_root() {
        return;
    }
    let keys = Keys::serve(Place::System, vec![]);
    let path = keys.socket();
    for (path, mode) in
        [(keys.world.directory.path(), 0o711), (path.parent().unwrap(), 0o711), (path.as_path(), 0o666)]
    {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let nobody = Uid::from_raw(65534);
    // The identity of the thread alone changes.
    let answer = thread::spawn(move || {
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        assert_eq!(geteuid(), nobody);
        ask(&path, Some("cryptsetup/data"))
    });
    assert!(answer.join().unwrap().len() > 1024 * 1024);
    assert_eq!(
        keys.world.console(),
        ["vouchsafe-guest: keys: refused, since the program does not run as root"]
    );
    assert_eq!(keys.world.broker.lock().log.len(), 0);
    assert_eq!(keys.ask("cryptsetup/data"), secret_of("prod/db/data"));
}

#[test]
fn a_socket_of_systemd_is_used() {
    if !is_root() {
        return;
    }
    let (keys, path) = serve_for_systemd(World::with_volumes(vec![]));
    assert_eq!(ask(&path, Some("cryptsetup/data")), secret_of("prod/db/data"));
    drop(keys);
}

#[test]
fn who_waits_for_a_server_that_cannot_start_is_refused() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![]);
    world.configure("[nonsense]\n");
    let (mut keys, path) = serve_for_systemd(world);
    assert!(ask(&path, Some("cryptsetup/data")).len() > 1024 * 1024);
    assert_eq!(keys.process.wait().unwrap().code(), Some(2));
    let line = keys.world.console().join(" ");
    assert!(
        line.starts_with("vouchsafe-guest: keys: configuration: ") && line.contains("nonsense"),
        "{line}"
    );
}

/// A server with a socket on which systemd listens, and the socket's path.
fn serve_for_systemd(world: World) -> (Keys, PathBuf) {
    let path = world.file("systemd.sock");
    let listener = UnixListener::bind(&path).expect("it binds");
    // systemd's own end does not block.
    listener.set_nonblocking(true).expect("it is open");
    let inner = world.booted(Place::System, "");
    let mut command = Command::new("sh");
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    command.args(["-c", script]).arg(inner.get_program()).args(inner.get_args());
    let command = command.args(["serve-keys", "--socket", "/nowhere/keys.sock"]);
    let process = command.stdin(Stdio::from(OwnedFd::from(listener))).spawn().expect("it runs");
    (Keys { world, process }, path)
}

#[test]
fn a_socket_that_cannot_be_used_ends_the_server() {
    if !is_root() {
        return;
    }
    let world = World::with_volumes(vec![]);
    let fails = |world: &World, script: &str| {
        let inner = world.booted(Place::System, "");
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(inner.get_program()).args(inner.get_args());
        let output =
            command.args(["serve-keys", "--socket"]).arg(world.file("cmdline/keys.sock")).output().unwrap();
        assert_eq!(failed_with(&output, 14), "");
        world.console().join(" ")
    };
    // The folder is a file.
    let line = fails(&world, "exec \"$0\" \"$@\"");
    assert!(line.contains("vouchsafe-guest: keys: ") && line.contains("cmdline"), "{line}");
    let line = fails(&world, "exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"");
    assert!(line.contains("one listening socket of AF_UNIX is needed"), "{line}");
    let line = fails(&world, "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\"");
    assert!(line.contains("systemd passed 2 descriptors"), "{line}");
}
