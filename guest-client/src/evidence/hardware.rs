//! Hardware reports, and their conversion to evidence.

use vouchsafe_protocol::evidence::TdxEvidence;
use vouchsafe_protocol::{Bytes, SevSnpEvidence};

use super::error::CollectError;
use crate::config::CollectConfig;
use crate::hardware::{
    Guid, HardwareError, HardwareKind, HardwareReport, HardwareReporter, SnpReport, TdxQuote, TsmError,
    open_snp, open_tdx,
};

pub(super) fn open(
    kind: HardwareKind,
    config: &CollectConfig,
) -> Result<Box<dyn HardwareReporter>, CollectError> {
    let opened = match kind {
        HardwareKind::SevSnp => open_snp(config.sev_snp.tsm.clone()),
        HardwareKind::Tdx => open_tdx(config.tdx.tsm.clone(), config.tdx.ccel()),
    };
    opened.map_err(|source| CollectError::Hardware { kind, source })
}

pub(super) fn report(
    device: &mut dyn HardwareReporter,
    data: &[u8; 64],
) -> Result<HardwareReport, CollectError> {
    let kind = device.kind();
    device.report(data).map_err(|source| CollectError::Hardware { kind, source })
}

/// `None` if there is no device; every other error is returned.
pub(super) fn if_present(
    opened: Result<Box<dyn HardwareReporter>, CollectError>,
) -> Result<Option<Box<dyn HardwareReporter>>, CollectError> {
    match opened {
        Err(CollectError::Hardware {
            source:
                HardwareError::NoDevice { .. }
                | HardwareError::NoQuotes { .. }
                | HardwareError::Tsm(TsmError::NoProvider { .. } | TsmError::Provider { .. }),
            ..
        }) => Ok(None),
        outcome => outcome.map(Some),
    }
}

pub(super) fn tdx(TdxQuote { quote, event_log }: TdxQuote) -> TdxEvidence {
    TdxEvidence { quote: quote.into(), event_log: event_log.map(Into::into) }
}

pub(super) fn sev_snp(report: SnpReport) -> SevSnpEvidence {
    let table = &report.certificates;
    let get = |guid| table.get(guid).map(Bytes::from);
    SevSnpEvidence {
        vek_certificate: get(signing_key(&report.report)),
        ca_certificates: [Guid::ASK, Guid::ARK].into_iter().filter_map(get).collect(),
        launch_endorsement: get(Guid::GCE_ENDORSEMENT),
        report: report.report.into(),
    }
}

/// The kind of certificate that matches a report. SEV-SNP ABI 1.55, table 23: KEY_INFO at 48h, bits 4:2.
fn signing_key(report: &[u8]) -> Guid {
    match report.get(0x48).map(|byte| (byte >> 2) & 7) {
        Some(1) => Guid::VLEK,
        _ => Guid::VCEK,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::hardware::tsm::TsmStep;

    /// A TDX guest, and any kernel with built-in configfs-tsm, also has the directory.
    #[test]
    fn auto_omits_only_missing_devices() {
        let failed = |kind, source| if_present(Err(CollectError::Hardware { kind, source }));
        let outcome = |error| failed(HardwareKind::SevSnp, HardwareError::Tsm(error));
        let root = PathBuf::from("/config");
        assert!(matches!(outcome(TsmError::NoProvider { root: root.clone() }), Ok(None)));
        let found = "tdx_guest".to_owned();
        assert!(matches!(outcome(TsmError::Provider { expected: "sev_guest", found }), Ok(None)));
        let old = HardwareError::NoQuotes { tsm: root.clone(), old_device: true };
        assert!(matches!(failed(HardwareKind::Tdx, old), Ok(None)));
        let source = std::io::ErrorKind::PermissionDenied.into();
        assert!(outcome(TsmError::Io { step: TsmStep::Make, path: root, source }).is_err());
    }
}
