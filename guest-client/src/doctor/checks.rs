//! The checks of the machine, in their order.

use super::diagnosis::{Diagnosis, Provable};
use super::finding::Status;
use super::kernel::Kernel;
use super::machine::Machine;
use super::{google, system, tee, tpm};
use crate::config::CollectConfig;

pub(super) fn examine(machine: &Machine, config: &CollectConfig) -> Diagnosis {
    let kernel = Kernel::of(machine);
    let mut provable = Vec::new();
    let mut findings = vec![system::platform(machine), kernel.finding()];
    let tpm = tpm::examine(machine, &config.vtpm);
    if tpm.iter().all(|finding| finding.status != Status::Missing) {
        provable.push(Provable::Vtpm);
    }
    findings.extend(tpm);
    let (snp, tdx) = (tee::is_snp(machine), tee::is_tdx(machine));
    if !snp && !tdx {
        findings.push(tee::no_hardware(machine, &config.vtpm.event_log));
    }
    if snp {
        let device = tee::snp_device(machine, &config.sev_snp.tsm);
        if device.status != Status::Missing {
            provable.push(Provable::SevSnp);
        }
        findings.push(device);
        findings.extend(tee::snp_kernel(&kernel));
    }
    if tdx {
        let device = tee::tdx_device(machine, &kernel, &config.tdx.tsm);
        let log = tee::tdx_event_log(machine, &config.tdx);
        if device.status != Status::Missing && log.status != Status::Missing {
            provable.push(Provable::Tdx);
        }
        findings.extend([device, log]);
    }
    findings.push(google::built_in(machine, config.evidence, tdx));
    findings.extend(system::systemd(machine));
    findings.push(system::locked_memory(machine));
    Diagnosis { provable, findings, token_claims: None }
}
