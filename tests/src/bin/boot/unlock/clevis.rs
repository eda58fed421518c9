//! A volume that Clevis opens.

use std::fs;

use super::debian::Debian;
use super::volume::{KEY, VOLUME};

/// A change of the header: the pin, whose key the broker keeps. The running system is refused that key, so it comes from a file.
pub(super) fn bind(debian: &Debian, key: &[u8; 32]) -> anyhow::Result<()> {
    fs::write(debian.path(BROKER_KEY), key)?;
    bind_to(debian, "vouchsafe", &format!("{{\"volume\":\"root\",\"key_file\":\"/{BROKER_KEY}\"}}"))?;
    Ok(fs::remove_file(debian.path(BROKER_KEY))?)
}

/// A change of the header: any pin with its configuration.
pub(super) fn bind_to(debian: &Debian, pin: &str, configuration: &str) -> anyhow::Result<()> {
    let (volume, key) = (format!("/{VOLUME}"), format!("/{KEY}"));
    debian.run(["clevis", "luks", "bind", "-y", "-d", &volume, "-k", &key, pin, configuration])?;
    Ok(())
}

const BROKER_KEY: &str = "srv/broker-key";
