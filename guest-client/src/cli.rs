//! Arguments, and what each command does.

mod exec;
mod failure;
mod output;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use failure::Failure;
use vouchsafe_guest_client::account::AccountName;
use vouchsafe_guest_client::client::AttemptError;
use vouchsafe_guest_client::config::{BrokerUrl, CollectConfig, DEFAULT_PATH};
use vouchsafe_guest_client::evidence::CaptureBinding;
use vouchsafe_guest_client::hardware::tdx;
use vouchsafe_guest_client::memory::{self, Locked};
use vouchsafe_guest_client::private_file::{Destination, Folder, Permissions};
use vouchsafe_guest_client::vtpm::TpmAddress;
use vouchsafe_guest_client::{Client, GuestConfig, LocalEvidence, Release, doctor, platform};
use vouchsafe_protocol::{Evidence, ReleasePaths, SecretPath, UnixTime};

/// Fetches secrets for this Confidential VM from a vouchsafe broker.
#[derive(Parser)]
#[command(name = "vouchsafe-guest", version, after_help = AFTER_HELP)]
struct Arguments {
    /// Configuration file.
    #[arg(long, global = true, default_value = DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch secrets and write them to files, stdout or a file descriptor.
    Fetch(Fetch),
    /// Fetch secrets and run a command that gets them as files or environment variables.
    Exec(Exec),
    /// Collect evidence without a release, to inspect it or to write a policy from it.
    Evidence(Capture),
    /// Check what this VM can prove, what is missing, and whether its brokers can be used.
    Doctor(Doctor),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(clap::Args)]
struct Fetch {
    /// Paths such as prod/db-01/disk. Either all are released or none.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<SecretPath>,
    /// Write JSON with the secrets in base64; otherwise several paths need one --output each.
    #[arg(long)]
    json: bool,
    /// Write to this file, atomically and readable by its owner only. Repeat it for each PATH, in the same order.
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Permissions of the files, octal; never any for others.
    #[arg(long, value_name = "MODE", default_value = "0600", requires = "output")]
    mode: Permissions,
    /// Owner of the files, USER or USER:GROUP by name or number; default group: the user's own. Needs root.
    #[arg(long, value_name = "OWNER", requires = "output")]
    owner: Option<AccountName>,
    /// Write to this open file descriptor (a pipe or a file) instead of stdout.
    #[arg(long, value_name = "N", conflicts_with = "output")]
    fd: Option<u32>,
    /// Write even to a terminal.
    #[arg(long)]
    force: bool,
}

#[derive(clap::Args)]
struct Exec {
    /// Put the secret into a file in memory (an open descriptor that the command inherits), and the file's name into
    /// the variable NAME. Use encrypted swap or none: the command's memory is not locked, unlike this program's.
    #[arg(long, value_name = "NAME=PATH")]
    file: Vec<exec::Assignment>,
    /// Put the secret into a file in a private tmpfs, and the file's name into the variable NAME. Only the command
    /// and its children see it, and it disappears with the last of them. Needs root.
    #[arg(long, value_name = "NAME=PATH")]
    tmpfs: Vec<exec::Assignment>,
    /// Put the secret itself into the variable NAME. Prefer files: variables leak easily.
    #[arg(long, value_name = "NAME=PATH")]
    env: Vec<exec::Assignment>,
    /// Run the command as this user, USER or USER:GROUP by name or number, with the user's groups. The files are the
    /// user's. Needs root.
    #[arg(long, value_name = "USER")]
    user: Option<AccountName>,
    /// The command and its arguments. It replaces this process, so signals, exit status and process id are the
    /// command's.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<std::ffi::OsString>,
}

#[derive(clap::Args)]
struct Capture {
    /// Nonce that the evidence is bound to, 32 bytes in hex; default: random.
    #[arg(long, value_name = "HEX", value_parser = parse_nonce)]
    nonce: Option<[u8; 32]>,
    /// Write to this file, atomically and readable by its owner only, instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The TPM, such as /dev/tpmrm0 or swtpm:host=127.0.0.1,port=2321; default: the configuration's.
    #[arg(long, value_name = "ADDRESS")]
    tpm: Option<TpmAddress>,
    /// The firmware's event log; default: the configuration's.
    #[arg(long, value_name = "FILE")]
    event_log: Option<PathBuf>,
    /// Audience of a token, `https://HOST:PORT`; default: the first broker.
    #[arg(long, value_name = "URL")]
    audience: Option<BrokerUrl>,
}

#[derive(clap::Args)]
struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Also request a token from Google Cloud Attestation, and show its claims.
    #[arg(long)]
    google: bool,
}

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = &arguments.config;
    let outcome = match arguments.command {
        Command::Fetch(command) => fetch(config, &command),
        Command::Exec(command) => exec(config, &command),
        Command::Evidence(command) => capture(config, command),
        Command::Doctor(command) => examine(config, &command),
        Command::Completions { shell } => completions(shell),
    };
    outcome.unwrap_or_else(|failure| {
        output::note(&failure.to_string());
        if let Some(advice) = failure.advice() {
            output::note(&advice);
        }
        ExitCode::from(failure.exit_code())
    })
}

fn fetch(config: &Path, command: &Fetch) -> Result<ExitCode, Failure> {
    let paths = ReleasePaths::sort(command.paths.clone())?;
    if !command.output.is_empty() {
        return fetch_to_files(config, command, &paths);
    }
    if paths.as_slice().len() > 1 && !command.json {
        return Err(Failure::SeveralNeedJson);
    }
    let mut sink = output::Sink::open(command.fd)?;
    if sink.is_terminal() && !command.force {
        return Err(Failure::Terminal);
    }
    if let Some(mode) = sink.readable_by_others().filter(|_| command.fd.is_none()) {
        output::note(&format!(
            "stdout is a file that others may read (mode {mode:04o}); --output makes private ones"
        ));
    }
    let release = ask(config, &paths)?;
    match (command.json, release.secrets.as_slice()) {
        (false, [one]) => sink.write(one.secret.expose())?,
        _ => sink.write(output::json(&release).as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// All files are complete before the first one gets its name.
fn fetch_to_files(config: &Path, command: &Fetch, paths: &ReleasePaths) -> Result<ExitCode, Failure> {
    let expected = if command.json { 1 } else { command.paths.len() };
    if command.output.len() != expected {
        return Err(Failure::OutputCount { expected, given: command.output.len() });
    }
    let owner = command.owner.as_ref().map(AccountName::resolve).transpose()?.map(|account| account.owner);
    let open = |path: &PathBuf| Destination::open(path, command.mode, owner, Folder::Trusted);
    let destinations = command.output.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    output::check_distinct(&destinations)?;
    let release = ask(config, paths)?;
    let json = command.json.then(|| output::json(&release));
    let mut staged = Vec::new();
    for (destination, path) in destinations.iter().zip(&command.paths) {
        let bytes = match &json {
            Some(json) => json.as_bytes(),
            None => release.secret(path).expose(),
        };
        staged.push(destination.stage(bytes)?);
    }
    for file in staged {
        file.commit()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn exec(config: &Path, command: &Exec) -> Result<ExitCode, Failure> {
    let user = command.user.as_ref().map(AccountName::resolve).transpose()?;
    let plan = exec::Plan::new(&command.file, &command.tmpfs, &command.env, user)?;
    let prepared = plan.prepare()?;
    let release = ask(config, plan.paths())?;
    Err(prepared.run(&release, &command.command))
}

/// Fetches, with the process's memory protected before there is anything to protect.
fn ask(config: &Path, paths: &ReleasePaths) -> Result<Release, Failure> {
    if memory::protect().map_err(Failure::Protect)? == Locked::NotAllowed {
        output::note("memory cannot be locked: secrets could be swapped out (see `vouchsafe-guest doctor`)");
    }
    let config = GuestConfig::read(config)?;
    let source = LocalEvidence::open(&config.collect)?.on_remark(remark);
    let client = Client::new(&config, source)?;
    let release = client.on_retry(|error, wait| output::note(&retry_line(error, wait))).fetch(paths)?;
    Ok(release)
}

fn retry_line(error: &AttemptError, wait: std::time::Duration) -> String {
    if wait.is_zero() {
        return format!("{error}; asking the next broker");
    }
    format!("{error}; asking again in {:.1} s", wait.as_secs_f64())
}

fn remark(text: &str) {
    output::note(&format!("Google Cloud Attestation: {text}"));
}

fn capture(config: &Path, command: Capture) -> Result<ExitCode, Failure> {
    let (mut collect, broker) = collect_config(config)?;
    collect.vtpm.device = command.tpm.or(collect.vtpm.device);
    if let Some(log) = command.event_log {
        collect.vtpm.event_log = log;
    }
    let nonce = command.nonce.unwrap_or_else(|| {
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).expect("the operating system has randomness");
        random
    });
    // Without a configuration there is no broker, and no token is asked for.
    let audience = command.audience.or(broker).map(|url| url.origin().to_owned()).unwrap_or_default();
    // An operator reads what comes of a capture; the folder may be a user's own.
    let open = |file: &PathBuf| Destination::open(file, Permissions::OWNER, None, Folder::Any);
    let destination = command.output.as_ref().map(open).transpose()?;
    let mut source = LocalEvidence::open(&collect)?.on_remark(remark);
    let (evidence, binding) = source.capture(&nonce, &audience)?;
    let mut json = serde_json::to_vec_pretty(&evidence).expect("evidence has only types that JSON can hold");
    json.push(b'\n');
    match destination {
        Some(file) => file.write(&json)?,
        None => output::Sink::open(None)?.write(&json)?,
    }
    for line in binding_lines(&evidence, &binding, &audience) {
        output::note(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// What `vouchsafe verify` has to be told about captured evidence.
fn binding_lines(evidence: &Evidence, binding: &CaptureBinding, audience: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if evidence.vtpm.is_some() {
        lines.push(format!("nonce of the quote: {}", hex::encode(binding.quote_nonce)));
    }
    if evidence.sev_snp.is_some() || evidence.tdx.is_some() {
        lines.push(format!("report data: {}", hex::encode(binding.report_data)));
    }
    if let Some(attributes) = evidence.tdx.as_ref().and_then(|tdx| tdx::attributes(&tdx.quote)) {
        let names = platform::td_attribute_names(attributes);
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        lines.push(format!("attributes of the trust domain: {names}"));
    }
    if evidence.google_token.is_some() {
        lines.push(format!("nonce of the token: {}, audience: {audience}", binding.token_nonce));
    }
    lines
}

/// What the configuration says about evidence, and the first broker. Without a file at the default place: the
/// defaults, so that evidence can be captured before there is a broker.
fn collect_config(path: &Path) -> Result<(CollectConfig, Option<BrokerUrl>), Failure> {
    if path == Path::new(DEFAULT_PATH) && !path.exists() {
        return Ok((CollectConfig::default(), None));
    }
    let config = GuestConfig::read(path)?;
    Ok((config.collect, config.client.brokers.first().cloned()))
}

fn examine(path: &Path, command: &Doctor) -> Result<ExitCode, Failure> {
    // What is wrong with the configuration is no reason not to look at the machine.
    let absent = path == Path::new(DEFAULT_PATH) && !path.exists();
    let config = if absent { Ok(None) } else { GuestConfig::read(path).map(Some) };
    let read = config.as_ref().ok().and_then(Option::as_ref);
    let collect = read.map(|config| config.collect.clone()).unwrap_or_default();
    let mut diagnosis = doctor::examine(Path::new("/"), &collect);
    let mut audience = NO_AUDIENCE;
    match &config {
        Ok(Some(config)) => {
            diagnosis.check_configuration(path);
            diagnosis.ask_brokers(config, now);
            audience = config.client.brokers.first().map_or(NO_AUDIENCE, BrokerUrl::origin);
        }
        Ok(None) => diagnosis.add_configuration(None),
        Err(error) => diagnosis.add_configuration(Some(error)),
    }
    if command.google {
        diagnosis.ask_google(&collect, audience);
    }
    let text = if command.json {
        let json =
            serde_json::to_string_pretty(&diagnosis).expect("findings have only types that JSON can hold");
        json + "\n"
    } else {
        diagnosis.to_string()
    };
    output::Sink::open(None)?.write(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(!diagnosis.is_ready())))
}

/// This machine's clock, to be compared with a broker's. No decision rests on it.
fn now() -> UnixTime {
    #[expect(clippy::disallowed_methods, reason = "the doctor looks at this very clock")]
    let now = std::time::SystemTime::now();
    UnixTime(now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// A token that is only looked at is for nobody.
const NO_AUDIENCE: &str = "https://doctor.invalid";

fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "vouchsafe-guest", &mut script);
    output::Sink::open(None)?.write(&script)?;
    Ok(ExitCode::SUCCESS)
}

fn parse_nonce(text: &str) -> Result<[u8; 32], &'static str> {
    let mut nonce = [0; 32];
    hex::decode_to_slice(text, &mut nonce).map_err(|_| "expected 64 hex digits")?;
    Ok(nonce)
}

const AFTER_HELP: &str = "\
The TPM library loads its device module, libtss2-tcti-device, at run time; it is in a package of that name or in tpm2-tss.
`doctor` checks this and everything else that is needed.

Exit codes: 0 done; 1 doctor: nothing can be proved, or no broker can be used; 2 usage or configuration; 10 refused by the broker;
11 no broker gave a valid signed answer; 12 no evidence; 13 the broker signed an answer that does not match the request;
14 output failed, or the command's user or files could not be set up; 15 no broker can be used as configured (identity,
CA, host or URL). exec passes on the command's exit code; 126 and 127: it cannot be run.";
