//! `vouchsafe-guest evidence`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vouchsafe_guest_client::config::{BrokerUrl, CollectConfig, DEFAULT_PATH};
use vouchsafe_guest_client::evidence::CaptureBinding;
use vouchsafe_guest_client::hardware::tdx;
use vouchsafe_guest_client::vtpm::TpmAddress;
use vouchsafe_guest_client::{GuestConfig, LocalEvidence, platform};
use vouchsafe_protocol::Evidence;

use super::console;
use super::failure::Failure;
use crate::deliver::descriptor::Sink;
use crate::deliver::private_file::{Destination, Folder, Permissions};

#[derive(clap::Args)]
pub(super) struct Capture {
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

pub(super) fn run(config: &Path, command: Capture) -> Result<ExitCode, Failure> {
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
    // Without a configuration there is no broker, and no token is requested.
    let audience = command.audience.or(broker).map(|url| url.origin().to_owned()).unwrap_or_default();
    // An operator uses the capture; the folder may belong to another user.
    let open = |file: &PathBuf| Destination::open(file, Permissions::OWNER, None, Folder::Any);
    let destination = command.output.as_ref().map(open).transpose()?;
    let mut source = LocalEvidence::open(&collect)?
        .on_remark(|text| console::note(&format!("Google Cloud Attestation: {text}")));
    let (evidence, binding) = source.capture(&nonce, &audience)?;
    let mut json = serde_json::to_vec_pretty(&evidence).expect("evidence has only types that JSON can hold");
    json.push(b'\n');
    match destination {
        Some(file) => file.write(&json)?,
        None => Sink::open(None)?.write(&json)?,
    }
    for line in binding_lines(&evidence, &binding, &audience) {
        console::note(&line);
    }
    Ok(ExitCode::SUCCESS)
}

/// The options that `vouchsafe verify` needs for captured evidence.
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

/// The configuration for evidence, and the first broker. If there is no file at the default path, the
/// defaults, so that evidence can be captured before there is a broker.
fn collect_config(path: &Path) -> Result<(CollectConfig, Option<BrokerUrl>), Failure> {
    if path == Path::new(DEFAULT_PATH) && !path.exists() {
        return Ok((CollectConfig::default(), None));
    }
    let config = GuestConfig::read(path)?;
    Ok((config.collect, config.client.brokers.first().cloned()))
}

fn parse_nonce(text: &str) -> Result<[u8; 32], &'static str> {
    let mut nonce = [0; 32];
    hex::decode_to_slice(text, &mut nonce).map_err(|_| "expected 64 hex digits")?;
    Ok(nonce)
}
