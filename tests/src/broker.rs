//! A real broker process on a fresh data directory, and its operator's tool.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use crate::pem;

/// The program with this name, beside the running one.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not beside {}: run it through ./justw", here.display()))
}

/// A broker: its folder, and its process while it runs.
pub struct Broker {
    folder: PathBuf,
    guests: u16,
    operators: u16,
    identity: String,
    token: String,
    process: Option<Child>,
    variables: Vec<(&'static str, PathBuf)>,
}

impl Broker {
    /// Runs `vouchsafe init` in `folder` with these roots (DER) as extra trust anchors, and starts the
    /// broker.
    ///
    /// # Errors
    /// When a step fails; the message says which.
    pub fn start(folder: &Path, anchors: &[&[u8]], configuration: &str) -> anyhow::Result<Self> {
        Self::start_for(folder, &[], anchors, configuration)
    }

    /// The same with a certificate for these names or addresses, under which guests reach it.
    ///
    /// # Errors
    /// When a step fails; the message says which.
    pub fn start_for(
        folder: &Path,
        hosts: &[&str],
        anchors: &[&[u8]],
        configuration: &str,
    ) -> anyhow::Result<Self> {
        let mut broker = Self::init_for(folder, hosts)?;
        let text: String = anchors.iter().map(|der| pem::certificate(der)).collect();
        fs::write(folder.join("anchors.pem"), text)?;
        let config = broker.config();
        let written = fs::read_to_string(&config)?;
        let anchors = format!("extra_trust_anchors = [{:?}]\n", folder.join("anchors.pem"));
        // Vendors do not know the fake roots, and tests use no network.
        let offline =
            if configuration.contains("[collateral]") { "" } else { "[collateral]\nfetch = false\n" };
        fs::write(&config, format!("{anchors}{written}\n{configuration}\n{offline}"))?;
        broker.run()?;
        Ok(broker)
    }

    /// `vouchsafe init` alone.
    ///
    /// # Errors
    /// When it fails.
    pub fn init(folder: &Path) -> anyhow::Result<Self> {
        Self::init_for(folder, &[])
    }

    fn init_for(folder: &Path, hosts: &[&str]) -> anyhow::Result<Self> {
        let (guests, operators) = (free_port()?, free_port()?);
        let token_file = folder.join("operator.token");
        let made = Command::new(program("vouchsafe")?)
            .args(["init", "--json"])
            .arg("--data")
            .arg(folder.join("data"))
            .args([
                "--guests",
                &format!("127.0.0.1:{guests}"),
                "--operators",
                &format!("127.0.0.1:{operators}"),
            ])
            .arg("--token-file")
            .arg(&token_file)
            .args(hosts.iter().flat_map(|host| ["--host", host]))
            .output()?;
        let made: Value = serde_json::from_slice(&success(made)?)?;
        let identity =
            made.get("identity").and_then(Value::as_str).context("init prints the identity")?.to_owned();
        let token = fs::read_to_string(token_file)?;
        let home = folder.join(".config/vouchsafe");
        fs::create_dir_all(&home)?;
        fs::copy(folder.join("data/operator.toml"), home.join("operator.toml"))?;
        Ok(Self {
            folder: folder.to_owned(),
            guests,
            operators,
            identity,
            token,
            process: None,
            variables: Vec::new(),
        })
    }

    /// Runs `vouchsafe serve`, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready within ten seconds; its log is in `broker.log`.
    pub fn run(&mut self) -> anyhow::Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program("vouchsafe")?)
            .args(["serve", "--config"])
            .arg(self.config())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start the broker")?;
        self.process = Some(process);
        let agent = self.agent()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if agent.get(format!("{}/readyz", self.operators_url())).call().is_ok() {
                return Ok(());
            }
            if let Some(process) = &mut self.process
                && let Some(status) = process.try_wait()?
            {
                bail!("the broker ended ({status}): {}", self.read_log());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("the broker is not ready after 10 s: {}", self.read_log())
    }

    /// Sets a variable of the environment for later runs.
    pub fn set_variable(&mut self, name: &'static str, value: PathBuf) {
        self.variables.push((name, value));
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Asks the broker to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not end by itself, with status 0.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let id = i32::try_from(process.id())?;
        let id = rustix::process::Pid::from_raw(id).context("a process")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let status = process.wait()?;
        ensure!(status.success(), "the broker ended with {status}: {}", self.read_log());
        Ok(())
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the broker runs").id()
    }

    /// Runs `vouchsafe` as the operator.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn operator(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Output> {
        let mut command = Command::new(program("vouchsafe")?);
        // The default path of the operator file: not every command takes the option.
        command.args(arguments).env("HOME", &self.folder);
        run_with_input(command, input)
    }

    /// The same; returns its standard output if it succeeds.
    ///
    /// # Errors
    /// When it fails; the message has its output.
    pub fn operate(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<String> {
        let output =
            self.operator(arguments, input).with_context(|| format!("vouchsafe {}", arguments.join(" ")))?;
        Ok(String::from_utf8(success(output).with_context(|| format!("vouchsafe {}", arguments.join(" ")))?)?)
    }

    /// An HTTPS client that trusts this broker's CA.
    ///
    /// # Errors
    /// When the CA's file cannot be read.
    #[expect(clippy::disallowed_methods, reason = "crate `system` is for the two programs alone (deny.toml)")]
    pub fn agent(&self) -> anyhow::Result<Agent> {
        let ca = Certificate::from_pem(&fs::read(self.ca())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&[ca]))
            .build();
        let timeout = Some(Duration::from_secs(30));
        let config = Agent::config_builder().proxy(None).tls_config(tls).timeout_global(timeout);
        Ok(config.http_status_as_error(false).build().new_agent())
    }

    /// Where guests ask.
    #[must_use]
    pub fn guests_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.guests)
    }

    /// The same as an address.
    #[must_use]
    pub const fn guests_address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.guests)
    }

    /// Where operators ask.
    #[must_use]
    pub fn operators_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.operators)
    }

    /// The same as an address.
    #[must_use]
    pub const fn operators_address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.operators)
    }

    /// The identity that guests pin.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The first operator's token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.trim()
    }

    /// The CA of its TLS certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("data/tls/ca.pem")
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("data/broker.toml")
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The operator's home, with an operator file for this broker.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.folder
    }

    /// Its log so far.
    #[must_use]
    pub fn read_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("broker.log")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

/// Runs a command with this standard input.
///
/// # Errors
/// When it cannot be started.
pub fn run_with_input(mut command: Command, input: &[u8]) -> anyhow::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    // A command that does not read its input closes the pipe.
    let _ = stdin.write_all(input);
    drop(stdin);
    Ok(child.wait_with_output()?)
}

/// Standard output of a command that succeeded.
///
/// # Errors
/// The command's output when it failed.
pub fn success(output: Output) -> anyhow::Result<Vec<u8>> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}{}", output.status, String::from_utf8_lossy(&output.stdout));
    Ok(output.stdout)
}

/// Runs `vouchsafe-guest` with a configuration.
///
/// # Errors
/// When it cannot be started.
pub fn guest(
    config: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> anyhow::Result<Output> {
    let mut command = Command::new(program("vouchsafe-guest")?);
    command.arg("--config").arg(config).args(arguments);
    run_with_input(command, b"")
}

fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORTS {
        let offset = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST_PORT + u16::try_from(offset % PORTS)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port")
}

/// Below the kernel's range for outgoing connections, which could otherwise occupy a port first.
const FIRST_PORT: u16 = 12_000;
const PORTS: u32 = 20_000;
