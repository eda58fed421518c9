//! Sizes that hold before anything is parsed.

/// A request of a guest, in bytes of JSON. Evidence with a 200 kB log fits several times.
pub const MAX_REQUEST: usize = 2 * 1024 * 1024;
/// Bytes of a release request within which its first member, the challenge, ends.
pub const MAX_OPENING: usize = 1024;
/// A firmware event log.
pub const MAX_EVENT_LOG: usize = 512 * 1024;
/// systemd's measurement log. A boot writes about 12 kB; guests send the beginning of a longer one.
pub const MAX_USERSPACE_LOG: usize = 128 * 1024;
/// One certificate or CRL in DER.
pub const MAX_CERTIFICATE: usize = 16 * 1024;
/// Issuing CAs that may come with one piece of evidence.
pub const MAX_CA_CERTIFICATES: usize = 8;
/// A marshalled `TPMS_ATTEST`.
pub const MAX_ATTEST: usize = 2048;
/// A marshalled `TPMT_SIGNATURE`.
pub const MAX_TPM_SIGNATURE: usize = 1024;
/// An attestation report of AMD SEV-SNP: exactly this many bytes.
pub const SNP_REPORT: usize = 1184;
/// A TDX quote as devices give it: Google's are 5 kB in a buffer of 8000 bytes.
pub const MAX_TDX_QUOTE: usize = 16 * 1024;
/// A token of Google Cloud Attestation; with its certificate chain one has 11 kB.
pub const MAX_TOKEN: usize = 32 * 1024;
/// A launch endorsement that comes with a report.
pub const MAX_ENDORSEMENT: usize = 64 * 1024;
/// How long a challenge may live, in seconds, whatever a configuration says.
pub const MAX_CHALLENGE_LIFETIME: u64 = 600;
/// Secrets in one request.
pub const MAX_PATHS: usize = 16;
/// One secret.
pub const MAX_SECRET: usize = 64 * 1024;
/// An answer or a problem of the broker, in bytes of JSON.
pub const MAX_ANSWER: usize = 4 * 1024 * 1024;
