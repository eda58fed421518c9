//! Length and report data of an SNP report.

use super::error::HardwareError;

/// Length of an SNP attestation report. SEV-SNP ABI 1.55, table 23.
pub const SNP_REPORT_LENGTH: usize = vouchsafe_protocol::limits::SNP_REPORT;

/// Range of the guest's 64 bytes in an SNP report. SEV-SNP ABI 1.55, table 23: offset 50h.
const SNP_REPORT_DATA: std::ops::Range<usize> = 0x50..0x90;

/// Cuts a device's output to one SNP report: 1184 bytes, followed by zeros, with the requested data.
pub(super) fn snp_report(mut bytes: Vec<u8>, report_data: &[u8; 64]) -> Result<Vec<u8>, HardwareError> {
    let tail = bytes.get(SNP_REPORT_LENGTH..).unwrap_or_default();
    let padding_only = tail.iter().all(|byte| *byte == 0);
    if bytes.len() < SNP_REPORT_LENGTH || !padding_only {
        return Err(HardwareError::ReportLength { length: bytes.len() });
    }
    bytes.truncate(SNP_REPORT_LENGTH);
    if bytes.get(SNP_REPORT_DATA) != Some(report_data.as_slice()) {
        return Err(HardwareError::ReportData);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_with(data: &[u8; 64]) -> Vec<u8> {
        let mut report = vec![3; SNP_REPORT_LENGTH];
        report[SNP_REPORT_DATA].copy_from_slice(data);
        report
    }

    #[test]
    fn a_report_is_cut_to_its_length_and_carries_our_data() {
        let data = [7; 64];
        let report = report_with(&data);
        assert_eq!(snp_report(report.clone(), &data).unwrap(), report);
        let mut padded = report.clone();
        padded.resize(4000, 0);
        assert_eq!(snp_report(padded.clone(), &data).unwrap(), report);
        padded[3999] = 1;
        let error = snp_report(padded, &data).unwrap_err();
        assert!(matches!(error, HardwareError::ReportLength { length: 4000 }));
        let error = snp_report(report[..1183].to_vec(), &data).unwrap_err();
        assert!(matches!(error, HardwareError::ReportLength { length: 1183 }));
        let error = snp_report(report, &[8; 64]).unwrap_err();
        assert!(matches!(error, HardwareError::ReportData));
    }
}
