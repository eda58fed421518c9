//! A software TPM (swtpm) that is provisioned like the vTPM of a Google instance.
//!
//! The process dies with its owner, even if that is killed. The owner is the thread that started it: do not
//! start one from a thread that ends before its last use.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use std::thread;
use std::time::{Duration, Instant};

use tss_esapi::attributes::{NvIndexAttributesBuilder, ObjectAttributesBuilder};
use tss_esapi::handles::{AuthHandle, NvIndexTpmHandle, PcrHandle};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::interface_types::resource_handles::{Hierarchy, NvAuth, Provision};
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    Auth, Digest, DigestValues, EccPoint, EccScheme, HashScheme, KeyDerivationFunctionScheme, MaxNvBuffer,
    NvPublicBuilder, PcrSelectionList, PcrSlot, Public, PublicBuilder, PublicEccParameters, PublicKeyRsa,
    PublicRsaParameters, RsaExponent, RsaScheme, SymmetricDefinitionObject,
};
use tss_esapi::tcti_ldr::TctiNameConf;
use tss_esapi::traits::Marshall as _;
use tss_esapi::{Context, Result as TssResult};
use vouchsafe_guest_client::vtpm::{AkAlgorithm, TpmAddress, subject_public_key_info};

/// Zeros after certificate and template, as in an NV area larger than its content.
const PADDING: usize = 32;

/// Who may read an NV index: TPMA_NV of TPM 2.0 part 2, 13.4. With neither bit, only a policy that cannot be
/// satisfied.
#[derive(Clone, Copy, Debug)]
pub struct Readers {
    /// OWNERREAD: the owner of the TPM.
    pub owner: bool,
    /// AUTHREAD: with the index's own authorisation, which is empty here.
    pub own: bool,
    /// NO_DA: wrong authorisations do not count towards the lockout.
    pub no_da: bool,
}

impl Readers {
    /// The owner.
    pub const OWNER: Self = Self { owner: true, own: false, no_da: false };
}

/// A running swtpm. Its state is in the directory that it was started with.
pub struct Swtpm {
    process: Child,
    state: PathBuf,
    port: u16,
}

impl Swtpm {
    /// Starts a TPM whose state is in `directory`; an empty directory makes a new TPM.
    ///
    /// # Errors
    /// When swtpm is not installed, or does not come up within ten seconds.
    pub fn start(directory: &Path) -> io::Result<Self> {
        let state = directory.canonicalize()?;
        // The ports are free when they are picked, but could be taken a moment later.
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..5 {
            let port = free_ports()?;
            let mut process = spawn(&state, port)?;
            match wait_until_up(&mut process, port + 1) {
                Ok(()) => return Ok(Self { process, state, port }),
                Err(error) => last = error,
            }
            stop(&mut process);
        }
        Err(last)
    }

    /// Power cycle: PCRs have their reset values, NV and seeds are kept.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn reboot(&mut self) -> io::Result<()> {
        stop(&mut self.process);
        self.process = spawn(&self.state, self.port)?;
        wait_until_up(&mut self.process, self.port + 1)
    }

    /// Its address for clients. It serves one connection at a time; others wait.
    #[must_use]
    pub fn address(&self) -> TpmAddress {
        TpmAddress::Swtpm { host: Ipv4Addr::LOCALHOST.into(), port: self.port }
    }

    /// The process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// DER `SubjectPublicKeyInfo` of the AK that this TPM creates from [`ak_template`].
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn ak_public_spki(&self, algorithm: AkAlgorithm) -> TssResult<Vec<u8>> {
        self.authorised(|context| {
            let template = ak_template(algorithm)?;
            let key = context.create_primary(Hierarchy::Endorsement, template, None, None, None, None)?;
            Ok(subject_public_key_info(&key.out_public).expect("the template is of a supported kind"))
        })
    }

    /// Writes template and certificate of an AK into the NV indices that GCE uses. `issue` gets the key as
    /// DER `SubjectPublicKeyInfo` and returns a DER certificate. Returns the key.
    ///
    /// # Errors
    /// The TPM's errors, for example when the indices exist already.
    pub fn provision(
        &self,
        algorithm: AkAlgorithm,
        issue: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> TssResult<Vec<u8>> {
        self.provision_for(Readers::OWNER, algorithm, issue)
    }

    /// The same with indices that `readers` may read.
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn provision_for(
        &self,
        readers: Readers,
        algorithm: AkAlgorithm,
        issue: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> TssResult<Vec<u8>> {
        let spki = self.ak_public_spki(algorithm)?;
        let certificate = issue(&spki);
        let template = ak_template(algorithm)?.marshall()?;
        self.define_index_for(readers, algorithm.template_index(), &template)?;
        self.define_index_for(readers, algorithm.certificate_index(), &certificate)?;
        Ok(spki)
    }

    /// Gives the owner hierarchy a password, as an administrator of the VM may.
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn set_owner_password(&self, password: &[u8]) -> TssResult<()> {
        self.authorised(|context| {
            context.hierarchy_change_auth(AuthHandle::Owner, Auth::try_from(password.to_vec())?)
        })
    }

    /// Makes an NV index that the owner reads and writes, holding `bytes` and some padding.
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn define_index(&self, index: u32, bytes: &[u8]) -> TssResult<()> {
        self.define_index_for(Readers::OWNER, index, bytes)
    }

    /// The same for other readers.
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn define_index_for(&self, readers: Readers, index: u32, bytes: &[u8]) -> TssResult<()> {
        let area = [bytes, &[0; PADDING]].concat();
        self.authorised(|context| {
            let attributes = NvIndexAttributesBuilder::new()
                .with_owner_write(true)
                .with_owner_read(readers.owner)
                .with_auth_read(readers.own)
                .with_policy_read(!readers.owner && !readers.own)
                .with_no_da(readers.no_da)
                .build()?;
            let public = NvPublicBuilder::new()
                .with_nv_index(NvIndexTpmHandle::new(index)?)
                .with_index_name_algorithm(HashingAlgorithm::Sha256)
                .with_index_attributes(attributes)
                .with_data_area_size(area.len())
                .build()?;
            let handle = context.nv_define_space(Provision::Owner, None, public)?;
            for (number, piece) in area.chunks(NV_CHUNK).enumerate() {
                let offset = u16::try_from(number * NV_CHUNK).expect("NV areas are small");
                context.nv_write(NvAuth::Owner, handle, MaxNvBuffer::try_from(piece.to_vec())?, offset)?;
            }
            Ok(())
        })
    }

    /// Extends a PCR of the SHA-256 bank.
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn extend(&self, pcr: u8, sha256: &[u8; 32]) -> TssResult<()> {
        self.extend_all([(pcr, *sha256)])
    }

    /// Extends PCRs of the SHA-256 bank in this order, over one connection: a simulated boot.
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn extend_all(&self, events: impl IntoIterator<Item = (u8, [u8; 32])>) -> TssResult<()> {
        self.authorised(|context| {
            for (pcr, sha256) in events {
                let mut digests = DigestValues::new();
                digests.set(HashingAlgorithm::Sha256, Digest::try_from(sha256.to_vec())?);
                context.pcr_extend(PcrHandle::try_from(u32::from(pcr))?, digests)?;
            }
            Ok(())
        })
    }

    /// The value of a PCR, or `None` if the bank is not active.
    ///
    /// # Errors
    /// The TPM's errors.
    pub fn read_pcr(&self, bank: HashingAlgorithm, pcr: u8) -> TssResult<Option<Vec<u8>>> {
        let slot = PcrSlot::try_from(1_u32 << pcr)?;
        let list = PcrSelectionList::builder().with_selection(bank, &[slot]).build()?;
        let mut context = Context::new(TctiNameConf::from_str(&self.address().to_string())?)?;
        let (_, _, digests) = context.execute_without_session(|context| context.pcr_read(list))?;
        Ok(digests.value().first().map(|digest| digest.value().to_vec()))
    }

    fn authorised<T>(&self, work: impl FnOnce(&mut Context) -> TssResult<T>) -> TssResult<T> {
        let mut context = Context::new(TctiNameConf::from_str(&self.address().to_string())?)?;
        context.execute_with_session(Some(AuthSession::Password), work)
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// The template of GCE's AKs: restricted signing key, attributes 0x00050072, RSASSA or ECDSA with SHA-256.
///
/// # Errors
/// None in practice: the library checks what it builds.
pub fn ak_template(algorithm: AkAlgorithm) -> TssResult<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_restricted(true)
        .with_sign_encrypt(true)
        .build()?;
    let sha256 = HashScheme::new(HashingAlgorithm::Sha256);
    let builder = PublicBuilder::new()
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_auth_policy(Digest::default());
    match algorithm {
        AkAlgorithm::Rsa => builder
            .with_public_algorithm(PublicAlgorithm::Rsa)
            .with_rsa_parameters(PublicRsaParameters::new(
                SymmetricDefinitionObject::Null,
                RsaScheme::RsaSsa(sha256),
                RsaKeyBits::Rsa2048,
                RsaExponent::default(),
            ))
            .with_rsa_unique_identifier(PublicKeyRsa::try_from(vec![0; 256])?),
        AkAlgorithm::Ecc => builder
            .with_public_algorithm(PublicAlgorithm::Ecc)
            .with_ecc_parameters(PublicEccParameters::new(
                SymmetricDefinitionObject::Null,
                EccScheme::EcDsa(sha256),
                EccCurve::NistP256,
                KeyDerivationFunctionScheme::Null,
            ))
            .with_ecc_unique_identifier(EccPoint::default()),
    }
    .build()
}

/// A port that is free together with the next one, which swtpm's clients use as the control channel.
fn free_ports() -> io::Result<u16> {
    for _ in 0..100 {
        let commands = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = commands.local_addr()?.port();
        let Some(next) = port.checked_add(1) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, next)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::from(io::ErrorKind::AddrInUse))
}

fn spawn(state: &Path, port: u16) -> io::Result<Child> {
    let channel = |port: u16| format!("type=tcp,bindaddr=127.0.0.1,port={port}");
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "swtpm", "socket", "--tpm2"])
        .arg("--tpmstate")
        .arg(format!("dir={}", state.display()))
        .args(["--ctrl", &channel(port + 1), "--server", &channel(port)])
        .args(["--flags", "not-need-init,startup-clear"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn wait_until_up(process: &mut Child, control: u16) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, control));
    while Instant::now() < deadline {
        if process.try_wait()?.is_some() {
            return Err(io::Error::from(io::ErrorKind::AddrInUse));
        }
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(io::Error::from(io::ErrorKind::TimedOut))
}

fn stop(process: &mut Child) {
    // It may have ended already, which does not matter.
    let _ = process.kill();
    let _ = process.wait();
}

const NV_CHUNK: usize = 512;
