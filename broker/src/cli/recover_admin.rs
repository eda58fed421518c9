//! `vouchsafe recover-admin`: a new administrator, made with the keyring and the database.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use vouchsafe_keystore::Keystore;
use vouchsafe_keystore::registry::{OperatorError, OperatorToken, TokenLifetime};
use vouchsafe_protocol::UnixTime;

use super::failure::Failure;
use super::offline::Offline;
use super::{client, operator, output, serve, when};
use crate::api::operators::AddedOperator;
use crate::broker::StartError;
use crate::{BrokerConfig, clock, log, tls};

/// Stop the broker first, and run this as its user. The decision log gets a record with the action
/// `operator.recover`, which no operator can make. Accounts whose tokens are lost stay until you remove them.
#[derive(Debug, Args)]
pub(super) struct RecoverAdmin {
    /// Name of the new administrator, which no operator has.
    name: String,
    #[command(flatten)]
    offline: Offline,
    /// Operator file (server, CA and token) to write: a new file (0600).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long the token is valid: a duration such as 30d, at most 366d, or `never`.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = when::lifetime)]
    expires_in: TokenLifetime,
    /// URL of the operators' listener; default: the address in the configuration.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// CA of the operators' TLS certificate, PEM; default: the one that `init` wrote beside the certificate.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl RecoverAdmin {
    pub(super) fn run(self, json: bool) -> Result<ExitCode, Failure> {
        let config = self.offline.load()?;
        log::start(config.log);
        let (server, ca) = (self.server(&config)?, self.ca(&config)?);
        let now = clock::now();
        let expires_at = self.expires_in.end(now).map_err(|error| Failure::Usage(error.to_string()))?;
        // Created first: once the account is there, its token must not be lost.
        let mut file = output::new_private(&self.out)?;
        let token = self.recover(&config, now).inspect_err(|_| {
            // It is empty. If it stays, the next attempt names it.
            let _stays = fs::remove_file(&self.out);
        })?;
        let text = client::operator_file(&server, &ca, token.expose());
        if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
            output::note(&format!("vouchsafe: {}", Failure::file(&self.out, error)));
            let answer = json!({ "name": self.name, "token": token.expose(), "expires_at": expires_at });
            return output::show(json, answer, |added: AddedOperator<'_>| operator::token(&added));
        }
        let answer = json!({ "name": self.name, "operator_file": self.out, "expires_at": expires_at });
        output::show(json, answer, |_: Value| self.human(&operator::end(expires_at)))
    }

    fn recover(&self, config: &BrokerConfig, now: UnixTime) -> Result<OperatorToken, Failure> {
        let keyring = config.load_keyring().map_err(StartError::from)?;
        serve::runtime()?.block_on(async {
            let keystore = Keystore::open(&config.database(), keyring).await.map_err(StartError::from)?;
            let token = keystore.recover_administrator(&self.name, self.expires_in, now).await;
            keystore.close().await;
            token.map_err(|error| match error {
                OperatorError::Exists { name } => Failure::Usage(format!(
                    "operator {name} already exists: choose another name, and remove {name} with `vouchsafe operator remove` \
                     once you have access"
                )),
                OperatorError::Store(error) => StartError::from(error).into(),
                other => Failure::Usage(other.to_string()),
            })
        })
    }

    fn server(&self, config: &BrokerConfig) -> Result<String, Failure> {
        let listen = config.operators.listen;
        match &self.server {
            Some(server) => Ok(server.clone()),
            None if listen.ip().is_unspecified() || listen.port() == 0 => Err(Failure::Usage(format!(
                "the operators' listener is at {listen}, which is not an address to connect to: give its URL with --server"
            ))),
            None => Ok(format!("https://{listen}")),
        }
    }

    /// The CA of the operators' listener, PEM.
    fn ca(&self, config: &BrokerConfig) -> Result<String, Failure> {
        let given = self.ca.clone().or_else(|| tls::ca_beside(&config.operators.certificate));
        let ca = given.ok_or_else(|| {
            Failure::Usage("give the CA of the operators' TLS certificate with --ca FILE".to_owned())
        })?;
        tls::certificates(&ca).map_err(|error| Failure::Usage(error.to_string()))?;
        fs::read_to_string(&ca).map_err(|error| Failure::file(&ca, error))
    }

    fn human(&self, end: &str) -> String {
        let out = self.out.display();
        format!(
            "Administrator {name} was added. Server, CA and token, which {end}: {out}\n\nStart the broker. The file \
             belongs to the user who ran this, and a file of another user is refused. As root, take it:\n\n  install -m 600 {out} {name}.toml && rm \
             {out}\n\nThen remove accounts whose tokens are lost, and put the file in the place of the old one:\n\n  vouchsafe operator list \
             --operator {name}.toml\n  vouchsafe operator remove NAME --operator {name}.toml\n  install -D -m 600 {name}.toml \
             ~/.config/vouchsafe/operator.toml && rm {name}.toml\n",
            name = self.name
        )
    }
}
