//! What broker and guest share for dealing with the operating system and the network.
//!
//! | what | module |
//! |---|---|
//! | keep secrets out of swap and core dumps | [`memory`] |
//! | read certificates from PEM files | [`pem`] |
//! | refuse files that other users may change or read | [`trusted_file`] |
//! | open what the service manager hands to a service | [`credentials`] |
//! | HTTP agents without proxies and redirects | [`http`] |
//! | read the header of a proxy in front of a listener | [`proxy`] |
//!
//! Nothing here verifies evidence or decides anything.

pub mod credentials;
pub mod http;
pub mod memory;
pub mod pem;
pub mod proxy;
pub mod trusted_file;
