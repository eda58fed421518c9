//! What broker and guest ask of the machine they run on, once for both.
//!
//! | what | module |
//! |---|---|
//! | keep secrets out of swap and core dumps | [`memory`] |
//! | read certificates from PEM files | [`pem`] |
//! | HTTP requests that nothing in the environment leads elsewhere | [`http`] |
//!
//! Nothing here verifies evidence or decides anything.

pub mod http;
pub mod memory;
pub mod pem;
