//! Arguments that several kinds of evidence have.

use std::path::PathBuf;

use clap::Args;

use super::super::failure::Failure;
use super::super::judge::{Files, Judge};
use super::super::when::When;
use crate::clock;

/// What evidence is verified against, in addition to the built-in anchors.
#[derive(Debug, Args)]
pub(super) struct By {
    /// Issuing CAs and CRLs, PEM or DER; Intel's collateral for a TDX platform and key sets of tokens; bundles of `collateral export`
    #[arg(long, alias = "cert", value_name = "FILE")]
    collateral: Vec<PathBuf>,
    /// Trust anchors in addition to the built-in ones; they give the root `extra`.
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// The time to verify at: 2026-11-29T10:00Z, a date, a duration such as 2h before now, or seconds since 1970;
    /// default: now.
    #[arg(long, value_name = "TIME")]
    at: Option<When>,
}

impl By {
    pub(super) fn open(&self) -> Result<Judge, Failure> {
        self.open_with(&[])
    }

    pub(super) fn open_with(&self, endorsements: &[PathBuf]) -> Result<Judge, Failure> {
        let now = self.at.map_or_else(clock::now, |When(at)| at);
        let (anchors, collateral) = (&self.anchor, &self.collateral);
        Judge::open(&Files { anchors, collateral, endorsements, ..Files::default() }, now)
    }
}

/// Exactly N bytes in hex.
#[derive(Clone, Debug)]
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

/// Bytes in hex.
#[derive(Clone, Debug)]
pub(super) struct HexBytes(pub(super) Vec<u8>);

impl<const N: usize> std::str::FromStr for Hex<N> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| format!("expected {} hex digits", 2 * N))?;
        Ok(Self(bytes))
    }
}

impl std::str::FromStr for HexBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        hex::decode(text).map(Self).map_err(|_| "expected hex digits".to_owned())
    }
}
