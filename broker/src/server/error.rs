//! Why the listeners do not start.

use std::io;
use std::net::SocketAddr;

use crate::tls::TlsError;

/// Why the listeners could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address.
    #[error("cannot listen on {address}: {source}; {}", advice(source, section))]
    Listen {
        /// The section of the configuration.
        section: &'static str,
        /// The listener.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// What to do about an address that cannot be used.
fn advice(error: &io::Error, section: &str) -> String {
    let change = format!("change `listen` in [{section}] of the configuration");
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("stop the process that uses it, or {change}"),
        io::ErrorKind::AddrNotAvailable => format!("this machine has no such address: {change}"),
        io::ErrorKind::PermissionDenied => {
            format!("give the broker CAP_NET_BIND_SERVICE for ports below 1024, or {change}")
        }
        _ => change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_used_comes_with_advice() {
        for (kind, advice) in [
            (io::ErrorKind::AddrInUse, "stop the process that uses it, or change `listen` in [guests]"),
            (
                io::ErrorKind::AddrNotAvailable,
                "this machine has no such address: change `listen` in [guests]",
            ),
            (
                io::ErrorKind::PermissionDenied,
                "CAP_NET_BIND_SERVICE for ports below 1024, or change `listen`",
            ),
            (io::ErrorKind::OutOfMemory, "change `listen` in [guests] of the configuration"),
        ] {
            let address = SocketAddr::from(([10, 0, 0, 5], 8443));
            let said = ServeError::Listen { section: "guests", address, source: kind.into() }.to_string();
            assert!(said.starts_with("cannot listen on 10.0.0.5:8443: "), "{said}");
            assert!(said.contains(advice), "{said}");
        }
    }
}
