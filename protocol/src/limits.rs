//! Size limits that are checked before anything is parsed.

/// A guest's request, in bytes of JSON: several times a request with a 200 kB log.
pub const MAX_REQUEST: usize = 2 * 1024 * 1024;
/// The first member of a release request, the challenge, must end within this many bytes.
pub const MAX_OPENING: usize = 1024;
/// A firmware event log.
pub const MAX_EVENT_LOG: usize = 512 * 1024;
/// systemd's measurement log. A boot writes about 12 kB; guests truncate a longer one.
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
/// A TDX quote with padding: Google's are 5 kB in a buffer of 8000 bytes.
pub const MAX_TDX_QUOTE: usize = 16 * 1024;
/// A token of Google Cloud Attestation; one with its certificate chain has 11 kB.
pub const MAX_TOKEN: usize = 32 * 1024;
/// A launch endorsement that comes with a report.
pub const MAX_ENDORSEMENT: usize = 64 * 1024;
/// Maximum lifetime of a challenge in seconds, whatever the configuration.
pub const MAX_CHALLENGE_LIFETIME: u64 = 600;
/// Secrets in one request.
pub const MAX_PATHS: usize = 16;
/// Events of one proposal for a baseline.
pub const MAX_PROPOSED_EVENTS: usize = 512;
/// Texts of commands, command lines and section names of one proposal, in bytes.
pub const MAX_PROPOSED_TEXT: usize = 64 * 1024;
/// A component list that comes with a proposal, in bytes of JSON.
pub const MAX_COMPONENT_LIST: usize = 64 * 1024;
/// Component lists of one proposal.
pub const MAX_COMPONENT_LISTS: usize = 4;
/// One secret.
pub const MAX_SECRET: usize = 64 * 1024;
/// An answer or a problem of the broker, in bytes of JSON.
pub const MAX_ANSWER: usize = 4 * 1024 * 1024;
