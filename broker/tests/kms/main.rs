//! Root keys wrapped by a key in Cloud KMS, against a service that checks every member of a request.

#[cfg(test)]
mod client;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod process;
#[cfg(test)]
#[expect(dead_code, reason = "other tests of processes use more of it")]
#[path = "../support/mod.rs"]
mod support;
