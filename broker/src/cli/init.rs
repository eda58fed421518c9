//! `vouchsafe init`: creates a new broker in an empty directory, completely or not at all.

mod created;
mod host;
mod kms;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use vouchsafe_keystore::registry::{OpenError, OperatorToken, TokenLifetime};
use vouchsafe_keystore::{Keyring, Keystore};
use vouchsafe_protocol::{BrokerIdentity, UnixTime};
use zeroize::Zeroizing;

use self::created::Created;
use self::host::Host;
use self::kms::KmsOptions;
use super::failure::Failure;
use super::{client, operator, output, serve, trusted_file, when};
use crate::config::{Listener, LogConfig, LogFormat, LogLevel};
use crate::keyring_home::KeyringHome;
use crate::{clock, log, random, tls};

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Directory for all of the broker's data. It is created, or must be empty, belong to you or root, and
    /// not be writable by other users.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address of the listener for VMs; IPv6 as `[::]:8443`.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    guests: SocketAddr,
    /// Address of the listener for operators. The TLS certificate always includes it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8444")]
    operators: SocketAddr,
    /// Name or address at which VMs reach the broker, for its TLS certificate and URLs; repeat it for several.
    /// Without it, only this machine can connect.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<Host>,
    /// TLS certificate chain to use instead of a new one, PEM. It must be valid for every --host.
    #[arg(long, value_name = "FILE", requires_all = ["key", "ca", "hosts"])]
    certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// CA of that certificate, PEM, for guests and operators.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    ca: Option<PathBuf>,
    /// File of the root keyring, outside of the data directory: used if it is there, or else created. The configuration names it.
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// Do nothing if the directory has a broker already: for a start that may be repeated, such as that of a container.
    #[arg(long)]
    keep_existing: bool,
    /// Name of the first operator, an administrator.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    administrator: String,
    /// How long the first operator's token is valid: a duration such as 30d, at most 366d, or `never`.
    /// `vouchsafe operator rotate` replaces it before its end, `vouchsafe recover-admin` afterwards.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = when::lifetime)]
    expires_in: TokenLifetime,
    /// Also write the first operator's token to this new file (0600), for programs that cannot read an operator file.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    kms: KmsOptions,
}

/// What `init` has created.
#[derive(Serialize)]
struct Made {
    identity: BrokerIdentity,
    config: PathBuf,
    ca: PathBuf,
    guest_folder: PathBuf,
    operator_file: PathBuf,
    /// When the operator's token ends; absent if it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<UnixTime>,
    /// Only if a token file was requested in addition to the operator file.
    token_file: Option<PathBuf>,
}

/// The TLS files of a listener.
#[derive(Clone)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

/// TLS files of both listeners; the same unless a given certificate does not cover the operators' address.
struct Listeners {
    guests: Tls,
    operators: Tls,
}

impl Init {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let database = self.data.join("keystore.db");
        if self.keep_existing && database.exists() {
            return output::print(&format!(
                "There is a broker in {} already: nothing was changed.\n",
                self.data.display()
            ));
        }
        let given = self.given_tls()?;
        let kms = self.kms.section()?;
        // Warnings about Cloud KMS.
        log::start(LogConfig { format: LogFormat::Human, level: LogLevel::Warn });
        random::warm().map_err(|error| Failure::Usage(error.to_string()))?;
        let mut created = Created::default();
        let data = self.folder(&mut created)?;
        let tls = self.tls(&data, given, &mut created)?;
        let now = clock::now();
        let expires_at = self.expires_in.end(now).map_err(|error| Failure::Usage(error.to_string()))?;
        let (identity, token) = self.keystore(&data, now, &mut created)?;
        let token_file = self.token_file(&token, &mut created)?;
        let config = data.join("broker.toml");
        let text = self.config(&data, &tls)? + &kms;
        created.write(&config, text.as_bytes())?;
        let operator_file = data.join("operator.toml");
        created.write(&operator_file, self.operator_file(&tls.operators, &token)?.as_bytes())?;
        let guest_folder = self.guest_folder(&data, &tls.guests, identity, &mut created)?;
        let ca = tls.guests.ca;
        let made = Made { identity, config, ca, guest_folder, operator_file, expires_at, token_file };
        let printed = if json { output::print_json(&made) } else { output::print(&made.human(&self)) }?;
        created.keep();
        Ok(printed)
    }

    /// The given hosts, or this machine's name for the guests' listener.
    fn hosts(&self) -> Vec<Host> {
        let ip = self.guests.ip();
        match self.hosts.as_slice() {
            [] if ip.is_loopback() || ip.is_unspecified() => {
                let loopback = if ip.is_ipv6() { "::1" } else { "127.0.0.1" };
                let loopback = loopback.parse().map(Host::Address).into_iter();
                std::iter::once(Host::Name("localhost".to_owned())).chain(loopback).collect()
            }
            [] => vec![Host::Address(ip)],
            given => given.to_vec(),
        }
    }

    /// The host that operators connect to: the listening address, or the first host when that is the
    /// unspecified address.
    fn operators_host(&self) -> Host {
        let ip = self.operators.ip();
        let first = || self.hosts().into_iter().next();
        Some(ip)
            .filter(|ip| !ip.is_unspecified())
            .map(Host::Address)
            .or_else(first)
            .unwrap_or(Host::Address(ip))
    }

    /// The data directory: absolute, writable only by its owner, and without a broker in it.
    fn folder(&self, created: &mut Created) -> Result<PathBuf, Failure> {
        let failed = |error| Failure::file(&self.data, error);
        created.folder(&self.data)?;
        trusted_file::check_folder(&self.data)?;
        if fs::read_dir(&self.data).map_err(failed)?.next().is_some() {
            return Err(Failure::file(
                &self.data,
                "is not empty: choose another folder, or remove what an interrupted init left",
            ));
        }
        fs::canonicalize(&self.data).map_err(failed)
    }

    /// The certificate that was passed in, which must be valid for every host.
    fn given_tls(&self) -> Result<Option<Tls>, Failure> {
        let (Some(certificate), Some(key), Some(ca)) = (&self.certificate, &self.key, &self.ca) else {
            return Ok(None);
        };
        let absolute = |path: &Path| fs::canonicalize(path).map_err(|error| Failure::file(path, error));
        let given = Tls { certificate: absolute(certificate)?, key: absolute(key)?, ca: absolute(ca)? };
        let usage = |error: tls::TlsError| Failure::Usage(error.to_string());
        let (certificate, key) = (given.certificate.clone(), given.key.clone());
        tls::load(&Listener { listen: self.guests, certificate, key, proxies: Vec::new() }).map_err(usage)?;
        tls::certificates(&given.ca).map_err(usage)?;
        for host in self.hosts() {
            if !tls::is_for(&given.certificate, &host.to_string()).map_err(usage)? {
                return Err(Failure::file(&given.certificate, format!("the certificate is not for {host}")));
            }
        }
        Ok(Some(given))
    }

    fn tls(&self, data: &Path, given: Option<Tls>, created: &mut Created) -> Result<Listeners, Failure> {
        let folder = data.join("tls");
        let operators = self.operators_host();
        let Some(given) = given else {
            let mut hosts = self.hosts();
            if !hosts.contains(&operators) {
                hosts.push(operators);
            }
            let new = new_tls(&folder, "", &hosts, created)?;
            return Ok(Listeners { guests: new.clone(), operators: new });
        };
        let covers = tls::is_for(&given.certificate, &operators.to_string());
        if covers.map_err(|error| Failure::Usage(error.to_string()))? {
            return Ok(Listeners { guests: given.clone(), operators: given });
        }
        let operators = new_tls(&folder, "operators-", &[operators], created)?;
        Ok(Listeners { guests: given, operators })
    }

    fn keystore(
        &self,
        data: &Path,
        now: UnixTime,
        created: &mut Created,
    ) -> Result<(BrokerIdentity, OperatorToken), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::file(data, error);
        let database = data.join("keystore.db");
        let keyring = self.root_keyring(data, now, created)?;
        serve::runtime()?.block_on(async {
            let keystore = Keystore::create(&database, keyring).await;
            if !matches!(keystore, Err(OpenError::Exists { .. })) {
                for end in [".db", ".db-wal", ".db-shm", ".db.lock", ".head"] {
                    created.file(&data.join(format!("keystore{end}")));
                }
            }
            let keystore = keystore.map_err(|error| failed(&error))?;
            let token = keystore.add_first_administrator(&self.administrator, self.expires_in, now).await;
            let token = token.map_err(|error| failed(&error))?;
            let identity = keystore.identity().await.map_err(|error| failed(&error))?.identity();
            keystore.close().await;
            Ok((identity, token))
        })
    }

    /// Where the root keyring is.
    fn keyring_file(&self, data: &Path) -> Result<PathBuf, Failure> {
        let Some(file) = &self.keyring else { return Ok(data.join("keyring.json")) };
        std::path::absolute(file).map_err(|error| Failure::file(file, error))
    }

    /// The given keyring, or a new one.
    fn root_keyring(&self, data: &Path, now: UnixTime, created: &mut Created) -> Result<Keyring, Failure> {
        let file = self.keyring_file(data)?;
        let failed = |error: &dyn std::fmt::Display| Failure::file(data, error);
        if self.keyring.is_some() && file.try_exists().unwrap_or(true) {
            return self.kms.existing(&KeyringHome::File(file));
        }
        let keyring = Keyring::generate(now).map_err(|error| failed(&error))?;
        match self.kms.wrapped(&keyring)? {
            Some(wrapped) => wrapped.create(&file),
            None => keyring.create(&file),
        }
        .map_err(|error| failed(&error))?;
        created.file(&file);
        Ok(keyring)
    }

    /// Writes the token to a separate file, for programs that cannot read an operator file.
    fn token_file(&self, token: &OperatorToken, created: &mut Created) -> Result<Option<PathBuf>, Failure> {
        let Some(path) = &self.token_file else { return Ok(None) };
        created.write(path, token.expose().as_bytes())?;
        fs::canonicalize(path).map(Some).map_err(|error| Failure::file(path, error))
    }

    fn config(&self, data: &Path, tls: &Listeners) -> Result<String, Failure> {
        let keyring = match &self.keyring {
            Some(_) => format!("keyring = {:?}\n", self.keyring_file(data)?),
            None => String::new(),
        };
        let listener = |address, tls: &Tls| {
            format!("listen = \"{address}\"\ncertificate = {:?}\nkey = {:?}\n", tls.certificate, tls.key)
        };
        Ok(format!(
            "# Written by `vouchsafe init`. Every other key and its default: config/broker.toml of the source.\n\
             data = {data:?}\n{keyring}urls = {:?}\n\n[guests]\n{}\n[operators]\n{}",
            self.urls(),
            listener(self.guests, &tls.guests),
            listener(self.operators, &tls.operators),
        ))
    }

    /// The URLs of the guests' listener.
    fn urls(&self) -> Vec<String> {
        let url = |host: &Host| format!("https://{}:{}", host.authority(), self.guests.port());
        self.hosts().iter().map(url).collect()
    }

    fn operator_file(&self, tls: &Tls, token: &OperatorToken) -> Result<Zeroizing<String>, Failure> {
        let server = format!("https://{}:{}", self.operators_host().authority(), self.operators.port());
        let ca = fs::read_to_string(&tls.ca).map_err(|error| Failure::file(&tls.ca, error))?;
        Ok(client::operator_file(&server, &ca, token.expose()))
    }

    /// The files for a VM's /etc/vouchsafe.
    fn guest_folder(
        &self,
        data: &Path,
        tls: &Tls,
        identity: BrokerIdentity,
        created: &mut Created,
    ) -> Result<PathBuf, Failure> {
        let folder = data.join("guest");
        created.folder(&folder)?;
        let ca = fs::read(&tls.ca).map_err(|error| Failure::file(&tls.ca, error))?;
        created.write(&folder.join("ca.pem"), &ca)?;
        let text = format!(
            "# Configuration of vouchsafe-guest: goes to /etc/vouchsafe in the VM, together with ca.pem. Every other key\n\
             # and its default: guest-client/guest.sample.toml of the source.\n\
             brokers = {:?}\nidentities = [\"{identity}\"]\nca = \"/etc/vouchsafe/ca.pem\"\n",
            self.urls(),
        );
        created.write(&folder.join("guest.toml"), text.as_bytes())?;
        Ok(folder)
    }
}

/// A new CA, and a certificate from it for these hosts.
fn new_tls(folder: &Path, prefix: &str, hosts: &[Host], created: &mut Created) -> Result<Tls, Failure> {
    let hosts: Vec<_> = hosts.iter().map(Host::to_string).collect();
    let made = tls::SelfSigned::generate(&hosts, clock::now())
        .map_err(|error| Failure::Usage(format!("--host: {error}")))?;
    created.folder(folder)?;
    let file = |name: &str| folder.join(format!("{prefix}{name}.pem"));
    let files = Tls { certificate: file("certificate"), key: file("key"), ca: file("ca") };
    created.write(&files.key, made.key.as_bytes())?;
    created.write(&files.certificate, made.certificate.as_bytes())?;
    created.write(&files.ca, made.ca.as_bytes())?;
    // With it the broker renews the certificate.
    created.write(&file("ca-key"), made.ca_key.as_bytes())?;
    Ok(files)
}

impl Made {
    fn human(&self, Init { administrator, hosts, keyring, kms, .. }: &Init) -> String {
        let Self { identity, config, guest_folder, operator_file, expires_at, .. } = self;
        let wrapped = kms.kms.as_ref().map_or_else(String::new, |key| {
            format!(
                "\nThe keyring is wrapped by {key}. If that key is lost, so is every secret, unless you keep a copy of the keyring that\n\
                 is not wrapped in a safe place: vouchsafe keyring unwrap --out FILE --config {}\n",
                config.display()
            )
        });
        let unreachable = if hosts.is_empty() {
            "\nNo --host was given: its certificate and guest.toml have only an address of this machine. For VMs elsewhere,\n\
             run `vouchsafe init` in another folder with --host NAME.\n"
        } else {
            ""
        };
        format!(
            "A new broker, with identity {identity}.\n\nFor VMs, to be copied to /etc/vouchsafe there:\n\n  \
             {0}/guest.toml\n  {0}/ca.pem\n\nServer, CA and token of operator {administrator}, which {4}: {2}\n\nNext:\n  vouchsafe serve --config {1}\n  \
             vouchsafe secret list --operator {2}\n\n\
             Back up the keyring, {3}, separately from the database: both together hold every secret, and\n\
             without the keyring the database cannot be read.\n{wrapped}{unreachable}",
            guest_folder.display(),
            config.display(),
            operator_file.display(),
            keyring.clone().unwrap_or_else(|| config.with_file_name("keyring.json")).display(),
            operator::end(*expires_at),
        )
    }
}
