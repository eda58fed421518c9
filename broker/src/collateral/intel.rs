//! Addresses of Intel's Provisioning Certification Service, version 4, and of any cache of it (PCCS).

use vouchsafe_attestation::collateral::TdxPart;
use vouchsafe_attestation::tdx::Platform;

/// The address of a part, below that of the service.
pub(super) fn url(base: &str, part: TdxPart, platform: &Platform, root_crl: &str) -> String {
    let fmspc = hex::encode(platform.fmspc);
    let ca = platform.ca.name();
    match part {
        TdxPart::TcbInfo => format!("{base}/tdx/certification/v4/tcb?fmspc={fmspc}"),
        TdxPart::QeIdentity => format!("{base}/tdx/certification/v4/qe/identity"),
        TdxPart::PckCrl => format!("{base}/sgx/certification/v4/pckcrl?ca={ca}&encoding=der"),
        TdxPart::RootCrl => root_crl.to_owned(),
    }
}
