//! The boots by name: what is different in each, and what has to happen.

use clap::ValueEnum;

use super::kind::Kind;
use super::scenario::{Change, Expected, Scenario};
use super::site::Certified;

/// What can be named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Every boot with an encrypted root file system.
    All,
    /// Boots whose measurements are compared with predictions.
    Predict,
    /// How long a boot takes with the broker, with a key file, and with Clevis and tang.
    Times,
    /// The quickest boot: a unified kernel image whose initrd only unlocks.
    Smoke,
    /// Debian 12 unlocks its root file system, and gets the key only once.
    #[value(name = "debian-12")]
    Debian12,
    /// GRUB passes another command line to the kernel.
    ChangedCommandLine,
    /// A file was added to the initrd.
    ChangedInitrd,
    /// GRUB starts a kernel that Debian signed before the one of the baseline.
    OtherKernel,
    /// GRUB tells the kernel to start a shell as init.
    ShellAsInit,
    /// The TPM is another VM's.
    OtherVm,
    /// The certificate in the TPM is for another key.
    OtherKey,
    /// The certificate in the TPM was issued by somebody else.
    OtherCa,
    /// The disk is detached once the kernel has started.
    DiskDetached,
    /// The header of the volume has a null cipher.
    ChangedHeader,
    /// The disk is put back to its state before the last change of its header.
    Snapshot,
    /// The command line allows a shell after a failure.
    FailureShell,
    /// The broker does not answer.
    BrokerAway,
    /// The broker refuses, and the recovery code is typed at the console.
    Recovery,
    /// DHCP hands out an address as Google Cloud does: a /32 with a gateway outside.
    #[value(name = "slash-32")]
    Slash32,
    /// Clevis unlocks the root file system of Debian 12 with the pin.
    Clevis,
    /// Debian 13 with dracut: systemd unlocks the root file system, a data volume and a credential.
    #[value(name = "debian-13")]
    Debian13,
    /// A file was added to dracut's initrd.
    #[value(name = "debian-13-changed-initrd")]
    Debian13ChangedInitrd,
    /// The header of Debian 13's volume is another one.
    #[value(name = "debian-13-changed-header")]
    Debian13ChangedHeader,
    /// The disk of Debian 13 is detached once its kernel runs.
    #[value(name = "debian-13-disk-detached")]
    Debian13DiskDetached,
    /// DHCP hands out a /32 to Debian 13.
    #[value(name = "debian-13-slash-32")]
    Debian13Slash32,
    /// Debian's development version as a unified kernel image, whose systemd measures and composes more.
    SidUki,
    /// Kernel and initrd are updated in the running system, whose hook proposes the next boot.
    Update,
    /// The baseline was revoked. The last boot of its system, because that is permanent.
    BaselineRevoked,
}

impl Name {
    /// The boots with an encrypted root file system that these mean, in the order of the table.
    pub(crate) fn boots(names: &[Self]) -> Vec<&'static Scenario> {
        let is_meant = |name: &Self| names.contains(&Self::All) || names.contains(name);
        SCENARIOS.iter().filter(|scenario| is_meant(&scenario.name)).collect()
    }

    /// As on the command line.
    pub(super) fn text(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

const SCENARIOS: [Scenario; 25] = [
    scenario(Name::Smoke, Kind::Unified, Change::Nothing, Expected::Unlocked),
    scenario(Name::Debian12, Kind::Grub, Change::Nothing, Expected::Unlocked),
    scenario(
        Name::ChangedCommandLine,
        Kind::Grub,
        Change::Arguments("root=/dev/mapper/root rw console=ttyS0 panic=-1"),
        NO_MEMBER,
    ),
    scenario(Name::ChangedInitrd, Kind::Grub, Change::Initrd, NO_MEMBER),
    scenario(Name::OtherKernel, Kind::Grub, Change::Kernel, NO_MEMBER),
    scenario(
        Name::ShellAsInit,
        Kind::Grub,
        Change::Arguments("root=/dev/mapper/root ro console=ttyS0 panic=-1 init=/bin/sh"),
        Expected::Prompt("init=/bin/sh"),
    ),
    scenario(
        Name::OtherVm,
        Kind::Grub,
        Change::Certified(Certified::OtherInstance),
        Expected::Refused { code: "not-granted", why: "instance_id" },
    ),
    scenario(
        Name::OtherKey,
        Kind::Grub,
        Change::Certified(Certified::OtherKey),
        Expected::Prompt("is not the key in the certificate"),
    ),
    scenario(
        Name::OtherCa,
        Kind::Grub,
        Change::Certified(Certified::ByOthers),
        Expected::Refused { code: "evidence-refused", why: "signature" },
    ),
    scenario(Name::DiskDetached, Kind::Grub, Change::DiskDetached, Expected::Ended),
    scenario(Name::ChangedHeader, Kind::Grub, Change::Header, NULL_CIPHER),
    scenario(
        Name::Snapshot,
        Kind::Grub,
        Change::OlderHeader,
        Expected::Refused { code: "not-granted", why: "header" },
    ),
    scenario(
        Name::FailureShell,
        Kind::Grub,
        Change::Arguments("root=/dev/mapper/root ro console=ttyS0"),
        Expected::Prompt("boot with the kernel argument panic=-1"),
    ),
    scenario(Name::BrokerAway, Kind::Grub, Change::BrokerAway, Expected::Prompt("volume root: ")),
    scenario(Name::Recovery, Kind::Grub, Change::Retired, Expected::Recovered),
    scenario(Name::Slash32, Kind::Grub, Change::HostRoute, Expected::Unlocked),
    scenario(Name::Update, Kind::Grub, Change::Update, Expected::Unlocked),
    scenario(
        Name::BaselineRevoked,
        Kind::Grub,
        Change::BaselineRevoked,
        Expected::Refused { code: "not-granted", why: "revoked" },
    ),
    scenario(Name::Clevis, Kind::Clevis, Change::Nothing, Expected::ByClevis),
    scenario(Name::Debian13, Kind::Dracut, Change::Nothing, Expected::Installed),
    scenario(Name::Debian13ChangedInitrd, Kind::Dracut, Change::Initrd, NO_MEMBER),
    scenario(Name::Debian13ChangedHeader, Kind::Dracut, Change::Header, NULL_CIPHER),
    scenario(Name::Debian13DiskDetached, Kind::Dracut, Change::DiskDetached, Expected::Ended),
    scenario(Name::Debian13Slash32, Kind::Dracut, Change::HostRoute, Expected::Installed),
    scenario(Name::SidUki, Kind::Sid, Change::ComposedInitrd, Expected::Installed),
];

const fn scenario(name: Name, kind: Kind, change: Change, expected: Expected) -> Scenario {
    Scenario { name, kind, change, expected }
}

const NO_MEMBER: Expected = Expected::Refused { code: "not-granted", why: "not a member" };
const NULL_CIPHER: Expected = Expected::Closed("LUKS header refused (cipher)");
