//! The address of a TPM: a device of the kernel, or a software TPM in tests and demonstrations.

use std::fmt;
#[cfg(feature = "swtpm")]
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::VtpmError;

/// Where a TPM is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TpmAddress {
    /// A character device, written as its path or `device:PATH`.
    Device(PathBuf),
    /// A swtpm on TCP, written `swtpm:host=IP,port=N`; its control channel is at the next port.
    #[cfg(feature = "swtpm")]
    Swtpm {
        /// Address.
        host: IpAddr,
        /// Port of the TPM commands.
        port: u16,
    },
}

/// The text is not a TPM address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {EXPECTED}")]
pub struct AddressError;

impl TpmAddress {
    /// The kernel's TPM: `/dev/tpmrm0` (with resource manager) if it exists, otherwise `/dev/tpm0`.
    ///
    /// # Errors
    /// [`VtpmError::NoDevice`].
    pub fn find() -> Result<Self, VtpmError> {
        DEVICES
            .into_iter()
            .map(Path::new)
            .find(|path| path.exists())
            .map(|path| Self::Device(path.to_owned()))
            .ok_or(VtpmError::NoDevice)
    }

    /// Name of the TPM library's module for it.
    #[must_use]
    pub const fn tcti(&self) -> &'static str {
        match self {
            Self::Device(_) => "device",
            #[cfg(feature = "swtpm")]
            Self::Swtpm { .. } => "swtpm",
        }
    }
}

impl FromStr for TpmAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        #[cfg(feature = "swtpm")]
        if let Some(swtpm) = text.strip_prefix("swtpm:") {
            let (host, port) = swtpm.split_once(',').ok_or(AddressError)?;
            let host = host.strip_prefix("host=").and_then(|host| host.parse().ok());
            let port = port.strip_prefix("port=").and_then(|port| port.parse().ok());
            return host.zip(port).map(|(host, port)| Self::Swtpm { host, port }).ok_or(AddressError);
        }
        let path = text.strip_prefix("device:").unwrap_or(text);
        if !path.starts_with('/') {
            return Err(AddressError);
        }
        Ok(Self::Device(PathBuf::from(path)))
    }
}

/// In the TPM library's notation.
impl fmt::Display for TpmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "device:{}", path.display()),
            #[cfg(feature = "swtpm")]
            Self::Swtpm { host, port } => write!(f, "swtpm:host={host},port={port}"),
        }
    }
}

impl<'de> serde::Deserialize<'de> for TpmAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

const DEVICES: [&str; 2] = ["/dev/tpmrm0", "/dev/tpm0"];
#[cfg(feature = "swtpm")]
const EXPECTED: &str = "a device such as /dev/tpmrm0, or swtpm:host=127.0.0.1,port=2321";
#[cfg(not(feature = "swtpm"))]
const EXPECTED: &str = "a device such as /dev/tpmrm0: this build connects to no software TPM";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_or_a_swtpm() {
        let device = TpmAddress::Device(PathBuf::from("/dev/tpmrm0"));
        assert_eq!("/dev/tpmrm0".parse(), Ok(device.clone()));
        assert_eq!("device:/dev/tpmrm0".parse(), Ok(device));
        let swtpm = "swtpm:host=127.0.0.1,port=2321";
        let parsed = swtpm.parse::<TpmAddress>().ok().map(|swtpm| swtpm.to_string());
        assert_eq!(parsed.as_deref(), cfg!(feature = "swtpm").then_some(swtpm));
        for text in
            ["", "tpm0", "device:", "swtpm:", "swtpm:host=::1", "swtpm:host=localhost,port=1", "mssim:"]
        {
            assert_eq!(text.parse::<TpmAddress>(), Err(AddressError), "{text}");
        }
    }
}
