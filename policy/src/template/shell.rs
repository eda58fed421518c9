//! How a disk's policy ensures that a failing initrd opens no shell (T35).

use vouchsafe_attestation::claims::Claims;

use super::conditions::{Conditions, literal};
use super::error::TemplateError;
use crate::arguments::{DRACUT, effective, reboots};
use crate::baseline::BaselineLog;

/// What the kernel's command line must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureShell {
    /// The arguments of initramfs-tools or of dracut.
    AnyArgument,
    /// These arguments.
    Arguments(Vec<String>),
    /// Nothing: the evidence does not show the arguments, which are pinned by the baseline.
    Unread,
}

impl FailureShell {
    /// The effective arguments of the captured boot, if its log shows any.
    pub(super) fn of(claims: &Claims, log: BaselineLog) -> Result<Self, TemplateError> {
        let boot = match log {
            BaselineLog::Vtpm => claims.vtpm.as_ref().map(|vtpm| &vtpm.boot),
            BaselineLog::Ccel => claims.tdx.as_ref().and_then(|tdx| tdx.unconfirmed_boot.as_ref()),
        };
        let shown = boot.filter(|boot| !boot.kernel_arguments.is_empty());
        let Some(boot) = shown else { return Ok(Self::Unread) };
        let arguments = effective(&boot.kernel_arguments, boot.kernel_command_line.as_deref());
        let dracut = DRACUT.map(str::to_owned);
        if dracut.iter().all(|argument| arguments.contains(argument)) {
            return Ok(Self::Arguments(dracut.to_vec()));
        }
        let argument = arguments.into_iter().find(|argument| reboots(argument));
        Ok(Self::Arguments(vec![argument.ok_or(TemplateError::FailureShell)?]))
    }

    pub(super) fn conditions(&self, log: BaselineLog, conditions: &mut Conditions) {
        let boot = match log {
            BaselineLog::Vtpm => "vtpm",
            BaselineLog::Ccel => "tdx.boot",
        };
        let test = match log {
            BaselineLog::Vtpm => "principal.vtpm has arguments",
            BaselineLog::Ccel => "principal has tdx.boot.arguments",
        };
        let has = match self {
            Self::Unread => return,
            Self::AnyArgument => format!(
                "(principal.{boot}.arguments.contains(\"panic=-1\") ||\n     \
                 principal.{boot}.arguments.containsAll([\"rd.shell=0\", \"rd.emergency=reboot\"]))"
            ),
            Self::Arguments(arguments) => {
                let arguments: Vec<String> = arguments.iter().map(|argument| literal(argument)).collect();
                format!("principal.{boot}.arguments.containsAll([{}])", arguments.join(", "))
            }
        };
        conditions.add("An initrd that fails reboots; it opens no shell.", test);
        conditions.more(has);
    }
}
