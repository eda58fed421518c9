//! `vouchsafe verify tdx`: an Intel TDX quote, with its CCEL event log.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use vouchsafe_attestation::tdx::{self, TdxCollateral, TdxCollateralStore};
use vouchsafe_attestation::{Expected, inspect_tdx};
use vouchsafe_protocol::limits::{MAX_EVENT_LOG, MAX_REQUEST};

use super::super::encoded;
use super::super::failure::Failure;
use super::arguments::{By, Hex};
use super::verdict::verdict;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("binding").required(true))]
pub(super) struct Tdx {
    /// The quote; zeros may follow it.
    #[arg(long, value_name = "FILE")]
    quote: PathBuf,
    /// The CCEL event log, to be replayed to the quote's RTMRs; 0xFF may follow it.
    #[arg(long, value_name = "FILE")]
    ccel: Option<PathBuf>,
    /// A launch endorsement of Google's, for its MRTD.
    #[arg(long, value_name = "FILE")]
    endorsement: Vec<PathBuf>,
    /// Expected report data, 128 hex digits.
    #[arg(long, value_name = "HEX", group = "binding")]
    report_data: Option<Hex<64>>,
    /// Skip the check of the nonce or report data, and only print the claims.
    #[arg(long, group = "binding")]
    inspect: bool,
    #[command(flatten)]
    by: By,
}

impl Tdx {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let judge = self.by.open_with(&self.endorsement)?;
        let quote = encoded::read(&self.quote, MAX_REQUEST)?;
        let collateral = of_platform(&judge.endorsements.tdx, &quote);
        if collateral.is_none() && !self.inspect {
            return Err(Failure::Usage(
                "give Intel's collateral for the platform with --collateral, or only --inspect the quote"
                    .to_owned(),
            ));
        }
        // A log that is too large is refused like any other malformed evidence.
        let ccel = self.ccel.map(|path| encoded::read(&path, 8 * MAX_EVENT_LOG)).transpose()?.map(Into::into);
        let expected = self.report_data.as_ref().map_or(Expected::Waived, |data| Expected::Exactly(&data.0));
        verdict(inspect_tdx(&quote, collateral, ccel.as_ref(), expected, &judge.inputs()))
    }
}

/// The collateral for the platform that the quote names. If all of it is for other platforms, one of them: the
/// verifier then says for which.
fn of_platform<'s>(store: &'s TdxCollateralStore, quote: &[u8]) -> Option<&'s TdxCollateral> {
    let named = tdx::platform(quote).ok().and_then(|platform| store.get(&platform));
    let any = || store.platforms().next().and_then(|platform| store.get(platform));
    named.or_else(any).map(Arc::as_ref)
}
