//! A complete demonstration: a broker, a VM with a software TPM, a release, a refusal, and its explanation.
//!
//! Everything is real except the hardware: the broker is a separate process with TLS and a database, the TPM
//! is a swtpm provisioned like a Google VM's, the guest is the program that runs in a VM. The certificate
//! authority of the TPM's key is fake, so the broker only knows it as an extra trust anchor.

#![expect(clippy::print_stdout, reason = "a demo is there to be read")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use vouchsafe_attestation::Technology;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, CrlSpec, FakeGoogle};
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_guest_client::vtpm::AkAlgorithm;
use vouchsafe_protocol::UnixTime;
use vouchsafe_tests::broker::{Broker, guest, program};
use vouchsafe_tests::vm::Vm;
use vouchsafe_tests::{clock, pem};

/// A broker, a VM with a software TPM, a release, a refusal and its explanation.
#[derive(Parser)]
struct Arguments {
    /// Leave broker and VM running afterwards, and print what to try and how to stop them.
    #[arg(long)]
    keep: bool,
    /// What --keep runs in the background: the demo itself.
    #[arg(long, hide = true)]
    stay: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match if arguments.keep { keep() } else { run(arguments.stay) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(stay: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    let folder = tempfile::Builder::new().prefix("vouchsafe-demo.").tempdir()?;
    let google = FakeGoogle::new();
    println!("vouchsafe: a secret for a Confidential VM that proves what it is, and for no other.\n");

    step("1", "A broker, with its own identity, root keyring, TLS and database.");
    command("vouchsafe init --data DIR && vouchsafe serve --config DIR/broker.toml");
    let mut broker = Broker::start(folder.path(), &[google.root_der()], "")?;
    said(&format!("VMs pin the identity {}", broker.identity()));
    import_crl(&broker, folder.path(), &google)?;

    step("2", "A VM. Its software TPM has measured a boot, and holds a key that a test CA certified.");
    let instance = AkCertificateSpec::default();
    let arguments = "root=/dev/sda1 ro console=ttyS0 panic=-1";
    let boot = EventLogBuilder::gce_ubuntu(Technology::Sev).with_kernel_arguments(arguments);
    let place = folder.path().join("vm");
    fs::create_dir(&place)?;
    let mut vm = Vm::boot(&place, &google, AkAlgorithm::Ecc, &instance, &boot)?;
    let config = vm.configure(&broker.guests_url(), broker.identity(), &broker.ca())?;
    said(&format!(
        "instance {} of project {} ({}), AMD SEV, Secure Boot on",
        instance.instance_id, instance.project_number, instance.zone
    ));

    step("3", "A secret, under a policy that says whose VM, on which technology, and what it booted.");
    register(&broker, folder.path(), &config, &instance, arguments)?;

    step("4", "The VM fetches it.");
    command(&format!("vouchsafe-guest fetch {PATH}"));
    let output = guest(&config, ["fetch", PATH])?;
    ensure!(output.status.success(), "{}", text(&output));
    ensure!(output.stdout == SECRET.as_bytes(), "the guest got something else");
    said(&format!("{SECRET:?}: wrapped to a key that the TPM's quote commits to, opened in the VM"));

    step("5", "The same VM boots with one more argument: a shell for whoever is at the console.");
    vm.reboot(&boot.clone().with_kernel_arguments(&format!("{arguments} init=/bin/sh")))?;
    command(&format!("vouchsafe-guest fetch {PATH}"));
    let output = guest(&config, ["fetch", PATH])?;
    ensure!(output.status.code() == Some(10), "a refusal was expected: {}", text(&output));
    let refusal = text(&output);
    said(refusal.trim());

    step("6", "The VM is told no more than that. The operator is told everything.");
    let decision = decision_of(&refusal).context("a refusal names its decision")?;
    command(&format!("vouchsafe explain {decision}"));
    indented(&broker.operate(&["explain", &decision], b"")?);
    command("vouchsafe decisions list");
    indented(&broker.operate(&["decisions", "list"], b"")?);

    println!(
        "\nThat was all of it, in {:.1} s. README.md goes on from here.",
        started.elapsed().as_secs_f32()
    );
    if stay {
        vm.reboot(&boot)?;
        return playground(folder.path(), &broker, &config);
    }
    broker.stop()
}

/// Runs the demo in a separate process, on which broker and TPM depend, and shows its output.
fn keep() -> anyhow::Result<()> {
    let mut demo = Command::new("setsid")
        .arg(std::env::current_exe()?)
        .arg("--stay")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    for line in BufReader::new(demo.stdout.take().context("a pipe")?).lines() {
        match line?.as_str() {
            STAYS => return Ok(()),
            line => println!("{line}"),
        }
    }
    bail!("{}", demo.wait()?)
}

/// Says how to continue, and then keeps everything running until it is stopped.
fn playground(folder: &Path, broker: &Broker, guest: &Path) -> anyhow::Result<()> {
    let (vouchsafe, client) = (program("vouchsafe")?, program("vouchsafe-guest")?);
    for (name, script) in [
        ("vouchsafe", format!("HOME={:?} exec {vouchsafe:?} \"$@\"", broker.home())),
        ("vouchsafe-guest", format!("exec {client:?} --config {guest:?} \"$@\"")),
        ("stop", format!("kill {} && rm -r {folder:?}", std::process::id())),
    ] {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o700))?;
    }
    println!(
        "\nBroker and VM go on running; the VM has booted as in step 2 again. Try:\n\n  cd {0}\n  \
         ./vouchsafe-guest fetch {PATH}\n  ./vouchsafe secret retire {PATH}\n  \
         ./vouchsafe-guest fetch {PATH}        # refused; then ./vouchsafe explain DECISION\n  \
         ./vouchsafe secret restore {PATH}\n  ./vouchsafe decisions list\n  ./vouchsafe policy show prod/db\n\n\
         Stop both, and remove the folder:\n\n  {0}/stop",
        folder.display()
    );
    println!("{STAYS}");
    loop {
        std::thread::park();
    }
}

/// The CA's revocation list, corresponding to Google's.
fn import_crl(broker: &Broker, folder: &Path, google: &FakeGoogle) -> anyhow::Result<()> {
    let now = clock::now();
    let crl = google.root_crl(&CrlSpec::current(UnixTime(now.0 - 60), now.plus(86_400)));
    let file = folder.join("test-ca.crl");
    fs::write(&file, pem::crl(&crl))?;
    command("vouchsafe collateral import test-ca.crl");
    broker.operate(&["collateral", "import", &file.to_string_lossy()], b"")?;
    Ok(())
}

/// The baseline of the VM's boot, a policy that requires it, and the secret.
fn register(
    broker: &Broker,
    folder: &Path,
    config: &Path,
    instance: &AkCertificateSpec,
    arguments: &str,
) -> anyhow::Result<()> {
    let at = |name: &str| folder.join(name).display().to_string();
    let (capture, baseline, policy) = (at("vm.json"), at("boot.json"), at("db.cedar"));
    command("vouchsafe-guest evidence -o vm.json");
    let output = guest(config, ["evidence", "-o", &capture])?;
    ensure!(output.status.success(), "{}", text(&output));
    command("vouchsafe baseline learn --evidence vm.json --anchor test-ca.pem --out boot.json");
    let learn =
        ["baseline", "learn", "--evidence", &capture, "--anchor", &at("anchors.pem"), "--out", &baseline];
    broker.operate(&learn, b"")?;
    command("vouchsafe baseline put prod/boot boot.json");
    broker.operate(&["baseline", "put", "prod/boot", &baseline], b"")?;
    let line = format!("{} {arguments}", vouchsafe_attestation::test_util::event_log::presets::UBUNTU_KERNEL);
    let (project, id) = (instance.project_number.to_string(), instance.instance_id.to_string());
    command(&format!(
        "vouchsafe policy new --for app --technology sev --project {project} --instance {id} \\\n      \
         --command-line {line:?} --baseline prod/boot --extra-root --out db.cedar"
    ));
    let new = ["policy", "new", "--for", "app", "--technology", "sev", "--extra-root", "--project", &project];
    let rest = ["--instance", &id, "--command-line", &line, "--baseline", "prod/boot", "--out", &policy];
    broker.operate(&[&new[..], &rest].concat(), b"")?;
    indented(&fs::read_to_string(&policy)?);
    command("vouchsafe policy put prod/db db.cedar");
    broker.operate(&["policy", "put", "prod/db", &policy], b"")?;
    command(&format!("vouchsafe secret put {PATH} --policy prod/db --from -"));
    broker.operate(&["secret", "put", PATH, "--policy", "prod/db", "--from", "-"], SECRET.as_bytes())?;
    Ok(())
}

fn step(number: &str, title: &str) {
    println!("\n{number}. {title}");
}

fn command(line: &str) {
    println!("   $ {line}");
}

fn said(line: &str) {
    println!("   > {line}");
}

fn indented(lines: &str) {
    lines.trim_end().lines().for_each(|line| println!("   | {line}"));
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The 32 hex digits in the guest's console output.
fn decision_of(refusal: &str) -> Option<String> {
    let words = refusal.split(|c: char| !c.is_ascii_hexdigit());
    words.filter(|word| word.len() == 32).map(str::to_owned).next()
}

/// The last line of a demo that keeps running.
const STAYS: &str = "\u{4}";
const PATH: &str = "prod/db-01/token";
const SECRET: &str = "correct horse battery staple";
