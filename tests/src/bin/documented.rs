//! Runs the commands of README.md and docs/*.md, in order, exactly as written. docs/gce.md starts with a new
//! machine: `documented gce` runs it, without an argument all other pages are run.
//!
//! It changes mounts and network for itself, so it is started as `unshare --mount --net --propagation private
//! documented`: only loopback exists, the broker's names are loopback, and /etc, /run and /var/lib are
//! private copies. One machine is both the broker's and the VM; a software TPM with a simulated boot replaces
//! the VM's own, and its CA is an extra trust anchor of the broker.

#![expect(clippy::print_stdout, reason = "what ran is printed, for whoever reads a failure")]

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use vouchsafe_attestation::Technology;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec, FakeGoogle};
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_protocol::UnixTime;
use vouchsafe_reference_values::test_util::ImageBuilder;
use vouchsafe_tests::broker::{program, success};
use vouchsafe_tests::documents::{self, DocumentedCommand};
use vouchsafe_tests::vm::Vm;
use vouchsafe_tests::{clock, pem};

/// Commands that are not run here, with the reason. An entry applies to every command that starts with it.
const NOT_RUN: &[(&str, &str)] = &[
    ("./justw demo", "has a test of its own, and would build inside a test"),
    ("./justw test", "is what runs this"),
    ("./justw release", "builds for release for minutes; the programs of the build under test stand in"),
    (
        "sudo install ",
        "installs the programs of the release build; those of the build under test are in PATH",
    ),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the root of the source")?;
    let mut commands = commands(root)?;
    let unused =
        NOT_RUN.iter().find(|(start, _)| !commands.iter().any(|command| command.text.starts_with(start)));
    ensure!(unused.is_none(), "no document has the command {unused:?}: take it out of the table");
    let from_scratch = std::env::args().nth(1).is_some_and(|page| page == "gce");
    commands.retain(|command| (command.document == FROM_SCRATCH) == from_scratch);
    let mut machine = Machine::new()?;
    for command in &commands {
        let place = format!("{}:{}: {}", command.document, command.line, command.text);
        if let Some((_, why)) = NOT_RUN.iter().find(|(start, _)| command.text.starts_with(start)) {
            println!("not run  {place}: {why}");
            continue;
        }
        machine.run(command).with_context(|| place.clone())?;
        println!("ok       {place}");
    }
    Ok(())
}

/// All commands, README.md first.
fn commands(root: &Path) -> anyhow::Result<Vec<DocumentedCommand>> {
    let mut files: Vec<PathBuf> = match fs::read_dir(root.join("docs")) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => Vec::new(),
    };
    files.retain(|path| path.extension().is_some_and(|end| end == "md"));
    files.sort();
    files.insert(0, root.join("README.md"));
    let mut all = Vec::new();
    for file in files {
        let name = file.strip_prefix(root)?.display().to_string();
        let (commands, texts) = documents::read(&name, &fs::read_to_string(&file)?);
        // In the README every indented block is a command to type.
        if let Some(text) = texts.first().filter(|_| name == "README.md") {
            bail!("README.md:{}: {}: not a program that tests/src/documents.rs knows", text.line, text.text);
        }
        all.extend(commands);
    }
    Ok(all)
}

/// The machine on which everything is typed.
struct Machine {
    folder: TempDir,
    google: FakeGoogle,
    vm: Vm,
    broker: Option<Child>,
    /// Decision id of the last refusal that the guest printed.
    refused: Option<String>,
}

impl Machine {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        for name in ["home", "work", "bin", "vm"] {
            fs::create_dir(place(name))?;
        }
        isolate(&place("etc"))?;
        let google = FakeGoogle::new();
        fs::write(place("anchors.pem"), pem::certificate(google.root_der()))?;
        programs(&place("bin"), &place("anchors.pem"))?;
        let boot = EventLogBuilder::gce_ubuntu(Technology::Sev)
            .with_kernel_arguments("root=/dev/sda1 ro console=ttyS0 panic=-1");
        let vm = Vm::boot(&place("vm"), &google, AkAlgorithm::Ecc, &AkCertificateSpec::default(), &boot)?;
        fs::write(place("work/token.txt"), SECRET)?;
        // The files of an update.
        for name in ["shimx64.efi", "grubx64.efi", "vmlinuz"] {
            fs::write(place(&format!("work/{name}")), ImageBuilder::program(name.as_bytes()).bytes())?;
        }
        fs::write(place("work/initrd.img"), b"initrd")?;
        Ok(Self { folder, google, vm, broker: None, refused: None })
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&mut self, command: &DocumentedCommand) -> anyhow::Result<()> {
        let text = self.filled_in(&command.text)?;
        if text.starts_with("vouchsafe serve ") {
            return self.serve(&text);
        }
        if text == STARTS_UNIT {
            return self.serve(SERVE);
        }
        match text.strip_prefix("systemctl ") {
            Some("stop vouchsafe") => return self.stop(),
            Some("start vouchsafe") => return self.start(SERVE),
            _ => {}
        }
        let output = self.shell(&text).output()?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(
            output.status.code() == Some(command.exit_code),
            "{}, expected exit code {}: {said}",
            output.status,
            command.exit_code
        );
        if command.exit_code == 10 {
            self.refused = Some(decision_of(&said).with_context(|| format!("no decision id: {said}"))?);
        }
        self.arrived()
    }

    /// Placeholders that a reader fills in: decision ids, and the broker's identity.
    fn filled_in(&self, text: &str) -> anyhow::Result<String> {
        let mut words = Vec::new();
        for word in text.split(' ') {
            words.push(match word {
                "ID" => self.refused.clone().context("nothing was refused so far")?,
                "GRANT" => self.last_grant()?,
                "IDENTITY" => identity()?,
                other => other.to_owned(),
            });
        }
        Ok(words.join(" "))
    }

    fn last_grant(&self) -> anyhow::Result<String> {
        let listed = self.shell("vouchsafe decisions list --outcome granted --limit 1 --json").output()?;
        let listed: Value = serde_json::from_slice(&success(listed)?)?;
        let id = listed.pointer("/records/0/record/grant/decision").and_then(Value::as_str);
        Ok(id.context("nothing was granted so far")?.to_owned())
    }

    fn shell(&self, text: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "bash", "-euo", "pipefail", "-c", text]);
        command.current_dir(self.place("work")).stdin(Stdio::null()).env_clear();
        command
            .env("HOME", self.place("home"))
            .env("PATH", format!("{}:{PATH}", self.place("bin").display()));
        command
    }

    /// In the background, with the VM's CA as an extra trust anchor and its CRL imported: nothing can be
    /// fetched here.
    fn serve(&mut self, text: &str) -> anyhow::Result<()> {
        let config = Path::new("/var/lib/vouchsafe/broker.toml");
        let written = fs::read_to_string(config)?;
        fs::write(config, format!("extra_trust_anchors = [{:?}]\n{written}", self.place("anchors.pem")))?;
        self.start(text)?;
        let now = clock::now();
        let crl = self.google.root_crl(&CrlSpec::current(UnixTime(now.0 - 60), now.plus(86_400)));
        fs::write(self.place("test-ca.crl"), pem::crl(&crl))?;
        let import = format!(
            "vouchsafe collateral import {} --operator /var/lib/vouchsafe/operator.toml",
            self.place("test-ca.crl").display()
        );
        success(self.shell(&import).output()?)?;
        Ok(())
    }

    /// Starts the broker and waits until it listens.
    fn start(&mut self, text: &str) -> anyhow::Result<()> {
        ensure!(self.broker.is_none(), "the broker is running");
        let log = fs::File::create(self.place("broker.log"))?;
        let process = self.shell(&format!("exec {text}")).stdout(log.try_clone()?).stderr(log).spawn()?;
        self.broker = Some(process);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(OPERATORS).is_err() {
            let log = || fs::read_to_string(self.place("broker.log")).unwrap_or_default();
            ensure!(Instant::now() < deadline, "the broker does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// As systemd does it: SIGTERM, and the broker has ended when this returns.
    fn stop(&mut self) -> anyhow::Result<()> {
        let mut broker = self.broker.take().context("the broker is not running")?;
        let id = rustix::process::Pid::from_raw(i32::try_from(broker.id())?).context("a process")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let status = broker.wait()?;
        let log = fs::read_to_string(self.place("broker.log")).unwrap_or_default();
        ensure!(status.success(), "the broker ended with {status}: {log}");
        Ok(())
    }

    /// Once the guest's configuration exists, adds the address of this VM's TPM to it.
    fn arrived(&self) -> anyhow::Result<()> {
        let config = Path::new("/etc/vouchsafe/guest.toml");
        let Ok(text) = fs::read_to_string(config) else { return Ok(()) };
        if text.contains("[vtpm]") {
            return Ok(());
        }
        Ok(fs::write(config, format!("{text}\n{}", self.vm.hardware()))?)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            // It may have ended already.
            let _ended = broker.kill();
            let _waited = broker.wait();
        }
    }
}

/// The broker's identity, as the VM pins it.
fn identity() -> anyhow::Result<String> {
    let pinned = fs::read_to_string("/etc/vouchsafe/guest.toml")?;
    let line =
        pinned.lines().find(|line| line.starts_with("identities = ")).context("no identity is pinned")?;
    Ok(line.split('"').nth(1).context("no identity is pinned")?.to_owned())
}

/// A copy of /etc with the broker's name in it, and empty /run and /var/lib, in namespaces of this process
/// only.
fn isolate(etc: &Path) -> anyhow::Result<()> {
    let here = fs::read_link("/proc/self/ns/mnt")?;
    let parents = fs::read_link(format!("/proc/{}/ns/mnt", std::os::unix::process::parent_id()))?;
    ensure!(here != parents, "start it as: unshare --mount --net --propagation private documented");
    command("ip", &["link", "set", "lo", "up"])?;
    let etc = etc.to_str().context("a path of text")?;
    command("cp", &["-a", "/etc", etc])?;
    let hosts = format!("{etc}/hosts");
    // A link would lead out of the copy.
    fs::remove_file(&hosts)?;
    fs::write(&hosts, format!("127.0.0.1 localhost {NAMES}\n::1 localhost\n"))?;
    command("rm", &["-rf", &format!("{etc}/vouchsafe")])?;
    // The user of the application.
    for (file, line) in
        [("passwd", "app:x:4242:4242::/nonexistent:/usr/sbin/nologin"), ("group", "app:x:4242:")]
    {
        let file = format!("{etc}/{file}");
        fs::write(&file, format!("{}\n{line}\n", fs::read_to_string(&file)?.trim_end()))?;
    }
    command("mount", &["--bind", etc, "/etc"])?;
    for own in ["/run", "/var/lib"] {
        command("mount", &["-t", "tmpfs", "none", own])?;
    }
    Ok(())
}

fn command(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    success(output).with_context(|| format!("{program} {}", arguments.join(" "))).map(|_| ())
}

/// Programs in the documentation: ours (those that verify evidence know the VM's CA), and replacements for
/// others.
fn programs(bin: &Path, anchors: &Path) -> anyhow::Result<()> {
    let vouchsafe = format!(
        "#!/bin/sh\ncase \"$1 $2\" in\n'policy new' | 'policy test' | 'baseline learn' | verify\\ *)\n  \
         exec {0:?} \"$@\" --anchor {1:?} ;;\nesac\nexec {0:?} \"$@\"\n",
        program("vouchsafe")?,
        anchors,
    );
    // The two machines of the documentation are one, so files to be copied are already here.
    let scp = "#!/bin/sh\nset -eu\n[ \"$1\" = -r ]\nexec cp -r \"${2#*:}\" \"$3\"\n";
    // The application of the documentation: it reads its token and checks it.
    let server = format!("#!/bin/sh\n[ \"$(cat \"$TOKEN\")\" = {SECRET:?} ]\n");
    let programs = [("vouchsafe", vouchsafe.as_str()), ("scp", scp), ("my-server", &server)];
    for (name, text) in programs.into_iter().chain(STUBS) {
        let path = bin.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    symlink(program("vouchsafe-guest")?, bin.join("vouchsafe-guest"))?;
    Ok(())
}

/// The 32 hex digits in the guest's console output.
fn decision_of(said: &str) -> Option<String> {
    let words = said.split(|c: char| !c.is_ascii_hexdigit());
    words.filter(|word| word.len() == 32).map(str::to_owned).next()
}

/// Programs of Google Cloud and of the system. What is copied to an instance is already here, what is copied
/// from one is below the folder of the commands, and a package makes the folder of its configuration.
const STUBS: [(&str, &str); 5] = [
    ("sudo", "#!/bin/sh\nexec \"$@\"\n"),
    // The user of the packages is not there: everything runs as one.
    ("runuser", "#!/bin/sh\n[ \"$1 $3\" = '-u --' ] || exit 2\nshift 3\nexec \"$@\"\n"),
    // A key of the vectors of the keystore.
    (
        "age-keygen",
        concat!(
            "#!/bin/sh\nset -eu\ncase $1 in\n-o) umask 077; cat > \"$2\" <<'END'\n",
            include_str!("../../../keystore/vectors/age/identity.txt"),
            "END\n;;\n-y) [ -s \"$2\" ] && echo age1d4c6kcnnhfmvyf3zcpfpqkm80nzl6uegjdmfm456de5c6f6wm5pqs626a5 ;;\nesac\n",
        ),
    ),
    ("apt", "#!/bin/sh\nexec mkdir -p /etc/vouchsafe\n"),
    (
        "gcloud",
        "#!/bin/sh\nset -eu\ncase \"$1 $2 $3\" in\n'compute ssh '*)\n  for word; do case $word in \
         --command=*) exec sh -euc \"${word#--command=}\" ;; esac; done ;;\n'compute scp '*)\n  \
         case $4 in *:?*) exec cp \"${4#*:}\" \"$5\" ;; esac ;;\nesac\n",
    ),
];

/// The page that starts with a new machine.
const FROM_SCRATCH: &str = "docs/gce.md";
/// Starts the broker for the first time, as a unit.
const STARTS_UNIT: &str = "sudo systemctl enable --now vouchsafe";
/// The broker's names in the documentation.
const NAMES: &str = "broker.example.com broker.europe-west4-a.c.my-project.internal";
const SECRET: &str = "correct horse battery staple";
/// The unit's command: no systemd runs here.
const SERVE: &str = "vouchsafe serve --config /var/lib/vouchsafe/broker.toml";
const OPERATORS: &str = "127.0.0.1:8444";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
