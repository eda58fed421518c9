//! How a disk's policy rules out that the initrd opens a shell when it fails (T35).

use vouchsafe_attestation::claims::Claims;

use super::text::{Conditions, literal};
use super::{BaselineLog, TemplateError};

/// What the kernel's command line must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureShell {
    /// The argument of initramfs-tools or those of dracut.
    AnyArgument,
    /// These arguments.
    Arguments(Vec<String>),
    /// Nothing: the evidence does not show the arguments, which are only in what the baseline pins.
    Unread,
}

impl FailureShell {
    /// The arguments that the captured boot has, if its log shows any.
    pub(super) fn of(claims: &Claims, log: BaselineLog) -> Result<Self, TemplateError> {
        let boot = match log {
            BaselineLog::Vtpm => claims.vtpm.as_ref().map(|vtpm| &vtpm.boot),
            BaselineLog::Ccel => claims.tdx.as_ref().and_then(|tdx| tdx.unconfirmed_boot.as_ref()),
        };
        let arguments = boot.map(|boot| boot.kernel_arguments.as_slice()).unwrap_or_default();
        if arguments.is_empty() {
            return Ok(Self::Unread);
        }
        let dracut = DRACUT.map(str::to_owned);
        if dracut.iter().all(|argument| arguments.contains(argument)) {
            return Ok(Self::Arguments(dracut.to_vec()));
        }
        // The kernel takes the last one.
        let panic = arguments.iter().rev().find(|argument| argument.starts_with("panic="));
        let reboots = |argument: &&String| {
            argument
                .strip_prefix("panic=")
                .and_then(|seconds| seconds.parse::<i32>().ok())
                .is_some_and(|seconds| seconds != 0)
        };
        let argument = panic.filter(reboots).ok_or(TemplateError::FailureShell)?;
        Ok(Self::Arguments(vec![argument.clone()]))
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

/// dracut needs both of them.
const DRACUT: [&str; 2] = ["rd.shell=0", "rd.emergency=reboot"];
