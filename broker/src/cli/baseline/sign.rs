//! `vouchsafe baseline signer` and `vouchsafe baseline sign`: the key of an image builder, and what it signs. Both need no
//! broker.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_lc_rs::rand;
use clap::Args;
use serde::Serialize;
use vouchsafe_keystore::RandomError;
use vouchsafe_policy::{Baseline, ComponentList, ListTerms, MAX_BASELINE};
use vouchsafe_protocol::encoding::{from_base64url, to_base64url};
use vouchsafe_protocol::limits::MAX_COMPONENT_LIST;
use vouchsafe_protocol::{ObjectName, UpdateSigner, UpdateSigningKey};
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::when::When;
use crate::cli::{output, trusted_file};
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Signer {
    /// The key's file, which only its owner can read.
    key: PathBuf,
    /// Make a new key, in a new file.
    #[arg(long)]
    new: bool,
}

#[derive(Debug, Args)]
pub(super) struct Sign {
    /// A baseline with the update's components, as `baseline learn` and `baseline predict --out` write it.
    file: PathBuf,
    /// The name of the baseline that the list is for.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    name: ObjectName,
    /// The key's file, as `baseline signer --new` made it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Security version of the components: after an approval by it, lists of a lower one do not count any more. Each list has a
    /// higher one than those before, or an older one can be played back.
    #[arg(long)]
    version: u32,
    /// From when on the list does not count: 2027-11-29T10:00Z, a date, or seconds since 1970; default: in 90 days.
    #[arg(long, value_name = "TIME")]
    ends_at: Option<When>,
    /// A baseline of the boot before: what it lists is left out, so that the list does not allow it again.
    #[arg(long, value_name = "FILE", required_unless_present = "all")]
    without: Option<PathBuf>,
    /// Sign all that the file lists, also the components of the boot before if it has them: the list allows those again after an
    /// operator has put a baseline without them.
    #[arg(long, conflicts_with = "without")]
    all: bool,
    /// Write to this new file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A key's public part.
#[derive(Serialize)]
struct Shown {
    signer: UpdateSigner,
}

impl Signer {
    pub(super) fn run(&self, json: bool) -> Result<ExitCode, Failure> {
        if self.new {
            let mut seed = Zeroizing::new([0; SEED]);
            rand::fill(seed.as_mut_slice()).map_err(|_| Failure::Usage(RandomError.to_string()))?;
            let encoded = Zeroizing::new(to_base64url(seed.as_slice()));
            let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + encoded.len() + 1));
            text.extend([PREFIX, &encoded, "\n"]);
            output::write_private(&self.key, text.as_bytes())?;
        }
        let signer = read_key(&self.key)?.signer();
        if json { output::print_json(&Shown { signer }) } else { output::print(&signer.to_string()) }
    }
}

impl Sign {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { file, name, key, version, ends_at, without, all: _, out } = self;
        let baseline = read_baseline(&file)?;
        let now = clock::now();
        let terms = ListTerms {
            baseline: name,
            version,
            issued_at: now,
            ends_at: ends_at.map_or(now.plus(DEFAULT_LIFETIME), |When(ends_at)| ends_at),
        };
        if terms.ends_at <= now {
            let ends_at = clock::human(terms.ends_at);
            return Err(Failure::Usage(format!("--ends-at is {ends_at}, which has passed")));
        }
        let before = without.as_deref().map(read_baseline).transpose()?;
        let before = before.as_ref().map(Baseline::entries).unwrap_or_default();
        let components = baseline.entries().without(&before);
        if components.is_empty() {
            return Err(Failure::file(
                &file,
                "has no components to sign: it is empty, or the baseline of --without lists all of them",
            ));
        }
        let list = ComponentList::sign(&read_key(&key)?, terms, components).to_json() + "\n";
        if list.len() > MAX_COMPONENT_LIST {
            let length = list.len();
            let text = format!(
                "a list of it has {length} bytes, at most {MAX_COMPONENT_LIST} are read: use --without"
            );
            return Err(Failure::file(&file, text));
        }
        output::write_document(
            &list,
            out.as_deref(),
            "Install it with the update, in /usr/lib/vouchsafe/updates.d",
        )
    }
}

fn read_baseline(path: impl AsRef<Path>) -> Result<Baseline, Failure> {
    let path = path.as_ref();
    Baseline::parse(&output::read_text(path, MAX_BASELINE)?).map_err(|error| Failure::file(path, error))
}

fn read_key(path: &Path) -> Result<UpdateSigningKey, Failure> {
    let text = trusted_file::read_private(path)?;
    let seed = text.trim_end().strip_prefix(PREFIX).and_then(from_base64url).map(Zeroizing::new);
    let seed = seed.and_then(|seed| <[u8; SEED]>::try_from(seed.as_slice()).ok()).map(Zeroizing::new);
    let seed =
        seed.ok_or_else(|| Failure::file(path, "is not a key that `vouchsafe baseline signer --new` made"))?;
    UpdateSigningKey::from_seed(&seed).map_err(|error| Failure::file(path, error))
}

/// Before the seed in a key's file, so that scanners for secrets find one.
const PREFIX: &str = "vouchsafe-update-key.";
/// Bytes of a seed.
const SEED: usize = 32;
/// Seconds: 90 days.
const DEFAULT_LIFETIME: u64 = 90 * 86_400;
