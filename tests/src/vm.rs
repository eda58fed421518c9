//! A simulated Google VM on this machine: a software TPM with the NV content of a GCE vTPM, and a boot in it.
//!
//! The digests of a generated firmware log are extended into its PCRs, as firmware, shim, GRUB and kernel
//! would do. Its AK certificate is from a throw-away CA, configured as an extra trust anchor of the broker.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use vouchsafe_attestation::test_util::ca::{AkCertificateSpec, FakeGoogle};
use vouchsafe_attestation::test_util::event_log::EventLogBuilder;
use vouchsafe_attestation::test_util::event_log::userspace::UserspaceBuilder;
use vouchsafe_guest_client::vtpm::AkAlgorithm;

use crate::pem;
use crate::swtpm::Swtpm;

/// A running VM: TPM, firmware log, and their paths.
pub struct Vm {
    tpm: Swtpm,
    folder: PathBuf,
}

impl Vm {
    /// Makes the TPM, certifies its AK, and boots.
    ///
    /// # Errors
    /// When swtpm is missing or refuses something, or files cannot be written.
    pub fn boot(
        folder: &Path,
        google: &FakeGoogle,
        key: AkAlgorithm,
        instance: &AkCertificateSpec,
        boot: &EventLogBuilder,
    ) -> anyhow::Result<Self> {
        let state = folder.join("tpm");
        fs::create_dir_all(&state)?;
        let tpm = Swtpm::start(&state).context("start swtpm")?;
        tpm.provision(key, |spki| google.issue_ak(spki, instance))
            .context("provision the TPM as GCE does")?;
        fs::write(folder.join(ISSUERS), pem::certificate(google.intermediate_der()))?;
        let vm = Self { tpm, folder: folder.to_owned() };
        vm.measure(boot)?;
        Ok(vm)
    }

    /// Switches the VM off and on again, with another boot.
    ///
    /// # Errors
    /// When the TPM does not come back.
    pub fn reboot(&mut self, boot: &EventLogBuilder) -> anyhow::Result<()> {
        self.tpm.reboot()?;
        self.measure(boot)
    }

    /// Extends these as systemd would, and writes them to its measurement log.
    ///
    /// # Errors
    /// The TPM's errors; when the log cannot be written.
    pub fn measure_userspace(&self, userspace: &UserspaceBuilder) -> anyhow::Result<()> {
        self.tpm.extend_all(userspace.extends().into_iter().map(|(pcr, digest)| (pcr, digest.0)))?;
        let mut log = fs::OpenOptions::new().create(true).append(true).open(self.userspace_log())?;
        Ok(log.write_all(&userspace.log())?)
    }

    /// Extends any PCR, as root in the VM can.
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn extend(&self, pcr: u8, digest: &[u8; 32]) -> anyhow::Result<()> {
        Ok(self.tpm.extend(pcr, digest)?)
    }

    /// Writes the guest's configuration for a broker and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, broker: &str, identity: &str, ca: &Path) -> io::Result<PathBuf> {
        let path = self.folder.join("guest.toml");
        let text = format!(
            "brokers = [{broker:?}]\nidentities = [{identity:?}]\nca = {ca:?}\nevidence = [\"vtpm\"]\n\n{}",
            self.hardware()
        );
        fs::write(&path, text)?;
        // Whatever the umask: the guest refuses a configuration that others may change.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        Ok(path)
    }

    /// The part of a guest's configuration with the paths of this VM's TPM and firmware log.
    #[must_use]
    pub fn hardware(&self) -> String {
        format!(
            "[vtpm]\ndevice = \"{}\"\nevent_log = {:?}\nuserspace_log = {:?}\nissuers = [{:?}]\n",
            self.tpm.address(),
            self.event_log(),
            self.userspace_log(),
            self.folder.join(ISSUERS),
        )
    }

    /// The TPM.
    #[must_use]
    pub const fn tpm(&self) -> &Swtpm {
        &self.tpm
    }

    /// Path of the firmware log.
    #[must_use]
    pub fn event_log(&self) -> PathBuf {
        self.folder.join("binary_bios_measurements")
    }

    /// Path of systemd's measurement log, once user space has measured something.
    #[must_use]
    pub fn userspace_log(&self) -> PathBuf {
        self.folder.join("tpm2-measure.log")
    }

    fn measure(&self, boot: &EventLogBuilder) -> anyhow::Result<()> {
        self.tpm.extend_all(boot.extends().into_iter().map(|(pcr, digest)| (pcr, digest.0)))?;
        fs::write(self.event_log(), boot.bytes())?;
        match fs::remove_file(self.userspace_log()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

const ISSUERS: &str = "issuers.pem";
