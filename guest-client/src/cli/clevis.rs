//! `vouchsafe-guest clevis-encrypt` and `clevis-decrypt`, the two halves of the Clevis pin.

use std::fs;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use serde::Deserialize;
use vouchsafe_guest_client::GuestConfig;
use vouchsafe_guest_client::boot::Initrd;
use vouchsafe_guest_client::clevis::{self, MAX_JWE, MAX_PLAINTEXT, UnverifiedJwe};
use vouchsafe_protocol::ReleasePaths;
use zeroize::Zeroizing;

use super::console;
use super::failure::Failure;
use super::request::{Notes, fetch, protect};
use super::unlock::{request, rule_out_shells};
use crate::deliver::descriptor::Sink;

#[derive(clap::Args)]
pub(super) struct ClevisEncrypt {
    /// JSON: {"volume":NAME}, a volume of the configuration. With "key_file":PATH its key is read from there and not requested; the path
    /// is not kept in the JWE.
    #[arg(value_name = "CONFIG")]
    pin: PinConfig,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinConfig {
    volume: String,
    key_file: Option<PathBuf>,
}

impl FromStr for PinConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .map_err(|error| format!("{error}: it must be like {{\"volume\":\"root\"}}"))
    }
}

/// Encrypts standard input under the key of a volume, which the broker releases to the running system or which is in a file.
pub(super) fn encrypt(config: &Path, command: &ClevisEncrypt) -> Result<ExitCode, Failure> {
    let PinConfig { volume, key_file } = &command.pin;
    let plaintext = read_input(MAX_PLAINTEXT)?;
    protect(console::note)?;
    let config = GuestConfig::read(config)?;
    let path = config.keys.secret_of(volume)?;
    let jwe = match key_file {
        Some(file) => {
            let failed = |source| Failure::KeyFile { path: file.clone(), source };
            clevis::seal(volume, &Zeroizing::new(fs::read(file).map_err(failed)?), &plaintext)?
        }
        None => {
            let release = fetch(&config, &ReleasePaths::sort(vec![path.clone()])?.into(), Notes::PROGRAM)?;
            clevis::seal(volume, release.secret(path).expose(), &plaintext)?
        }
    };
    Sink::open(None)?.write(jwe.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Decrypts the JWE on standard input. Under the name of its volume, failures are reported as those of `unlock` are.
pub(super) fn decrypt(config: &Path) -> Result<ExitCode, Failure> {
    let text = read_input(MAX_JWE)?;
    let jwe = UnverifiedJwe::parse(&text)?;
    let initrd = Initrd::find(Path::new("/"));
    let attempt = initrd.map(|_| Attempt(PathBuf::from(ATTEMPT)));
    if attempt.as_ref().is_some_and(Attempt::failed_before) {
        return Ok(ExitCode::FAILURE);
    }
    open(config, &jwe, initrd, attempt.as_ref()).or_else(|failure| {
        console::report(&format!("volume {}: {}", jwe.volume(), failure.line()));
        Ok(ExitCode::from(failure.exit_code()))
    })
}

fn open(
    config: &Path,
    jwe: &UnverifiedJwe<'_>,
    initrd: Option<Initrd>,
    attempt: Option<&Attempt>,
) -> Result<ExitCode, Failure> {
    let mut sink = Sink::open(None)?;
    if sink.is_terminal() {
        return Err(Failure::KeyToTerminal);
    }
    protect(console::silent)?;
    attempt.map(Attempt::begin).transpose()?;
    rule_out_shells(initrd)?;
    let config = GuestConfig::read(config)?;
    let (release, path) = request(&config, jwe.volume(), initrd)?;
    let opened = jwe.open(release.secret(&path).expose())?;
    attempt.map(Attempt::succeed).transpose()?;
    sink.write(&opened)?;
    Ok(ExitCode::SUCCESS)
}

/// In an initrd, Clevis decrypts again every few seconds until somebody types the passphrase. Asking the broker again changes
/// nothing, so the first failure is the last request. It is remembered by a file, which is made before the request.
struct Attempt(PathBuf);

impl Attempt {
    fn failed_before(&self) -> bool {
        self.0.exists()
    }

    fn begin(&self) -> Result<(), Failure> {
        fs::write(&self.0, "").map_err(|source| Failure::Attempt { path: self.0.clone(), source })
    }

    fn succeed(&self) -> Result<(), Failure> {
        fs::remove_file(&self.0).map_err(|source| Failure::Attempt { path: self.0.clone(), source })
    }
}

/// All of standard input, up to a limit.
fn read_input(limit: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let input = io::stdin();
    if input.is_terminal() {
        return Err(Failure::Input(io::Error::other(
            "is a terminal: `clevis` runs this command with a pipe",
        )));
    }
    // Room for all of it, so that nothing is moved and left behind in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    input.lock().take(limit as u64 + 1).read_to_end(&mut bytes).map_err(Failure::Input)?;
    Ok(bytes)
}

const ATTEMPT: &str = "/run/vouchsafe-clevis-failed";
