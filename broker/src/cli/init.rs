//! `vouchsafe init`: a new broker in an empty folder.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use vouchsafe_keystore::store::{By, OperatorRole, OperatorToken};
use vouchsafe_keystore::{Keyring, Keystore};
use vouchsafe_protocol::BrokerIdentity;

use super::{Failure, output, serve};
use crate::{clock, random, tls};

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder for everything that the broker keeps; made, or empty.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address of the listener for VMs.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    guests: SocketAddr,
    /// Address of the listener for operators.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8444")]
    operators: SocketAddr,
    /// Host names and addresses under which the broker is reached, for its TLS certificate.
    #[arg(long, value_name = "NAME", default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned()])]
    host: Vec<String>,
    /// TLS certificate chain to use instead of a new one, PEM.
    #[arg(long, value_name = "FILE", requires_all = ["key", "ca"])]
    certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// CA of that certificate, PEM, for guests and operators.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    ca: Option<PathBuf>,
    /// Name of the first operator, an administrator.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    administrator: String,
    /// Write the first operator's token to this new file (0600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// What was made.
#[derive(Serialize)]
struct Made<'a> {
    identity: BrokerIdentity,
    config: PathBuf,
    ca: PathBuf,
    operator_file: PathBuf,
    token_file: PathBuf,
    /// Only when it was not written to a file.
    token: Option<&'a str>,
}

struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

impl Init {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let data = self.folder()?;
        random::warm().map_err(|error| Failure::Usage(error.to_string()))?;
        let tls = self.tls(&data)?;
        let (identity, token) = self.keystore(&data)?;
        let token_file = self.token_file(&data, &token)?;
        let config = data.join("broker.toml");
        write_new(&config, self.config(&data, &tls).as_bytes(), 0o644)?;
        let operator_file = data.join("operator.toml");
        write_new(&operator_file, self.operator_file(&tls, &token_file).as_bytes(), 0o600)?;
        let shown = self.token_file.is_none().then(|| token.expose());
        let made = Made { identity, config, ca: tls.ca, operator_file, token_file, token: shown };
        if json { output::print_json(&made) } else { output::print(&made.human(&self.administrator)) }
    }

    /// The data folder, absolute, private, without anything of a broker in it.
    fn folder(&self) -> Result<PathBuf, Failure> {
        let failed = |error| Failure::file(&self.data, error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.data).map_err(failed)?;
        if fs::read_dir(&self.data).map_err(failed)?.next().is_some() {
            return Err(Failure::file(
                &self.data,
                "is not empty: choose another folder, or remove what an interrupted init left",
            ));
        }
        fs::canonicalize(&self.data).map_err(failed)
    }

    fn tls(&self, data: &Path) -> Result<Tls, Failure> {
        if let (Some(certificate), Some(key), Some(ca)) = (&self.certificate, &self.key, &self.ca) {
            let absolute = |path: &Path| fs::canonicalize(path).map_err(|error| Failure::file(path, error));
            return Ok(Tls { certificate: absolute(certificate)?, key: absolute(key)?, ca: absolute(ca)? });
        }
        let made = tls::SelfSigned::generate(&self.host)
            .map_err(|error| Failure::Usage(format!("--host: {error}")))?;
        let folder = data.join("tls");
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| Failure::file(&folder, error))?;
        let files = Tls {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
            ca: folder.join("ca.pem"),
        };
        write_new(&files.key, made.key.as_bytes(), 0o600)?;
        write_new(&files.certificate, made.certificate.as_bytes(), 0o644)?;
        write_new(&files.ca, made.ca.as_bytes(), 0o644)?;
        Ok(files)
    }

    fn keystore(&self, data: &Path) -> Result<(BrokerIdentity, OperatorToken), Failure> {
        let now = clock::now();
        let failed = |error: &dyn std::fmt::Display| Failure::file(data, error);
        let keyring = Keyring::generate(now).map_err(|error| failed(&error))?;
        keyring.create(&data.join("keyring.json")).map_err(|error| failed(&error))?;
        serve::runtime()?.block_on(async {
            let keystore =
                Keystore::create(&data.join("keystore.db"), keyring).await.map_err(|error| failed(&error))?;
            let by = By { operator: "init", at: now };
            let role = OperatorRole::Administrator;
            let token = keystore.add_operator(by, &self.administrator, role, &[]).await;
            let token = token.map_err(|error| failed(&error))?;
            let identity = keystore.identity().await.map_err(|error| failed(&error))?.identity();
            keystore.close().await;
            Ok((identity, token))
        })
    }

    /// Where the token is, or where the operator is expected to put it.
    fn token_file(&self, data: &Path, token: &OperatorToken) -> Result<PathBuf, Failure> {
        let Some(path) = &self.token_file else { return Ok(data.join("operator.token")) };
        write_new(path, token.expose().as_bytes(), 0o600)?;
        fs::canonicalize(path).map_err(|error| Failure::file(path, error))
    }

    fn config(&self, data: &Path, tls: &Tls) -> String {
        let listener = |address| {
            format!("listen = \"{address}\"\ncertificate = {:?}\nkey = {:?}\n", tls.certificate, tls.key)
        };
        let urls: Vec<_> = self.host.iter().map(|host| self.url(host)).collect();
        format!(
            "# Written by `vouchsafe init`. Every other key and its default: config/broker.toml of the source.\n\
             data = {data:?}\nurls = {urls:?}\n\n[guests]\n{}\n[operators]\n{}",
            listener(self.guests),
            listener(self.operators),
        )
    }

    /// The guests' listener as guests know it.
    fn url(&self, host: &str) -> String {
        let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
        let host = if is_v6 { format!("[{host}]") } else { host.to_owned() };
        format!("https://{host}:{}", self.guests.port())
    }

    fn operator_file(&self, tls: &Tls, token_file: &Path) -> String {
        let host = match self.operators.ip() {
            ip if ip.is_unspecified() => self.host.first().cloned().unwrap_or_default(),
            ip if ip.is_ipv6() => format!("[{ip}]"),
            ip => ip.to_string(),
        };
        format!(
            "# Operator file for `vouchsafe`: --operator FILE, ./vouchsafe-operator.toml or \
             ~/.config/vouchsafe/operator.toml.\nserver = \"https://{host}:{}\"\nca = {:?}\ntoken_file = {token_file:?}\n",
            self.operators.port(),
            tls.ca,
        )
    }
}

impl Made<'_> {
    fn human(&self, administrator: &str) -> String {
        let Made { identity, config, ca, operator_file, token_file, .. } = self;
        let token = match self.token {
            Some(token) => format!(
                "Token of operator {administrator}, shown this once. Keep it in {} (chmod 600):\n\n  {token}\n",
                token_file.display()
            ),
            None => format!("Token of operator {administrator}: {}\n", token_file.display()),
        };
        format!(
            "A new broker. VMs pin this identity and this CA (guest.toml):\n\n  identities = [\"{identity}\"]\n  \
             ca: {}\n\n{token}\nNext:\n  vouchsafe serve --config {}\n  vouchsafe secret list --operator {}\n\n\
             Keep a copy of the keyring, keyring.json, apart from copies of the database: who has both has every secret,\n\
             and without the keyring the database is worth nothing.\n",
            ca.display(),
            config.display(),
            operator_file.display(),
        )
    }
}

/// Writes a file that must not exist yet.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    })
    .map_err(|error| Failure::file(path, error))
}
