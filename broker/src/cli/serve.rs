//! `vouchsafe serve`: runs the broker until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::trusted_file;
use crate::hardening::{self, Locked};
use crate::notify::{self, State};
use crate::server::{PreparedListeners, Servers};
use crate::{Broker, BrokerConfig, baselines, checkpoints, health, log, reload, rounds, tls, tokens};

/// SIGTERM and SIGINT stop the broker after the running requests. SIGHUP reloads the configuration, the TLS
/// certificates and the keyring; the log says which changes took effect and which need a restart.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The broker's configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let config = BrokerConfig::load(&self.config)?;
        trusted_file::require_owner(&config.data)?;
        log::start(config.log);
        harden(&config)?;
        let stop_timeout = config.stop_timeout;
        let runtime = runtime()?;
        let served = runtime.block_on(serve(config, self.config));
        runtime.shutdown_timeout(stop_timeout + Duration::from_secs(1));
        served.map(|()| ExitCode::SUCCESS)
    }
}

/// A runtime for the keystore's tasks, separate from the servers' threads.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|source| Failure::System { what: "cannot start", source })
}

async fn serve(config: BrokerConfig, file: PathBuf) -> Result<(), Failure> {
    let failed = |source| Failure::System { what: "signals", source };
    // Installed first: until then a SIGHUP would end the process.
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    // A taken port and an unreadable certificate are reported before anything is fetched or written.
    let listeners = PreparedListeners::bind(&config)?;
    let broker = Broker::open(config).await?;
    health::watch(&broker).await;
    health::leaves::watch(&broker);
    rounds::watch(&broker, baselines::look);
    checkpoints::watch(&broker);
    rounds::watch(&broker, tokens::look);
    let servers = Servers::start(&broker, listeners)?;
    let stop = servers.stop();
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tracing::info!(
        event = "broker.listening",
        guests = %servers.guests,
        operators = %servers.operators,
        identity = %broker.identity(),
    );
    notify::notify(State::Ready);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!(event = "broker.stopping");
        notify::notify(State::Stopping);
        stop.stop().await;
    });
    let (certificates, reloading) = (servers.certificates(), Arc::clone(&broker));
    tls::watch::watch(&broker, certificates.clone());
    let reloads = tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            reload::reload(&file, &reloading, &certificates).await;
        }
    });
    let ended = servers.run().await;
    reloads.abort();
    checkpoints::log(&broker, None);
    broker.close().await;
    tracing::info!(event = "broker.stopped");
    ended.map_err(|source| Failure::System { what: "a listener failed", source })
}

fn harden(config: &BrokerConfig) -> Result<(), Failure> {
    let memory = hardening::protect()
        .map_err(|error| Failure::System { what: "cannot turn core dumps off", source: error.into() })?;
    if memory == Locked::NotAllowed {
        tracing::warn!(
            event = "broker.memory_not_locked",
            "raise `ulimit -l` (LimitMEMLOCK=infinity) or turn swap off: secrets may be swapped out"
        );
    }
    let needed = u64::try_from(config.limits.connections).unwrap_or(u64::MAX).saturating_mul(2);
    if let Some(files) = hardening::raise_open_files().filter(|files| *files < needed) {
        tracing::warn!(event = "broker.few_open_files", files, needed, "raise `ulimit -n` (LimitNOFILE)");
    }
    Ok(())
}
