//! The log: events with fields, to standard error. Never secrets, tokens, evidence or paths of secrets.

pub(crate) mod sampled;

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Starts logging. A second call has no effect.
pub fn start(config: LogConfig) {
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(config.level)).with_writer(std::io::stderr);
    // An error means that logging was already started in this process.
    let _already = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Human => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
}

fn filter(level: LogLevel) -> EnvFilter {
    // Libraries log only warnings and errors.
    let others = if level == LogLevel::Error { "error" } else { "warn" };
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    let own = ["vouchsafe_broker", "vouchsafe_keystore", "vouchsafe_attestation"]
        .map(|own| format!(",{own}={level}"));
    // A fault in a connection or a request is caused by its client; it is logged once for each.
    EnvFilter::new(format!("{others},actix_http=off{}", own.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lines::Lines;

    #[test]
    fn t54_malformed_connections_of_strangers_write_no_lines() {
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug] {
            let lines = Lines::default();
            tracing::subscriber::with_default(lines.subscriber(filter(level)), || {
                tracing::error!(target: "actix_http::h1::dispatcher", "stream error");
                tracing::error!(target: "actix_server::accept", "no more files");
                tracing::error!(target: "vouchsafe_broker::server", "own");
            });
            let text = lines.text();
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(!text.contains("stream error"), "{text}");
        }
    }
}
