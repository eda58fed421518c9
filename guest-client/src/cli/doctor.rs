//! `vouchsafe-guest doctor`

use std::path::Path;
use std::process::ExitCode;

use vouchsafe_guest_client::client::{Pace as _, SystemPace};
use vouchsafe_guest_client::config::{BrokerUrl, DEFAULT_PATH};
use vouchsafe_guest_client::{GuestConfig, doctor};
use vouchsafe_protocol::UnixTime;
use vouchsafe_protocol::text::printable_json;

use super::failure::Failure;
use crate::deliver::descriptor::Sink;

#[derive(clap::Args)]
pub(super) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Also request a token from Google Cloud Attestation, and show its claims.
    #[arg(long)]
    google: bool,
}

pub(super) fn run(path: &Path, command: &Doctor) -> Result<ExitCode, Failure> {
    // A faulty configuration does not prevent checks of the machine.
    let absent = path == Path::new(DEFAULT_PATH) && !path.exists();
    let config = (!absent).then(|| GuestConfig::read(path));
    let read = config.as_ref().and_then(|config| config.as_ref().ok());
    let collect = read.map(|config| config.collect.clone()).unwrap_or_default();
    let mut diagnosis = doctor::examine(Path::new("/"), &collect);
    let mut audience = NO_AUDIENCE;
    diagnosis.add_configuration(path, config.as_ref().map(|config| config.as_ref().map(drop)));
    if let Some(config) = read {
        diagnosis.check_boot(Path::new("/"), &config.keys);
        diagnosis.check_updates(&config.keys, config.updates.as_ref());
        diagnosis.ask_brokers(config, now);
        audience = config.client.brokers.first().map_or(NO_AUDIENCE, BrokerUrl::origin);
    }
    if command.google {
        diagnosis.ask_google(&collect, audience);
    }
    let text = if command.json {
        let json =
            serde_json::to_string_pretty(&diagnosis).expect("findings have only types that JSON can hold");
        printable_json(&json) + "\n"
    } else {
        diagnosis.to_string()
    };
    Sink::open(None)?.write(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(!diagnosis.is_ready())))
}

/// This machine's clock, for comparison with a broker's, and to say how long something lasts. No decision depends on it.
pub(super) fn now() -> UnixTime {
    SystemPace::start().now()
}

/// Audience of a token that is only displayed.
const NO_AUDIENCE: &str = "https://doctor.invalid";
