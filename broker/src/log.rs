//! The log: events with fields, to standard error. Never secrets, tokens, evidence or paths of secrets.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Starts logging. A second call changes nothing.
pub fn start(config: LogConfig) {
    let level = match config.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    // Libraries only speak up when something is wrong.
    let others = if config.level == LogLevel::Error { "error" } else { "warn" };
    let own = ["vouchsafe_broker", "vouchsafe_keystore", "vouchsafe_attestation"]
        .map(|own| format!(",{own}={level}"));
    let filter = EnvFilter::new(format!("{others}{}", own.concat()));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error means that something in this process logs already.
    let _already = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Human => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
}
