//! The TPM, its attestation key and the firmware's log.

use std::path::{Path, PathBuf};

use rustix::fs::Access;
use vouchsafe_system::pem;

use super::finding::{Finding, Status};
use super::machine::Machine;
use crate::config::VtpmConfig;
use crate::vtpm::{AkAlgorithm, Step, TpmAddress, Vtpm, VtpmError};

/// The vTPM can provide evidence if none of these is missing.
pub(super) fn examine(machine: &Machine, config: &VtpmConfig) -> Vec<Finding> {
    let device = tpm_device(machine, config.device.as_ref());
    let usable = device.status != Status::Missing;
    let mut findings = vec![device, event_log(machine, &config.event_log)];
    if usable {
        findings.push(attestation_key(machine, config));
    }
    findings
}

/// Creates the AK of this machine and reads its certificate, as for a quote.
pub(super) fn read_key(config: &VtpmConfig) -> Result<AkAlgorithm, VtpmError> {
    let address = config.device.clone().map_or_else(TpmAddress::find, Ok)?;
    Ok(Vtpm::open(&address)?.attestation_key(config.key)?.algorithm())
}

fn attestation_key(machine: &Machine, config: &VtpmConfig) -> Finding {
    let id = "attestation-key";
    let error = match (machine.read_key)(config) {
        Ok(algorithm) => return certified(id, algorithm, &config.issuers),
        Err(error) => error,
    };
    let (id, fix) = match &error {
        VtpmError::NoTcti { .. } => {
            ("tpm-library", "The parts of tpm2-tss that talk to a TPM are loaded when needed.")
        }
        VtpmError::NotCertified { .. } => {
            (id, "Create the VM with --confidential-compute-type=SEV, SEV_SNP or TDX.")
        }
        VtpmError::NoAttestationKey { .. } => (
            id,
            "Evidence of a vTPM is had from Confidential VMs of Compute Engine; see also `key` under [vtpm].",
        ),
        VtpmError::NoRoom { .. } | VtpmError::Open { .. } => {
            (id, "Use /dev/tpmrm0 (`device` under [vtpm]), or end the program that uses the TPM.")
        }
        VtpmError::Tpm { step: Step::ReadIndex(_), .. } => {
            (id, "Has the TPM's owner a password? Clear it, or use an image that leaves the owner as it is.")
        }
        _ => (id, "Without its certified key this TPM proves nothing to a broker."),
    };
    Finding::new(id, Status::Missing, error.to_string(), fix)
}

/// The key exists: which certificates of its chain are sent.
fn certified(id: &'static str, algorithm: AkAlgorithm, issuers: &[PathBuf]) -> Finding {
    let mut count = 0;
    for path in issuers {
        match pem::read_certificates(path) {
            Ok(certificates) => count += certificates.len(),
            Err(error) => {
                let what = format!("{}: {error}", path.display());
                let fix = "Name files with CA certificates in PEM under `issuers` in [vtpm], or none: brokers know Google's.";
                return Finding::new(id, Status::Missing, what, fix);
            }
        }
    }
    let sent = match count {
        0 => "without its issuing CA, which brokers know or fetch".to_owned(),
        1 => "with one CA of `issuers`".to_owned(),
        count => format!("with {count} CAs of `issuers`"),
    };
    Finding::ok(id, format!("{algorithm}, certified; the AK certificate is sent {sent}"))
}

fn tpm_device(machine: &Machine, configured: Option<&TpmAddress>) -> Finding {
    let both = Access::READ_OK | Access::WRITE_OK;
    let named = match configured {
        Some(TpmAddress::Device(path)) => Some(path.clone()),
        #[cfg(feature = "swtpm")]
        Some(swtpm @ TpmAddress::Swtpm { .. }) => {
            let what = format!("{swtpm} is a software TPM");
            let fix =
                "Google certifies no key of it: only a broker with an extra trust anchor takes its quotes.";
            return Finding::new("tpm", Status::Warning, what, fix);
        }
        None => {
            ["/dev/tpmrm0", "/dev/tpm0"].into_iter().find(|device| machine.has(device)).map(PathBuf::from)
        }
    };
    match named {
        None => {
            let fix = "Create the instance with --shielded-vtpm, and load the modules tpm_crb and tpm_tis.";
            Finding::new("tpm", Status::Missing, "no /dev/tpmrm0 and no /dev/tpm0".to_owned(), fix)
        }
        Some(device) if !machine.has(&device) => {
            let what = format!("{} does not exist", device.display());
            Finding::new("tpm", Status::Missing, what, "Name another one in [vtpm], or none.")
        }
        Some(device) if !machine.may(&device, both) => {
            let fix = "Run as root, or add the user to the group of the device (tss).";
            let what = format!("{} may not be read and written", device.display());
            Finding::new("tpm", Status::Missing, what, fix)
        }
        Some(device) if is_of_svsm(machine, &device) => {
            let what =
                format!("{} is made by an SVSM inside the VM, which is not supported yet", device.display());
            let fix = "Create the instance with Compute Engine's vTPM (confidentialTpmType=NO_CC_TPM), or name that one's device in [vtpm].";
            Finding::new("tpm", Status::Missing, what, fix)
        }
        Some(device) => Finding::ok("tpm", device.display().to_string()),
    }
}

/// Whether a TPM is the one of the Secure VM Service Module. Linux registers the platform device of that name in every SNP guest; the
/// driver binds to it only where an SVSM answers (drivers/char/tpm/tpm_svsm.c).
fn is_of_svsm(machine: &Machine, device: &Path) -> bool {
    let name = device.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let number = name.strip_prefix("tpmrm").or_else(|| name.strip_prefix("tpm"));
    number.is_some_and(|number| {
        machine.has(format!("/sys/bus/platform/drivers/tpm-svsm/tpm-svsm/tpm/tpm{number}"))
    })
}

fn event_log(machine: &Machine, log: &Path) -> Finding {
    if machine.may(log, Access::READ_OK) {
        return Finding::ok("event-log", log.display().to_string());
    }
    let (what, fix) = if machine.has(log) {
        ("the firmware's log may not be read", "Run as root.")
    } else if machine.mounted("/sys/kernel/security", "securityfs") {
        ("no firmware log", "Boot with UEFI and a vTPM; a kernel without a TPM driver at boot has no log.")
    } else {
        ("securityfs is not mounted", "mount -t securityfs securityfs /sys/kernel/security (as root)")
    };
    Finding::new("event-log", Status::Missing, what.to_owned(), fix)
}
