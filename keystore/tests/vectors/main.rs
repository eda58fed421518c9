//! Known answers for formats that the keystore keeps for years, in `keystore/vectors/`:
//!
//! - `keyring.json`, `database.sql`: a database written by an earlier version. Every later version must open
//!   it and release the secrets in `known.json`.
//! - `row-macs.json`: for each kind of row the input of its MAC, and the MAC under the row key of that keyring.
//! - `log-records.json`: records of the decision log and their hashes as leaves, byte for byte.
//!
//! `cargo test -p vouchsafe-keystore --test vectors -- --ignored` writes them again. Do that only together
//! with a new version in the labels or a migration.

#[cfg(test)]
mod layouts;
#[cfg(test)]
mod opened;
#[cfg(test)]
mod records;
#[cfg(test)]
mod resealed;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod write;
