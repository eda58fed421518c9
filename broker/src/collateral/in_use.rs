//! Which CRLs readiness depends on.
//!
//! If the guardrails in force read revocation, at least one current CRL must be stored, and each stored CRL
//! of an issuer in use must be current. An issuer is in use for a day after a decision that relied on its
//! CRLs: a grant, or a refusal of a VM whose owner a policy names. So neither the last CRL of a retired
//! issuer nor evidence of strangers makes the broker unready, and nobody has to remove such a CRL. A CRL that
//! has not been fetched yet does not make the broker unready: a guest that needs it is told to wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use vouchsafe_attestation::claims::Claims;
use vouchsafe_protocol::UnixTime;

use super::status::CrlStatus;

/// Issuers whose CRLs releases relied on, by encoded name, with the time of the last release. Empty after a
/// restart.
#[derive(Debug, Default)]
pub(crate) struct IssuersInUse(Mutex<BTreeMap<Vec<u8>, UnixTime>>);

impl IssuersInUse {
    /// Notes a release that relied on these claims.
    pub(crate) fn saw(&self, claims: &Claims, now: UnixTime) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for issuer in claims.crl_issuers() {
            if let Some(at) = seen.get_mut(issuer) {
                *at = now;
                continue;
            }
            seen.retain(|_, at| is_in_use(*at, now));
            if seen.len() < MOST {
                seen.insert(issuer.to_vec(), now);
            }
        }
    }

    /// Whether these CRLs are sufficient.
    pub(crate) fn are_served_by(&self, lists: &[CrlStatus], now: UnixTime) -> bool {
        let (overdue, current): (Vec<_>, Vec<_>) = lists.iter().partition(|list| list.overdue(now));
        let served: BTreeSet<_> = current.iter().map(|list| &list.issuer).collect();
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A CRL's status has the issuer's name in hex.
        let seen_at = |issuer: &str| hex::decode(issuer).ok().and_then(|name| seen.get(&name).copied());
        let in_use = |issuer: &str| seen_at(issuer).is_some_and(|at| is_in_use(at, now));
        !current.is_empty()
            && overdue.iter().all(|list| served.contains(&list.issuer) || !in_use(&list.issuer))
    }
}

const fn is_in_use(seen: UnixTime, now: UnixTime) -> bool {
    now.since(seen) < IN_USE
}

/// Seconds.
const IN_USE: u64 = 86_400;
/// Upper limit of issuers, the same as that of CRLs.
const MOST: usize = vouchsafe_attestation::x509::MAX_CRLS;

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::Digest32;

    use super::*;

    fn in_use(issuers: &[(&str, u64)]) -> IssuersInUse {
        let seen = issuers.iter().map(|(issuer, at)| (issuer.as_bytes().to_vec(), UnixTime(*at)));
        IssuersInUse(Mutex::new(seen.collect()))
    }

    fn list(issuer: &str, next_update: Option<u64>) -> CrlStatus {
        CrlStatus {
            digest: Digest32::of(issuer.as_bytes()),
            issuer: hex::encode(issuer),
            this_update: UnixTime(1),
            next_update: next_update.map(UnixTime),
            revoked: 0,
        }
    }

    #[test]
    fn t54_each_issuer_in_use_needs_a_current_list() {
        let (due, over) = (Some(100_000), Some(99_999));
        for (lists, expected) in [
            (vec![], false),
            (vec![list("amd", due)], true),
            (vec![list("amd", None), list("google", due)], true),
            (vec![list("amd", due), list("google", over)], false),
            (vec![list("google", over)], false),
            (vec![list("google", over), list("amd", due), list("google", due)], true),
            // The issuer has retired, or was never in use.
            (vec![list("amd", due), list("retired", over), list("unused", over)], true),
            (vec![list("retired", over)], false),
        ] {
            let issuers =
                in_use(&[("amd", 99_000), ("google", 100_000 - IN_USE + 1), ("retired", 100_000 - IN_USE)]);
            assert_eq!(issuers.are_served_by(&lists, UnixTime(100_000)), expected, "{lists:?}");
        }
    }
}
