//! Claims of tokens.

use super::{RecordText, claim};

pub(super) const GOOGLE_TOKEN: RecordText = RecordText {
    name: "GoogleToken",
    about: "Google's statement on a VM that it verified. It covers no kernel, command line, PCR or boot phase.",
    claims: &[
        claim(
            "root",
            "signature",
            "`google` for keys from Google's own address or under its PKI root, `extra` for a key set from a file.",
        ),
        claim("kind", "signature", "How the token is signed: OIDC key set or PKI certificate."),
        claim("revocation", "CRLs, key set", "How current the CRLs of the chain, or the key set, are."),
        claim("issued_at", "iat", "When it was issued."),
        claim("expires_at", "exp", "When it expires."),
        claim("subject", "sub", "URL of the instance, with its name."),
        claim("technology", "hwmodel", "The technology, as stated by Google."),
        claim("software_name", "swname", "Plain VM or Confidential Space image."),
        claim("software_version", "swversion", "Version of the Confidential Space image.")
            .absent("the VM is a plain one"),
        claim("secure_boot", "secboot", "Secure Boot is on."),
        claim("debug_disabled", "dbgstat", "The Confidential Space image is not a debug image.")
            .absent("the VM is a plain one, for which dbgstat has no meaning"),
        claim("attester_tcb", "attester_tcb", "Who attests the hardware: INTEL on TDX.")
            .absent("the token has none"),
        claim("tdx_tcb", "tdx", "Google's statement on the TDX platform.").absent("the VM is not a TDX one"),
        claim("instance", "submods.gce", "Whose VM it is.").absent("the token names no instance"),
        claim("service_accounts", "google_service_accounts", "Service accounts that the VM runs under.")
            .absent("the VM runs under none"),
        claim("container", "submods.container", "The workload of Confidential Space.")
            .absent("the VM is a plain one"),
        claim(
            "support_attributes",
            "submods.confidential_space",
            "Support attributes of the image: LATEST, STABLE, USABLE.",
        )
        .absent("the image is a debug image or the VM a plain one"),
        claim("monitoring", "submods.confidential_space", "Monitoring settings, as NAME=true or NAME=false.")
            .absent("the VM is a plain one"),
    ],
};

pub(super) const TOKEN_TDX_TCB: RecordText = RecordText {
    name: "GoogleToken.tdx_tcb",
    about: "Google's statement on a TDX platform, not necessarily as of the token's issue time.",
    claims: &[
        claim(
            "status",
            "gcp_attester_tcb_status",
            "Status in Google's spelling, such as UpToDate or OutOfDate.",
        ),
        claim("date", "gcp_attester_tcb_date", "Date of the TCB level.").absent("the token has none"),
    ],
};

pub(super) const CONTAINER: RecordText = RecordText {
    name: "Container",
    about: "The container of a Confidential Space VM.",
    claims: &[
        claim("image_reference", "submods.container", "Reference by which the image was pulled."),
        claim("image_digest", "submods.container", "Digest of the image: sha256: and 64 hex digits."),
        claim("image_id", "submods.container", "Id of the image.").absent("the token has none"),
        claim("restart_policy", "submods.container", "Restart policy.").absent("the token has none"),
        claim("arguments", "submods.container", "Arguments of the container, as a set.")
            .absent("it has none"),
    ],
};
