//! Which certificates path building gets to see: one path, not all that came along.
//!
//! webpki tries what it is given in every order, and that costs without bound in practice when
//! certificates bear each other's names. So the issuers are picked here: each by its name, one for
//! each name. Nothing is trusted for that; webpki verifies what was picked, and the anchors.

use rustls_pki_types::CertificateDer;
use vouchsafe_protocol::UnixTime;

use super::ChainError;
use super::ChainRequest;
use super::algorithms;
use super::certificate::Certificate;
use super::certificate::Names;
use super::der::Signed;

/// The issuers above the leaf, as far as they are there.
///
/// # Errors
/// [`ChainError::Malformed`] when a certificate that came with the leaf cannot be read.
pub(super) fn above<'a>(
    leaf: &'a Certificate,
    request: &ChainRequest<'a>,
) -> Result<Vec<CertificateDer<'a>>, ChainError> {
    let given = request.certificates.iter().map(Vec::as_slice);
    let mut pool: Vec<Names<'a>> =
        given.map(Names::parse).collect::<Option<_>>().ok_or(ChainError::Malformed)?;
    let known = request.collateral.certificates().iter().map(AsRef::as_ref);
    pool.extend(known.filter_map(Names::parse));

    let mut path: Vec<Names<'a>> = Vec::new();
    let (mut below, mut wanted) = (request.leaf, leaf.issuer.as_slice());
    // No name twice: what is picked is a line without branches.
    while path.iter().all(|picked| picked.subject != wanted) {
        let Some(next) = issuer(&pool, wanted, below, request) else { break };
        path.push(next);
        (below, wanted) = (next.encoded, next.issuer);
    }
    Ok(path.into_iter().map(|picked| CertificateDer::from(picked.encoded)).collect())
}

/// The certificate of that name; where several have it, the first that fits, or else the first, so
/// that the flaw is found where it is judged.
fn issuer<'a>(
    pool: &[Names<'a>],
    name: &[u8],
    below: &[u8],
    request: &ChainRequest<'_>,
) -> Option<Names<'a>> {
    let mut named: Vec<Names<'a>> = Vec::new();
    for candidate in pool.iter().filter(|candidate| candidate.subject == name) {
        // What comes with evidence is often in the collateral as well.
        if named.iter().all(|known| known.encoded != candidate.encoded) {
            named.push(*candidate);
        }
    }
    let first = *named.first()?;
    if named.len() == 1 {
        return Some(first);
    }
    let signed = Signed::parse(below)?;
    let algorithms = algorithms::serving(request.purpose);
    let fits = |candidate: &&Names<'a>| {
        Certificate::parse(candidate.encoded).is_some_and(|certificate| {
            is_valid(&certificate, request.now) && algorithms::verify(algorithms, &certificate.spki, &signed)
        })
    };
    Some(named.iter().find(fits).copied().unwrap_or(first))
}

fn is_valid(certificate: &Certificate, now: UnixTime) -> bool {
    certificate.not_before <= now && now <= certificate.not_after
}
