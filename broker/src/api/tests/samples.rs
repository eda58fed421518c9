//! Sample values of every type: together they have every member, and each optional member is present in some
//! and absent in others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;
use vouchsafe_keystore::chips::{FirstSeen, Subject};
use vouchsafe_keystore::record::{
    ApprovingList, Authority, ChangedRow, EvidenceRef, GrantBinding, GrantRecord, GrantedSecret,
    GuardrailsRef, OperatorRecord, RefusalRecord, TokenRecord, VolumeChange, VolumeRecord,
};
use vouchsafe_policy::Purpose;
use vouchsafe_policy::chip::Chip;
use vouchsafe_protocol::bundle::{Bundle, BundleFormat, BundleItem, CollateralKind};
use vouchsafe_protocol::messages::{
    ChallengeAnswer, ReleaseAnswer, ReleaseRequest, VolumeAnswer, VolumeRequest, VolumeState, WrappedSecret,
};
use vouchsafe_protocol::problem::Problem;
use vouchsafe_protocol::{
    BrokerIdentity, Bytes, Challenge, DecisionId, Digest32, Digest48, Evidence, GoogleTokenEvidence,
    IdentityKey, Nonce, ObjectName, ReasonCode, ReleasePaths, SecretPath, SevSnpEvidence, Suite, TdxEvidence,
    UnixTime, UpdateSigner, VolumeAction, VolumeHeaders, VtpmEvidence,
};
use zeroize::Zeroizing;

use crate::api::baselines::{BaselineState, BaselineSummary, ChangedBaseline, RevokeBaseline};
use crate::api::chips::{ChipPage, ListChips, SeenChip};
use crate::api::collateral::{CollateralStatus, CrlStatus, ImportCollateral, ItemStatus, RemoveCollateral};
use crate::api::decisions::{Decision, DecisionPage, ListDecisions, LogRecord, Outcome, ShowDecision};
use crate::api::documents::{Document, NewDocument, ShowDocument, StoredVersion};
use crate::api::guardrails::{Guardrails, GuardrailsReset, GuardrailsVersion, PutGuardrails};
use crate::api::info::Info;
use crate::api::operators::{
    AddedOperator, NewOperator, Operator, OperatorRole, RemoveOperator, RotateToken, RotatedToken,
    TokenLifetime,
};
use crate::api::policies::{ChangedDecision, CheckedPolicy, ListedPolicy, PolicyDiff, PolicyDiffRequest};
use crate::api::readiness::{Readiness, Reason};
use crate::api::secrets::{
    ChangeVersion, DestroyedVersion, GenerateSecret, PutSecret, SecretSummary, SecretValue, SecretVersion,
    SetPolicy, ShowSecret, VersionState, VersionSummary,
};
use crate::api::volumes::{ListVolumes, NameVolume, Volume, VolumeId, VolumePage};

/// A type that has samples.
pub(super) trait Sample: Sized {
    fn samples() -> Vec<Self>;
}

macro_rules! samples {
    ($($type:ty = $samples:expr;)*) => {
        $(impl Sample for $type {
            fn samples() -> Vec<Self> {
                Vec::from($samples)
            }
        })*
    };
}

mod identities;
mod keyring;
mod proposals;

const AT: UnixTime = UnixTime(1_795_000_000);
const ID: DecisionId = DecisionId([7; 16]);
const DIGEST: Digest32 = Digest32([1; 32]);
const BROKER: BrokerIdentity = BrokerIdentity([2; 32]);
const PEER: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const INSTANCE: &str = "620438545889/4567890123456789012";

samples! {
    ShowSecret = [Self { path: path() }];
    PutSecret = [Purpose::App, Purpose::Disk].map(|purpose| Self { path: path(), purpose, policy: name(), value: value() });
    GenerateSecret = [Self { path: path(), purpose: Purpose::App, policy: name(), per_instance: false, length: 32 }];
    SecretVersion = [Self { path: path(), version: 1 }];
    SetPolicy = [Self { path: path(), policy: name() }];
    ChangeVersion = [Some(1), None].map(|version| Self { path: path(), version });
    DestroyedVersion = [true, false].map(|erased| Self { erased });
    SecretSummary = [Self {
        path: path(), purpose: Purpose::App, per_instance: false, policy: name(), created_at: AT,
        versions: vec![
            VersionSummary { version: 1, state: VersionState::Destroyed, created_at: AT, retirement: None },
            VersionSummary { version: 2, state: VersionState::Retired, created_at: AT, retirement: Some(9) },
            VersionSummary { version: 3, state: VersionState::Active, created_at: AT, retirement: None },
        ],
    }];
    NewDocument = [Self { name: name(), text: text() }];
    ShowDocument = [Self { name: name(), version: Some(1) }];
    StoredVersion = [Self { name: name(), version: 1 }];
    Document = [Self {
        name: name(), version: 1, digest: DIGEST, revoked: false, created_at: AT, created_by: text(), text: text(),
    }];
    ListedPolicy = [vec![], vec![text()]].map(|findings| Self { name: name(), version: 1, revoked: false, findings });
    CheckedPolicy = [(None, vec![]), (Some(Purpose::Disk), vec![text()])].map(|(purpose, notes)| Self {
        name: name(), digest: DIGEST, purpose, baselines: vec![name()], notes,
    });
    PolicyDiffRequest = [Self { name: name(), version: Some(1), text: text(), decisions: 1000 }];
    PolicyDiff = [Self { replayed: 2, without_evidence: 1, not_compared: 0, changed: [None, Some(text())].map(|because| {
        let instance = because.as_ref().map(|_| INSTANCE.to_owned());
        ChangedDecision { decision: ID, at: AT, path: path(), instance, before: true, after: false, because }
    }).into() }];
    RevokeBaseline = [Self { name: name() }];
    ChangedBaseline = [Some(1), None].map(|version| Self { name: name(), version, policies: vec![name()] });
    BaselineSummary = BaselineState::ALL.map(|state| Self {
        name: name(), version: 1, state, ends_at: (state != BaselineState::Unreadable).then_some(AT),
    });
    Guardrails = [Self { shipped: true, text: text() }];
    PutGuardrails = [Self { text: text(), drop: [text()].into() }];
    GuardrailsVersion = [Self { version: 1 }];
    GuardrailsReset = [Self { changed: true }];
    ShowDecision = [Self { id: ID }];
    ListDecisions = [
        Outcome::Granted, Outcome::Refused, Outcome::Operator, Outcome::Volume, Outcome::Proposal,
    ].map(|outcome| Self {
        outcome: Some(outcome), path: Some(path()), instance: Some(INSTANCE.to_owned()), since: Some(AT),
        until: Some(AT), before: Some(1), limit: Some(1000), remembered: true,
    });
    DecisionPage = [Some(1), None].map(|next| Self { records: Decision::samples(), next });
    Decision = decisions();
    ListChips = [Self { instance: Some(INSTANCE.to_owned()), policy: Some(name()), before: Some(1), limit: Some(1) }];
    ListVolumes = [Self { path: Some(path()), instance: Some(INSTANCE.to_owned()), after: Some(volume()), limit: Some(1) }];
    NameVolume = [Self { volume: volume() }];
    Volume = volume_records().map(Self::from);
    VolumePage = [Some(volume()), None].map(|next| Self { volumes: Volume::samples(), next });
    VolumeRequest = [
        VolumeAction::RegisterVolume { path: path(), digest: DIGEST },
        VolumeAction::AdvanceVolume { path: path(), from: DIGEST, to: DIGEST },
    ].map(|action| Self { challenge: challenge(), suite: Suite::XWing, public_key: bytes(), action, evidence: evidence() });
    VolumeAnswer = volume_states().map(|volume| Self { decision: ID, volume, signature: bytes() });
    ChipPage = [Some(1), None].map(|next| Self { chips: chips(), next });
    ImportCollateral = [Self { signed_by: Some(BROKER), measurement: Some(Digest48([3; 48])) }];
    RemoveCollateral = [Self { digest: DIGEST }];
    CollateralStatus = [Self {
        crls: [None, Some(AT)].map(|next_update| CrlStatus {
            digest: DIGEST, issuer: "30".to_owned(), this_update: AT, next_update, revoked: 0,
        }).into(),
        certificates: vec![DIGEST], chips: 1, fetch: true, waiting: 1, items: items(),
    }];
    NewOperator = OperatorRole::ALL.map(|role| Self {
        name: text(), role, namespaces: vec![text()], expires_in: lifetime(role),
    });
    AddedOperator<'static> = [None, Some(AT)].map(|expires_at| Self { name: text().into(), token: text().into(), expires_at });
    RotateToken = OperatorRole::ALL.map(|role| Self {
        name: Some(text()),
        token_id: "0123456789abcdef".to_owned().try_into().expect("an id"),
        token_hash: DIGEST, expires_in: Some(lifetime(role)), overlap: 0,
    });
    RotatedToken = [None, Some(AT)].map(|at| Self { name: text(), expires_at: at, previous_until: at });
    RemoveOperator = [Self { name: text() }];
    Operator = OperatorRole::ALL.map(|role| {
        let end = Some(AT).filter(|_| role != OperatorRole::Administrator);
        Self {
            name: text(), role, namespaces: vec![text()], created_at: AT, expires_at: end, previous_until: end,
        }
    });
    Info = [Self {
        version: text(), identities: vec![BROKER], suites: Suite::ALL.to_vec(), trust_anchors: DIGEST,
        extra_trust_anchors: vec![DIGEST],
    }];
    Readiness = [Some(1), None].map(|age_seconds| Self { ready: false, reasons: Reason::ALL.to_vec(), age_seconds });
    ChallengeAnswer = [Self { challenge: challenge(), identity: BROKER }];
    ReleaseRequest = Suite::ALL.map(|suite| Self {
        challenge: challenge(), suite, public_key: bytes(), paths: ReleasePaths::sort(vec![path()]).expect("paths"),
        headers: headers(), evidence: evidence(),
    });
    ReleaseAnswer = [Self {
        decision: ID, enc: bytes(), signature: bytes(),
        secrets: vec![WrappedSecret { path: path(), version: 1, policy_digest: DIGEST, ciphertext: bytes() }],
    }];
    Evidence = [evidence(), least_evidence(), Self::default()];
    Bundle = [Self::sign(&IdentityKey::from_seed(&Zeroizing::new([5; 32])).expect("a key"), BundleFormat::Exported, AT, bundled())];
}

/// One for each code, with all members and with only the required ones.
pub(super) fn problems() -> Vec<Value> {
    let full = ReasonCode::ALL.iter().map(|code| {
        let problem = Problem { decision: Some(ID), signature: Some(bytes()), ..Problem::new(*code) };
        serde_json::to_value(problem.with_detail(text())).expect("JSON")
    });
    let least = serde_json::to_value(Problem::new(ReasonCode::Internal)).expect("JSON");
    full.chain([least]).collect()
}

/// The pointers of all objects in a value.
pub(super) fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(at.to_owned());
            members.iter().for_each(|(name, member)| objects(member, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| objects(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

fn path() -> SecretPath {
    SecretPath::parse("prod/db-01/disk").expect("a path")
}

fn name() -> ObjectName {
    ObjectName::parse("prod/db").expect("a name")
}

fn text() -> String {
    "text".to_owned()
}

fn value() -> SecretValue {
    SecretValue::new(vec![0, 255])
}

fn bytes() -> Bytes {
    Bytes(vec![0, 255])
}

fn challenge() -> Challenge {
    Challenge { nonce: Nonce([4; 32]), issued_at: AT, expires_at: AT, mac: bytes() }
}

fn evidence() -> Evidence {
    Evidence {
        vtpm: Some(VtpmEvidence {
            ak_certificate: bytes(),
            ca_certificates: vec![bytes()],
            quote: bytes(),
            signature: bytes(),
            pcrs: BTreeMap::from([(0, DIGEST)]),
            event_log: bytes().into(),
            userspace_log: Some(bytes()),
        }),
        sev_snp: Some(SevSnpEvidence {
            report: bytes(),
            vek_certificate: Some(bytes()),
            ca_certificates: vec![bytes()],
            launch_endorsement: Some(bytes()),
        }),
        tdx: Some(TdxEvidence { quote: bytes(), event_log: Some(bytes().into()) }),
        google_token: Some(GoogleTokenEvidence { token: text() }),
    }
}

/// Every kind of evidence, with only the required members.
fn least_evidence() -> Evidence {
    let mut least = evidence();
    if let Some(vtpm) = &mut least.vtpm {
        vtpm.ca_certificates.clear();
        vtpm.userspace_log = None;
    }
    if let Some(snp) = &mut least.sev_snp {
        *snp = SevSnpEvidence {
            report: bytes(),
            vek_certificate: None,
            ca_certificates: Vec::new(),
            launch_endorsement: None,
        };
    }
    if let Some(tdx) = &mut least.tdx {
        tdx.event_log = None;
    }
    least
}

/// A limited one for some roles.
fn lifetime(role: OperatorRole) -> TokenLifetime {
    if role == OperatorRole::Administrator { TokenLifetime::Never } else { TokenLifetime::Seconds(3600) }
}

fn decisions() -> Vec<Decision> {
    let grants = grants().map(LogRecord::Grant);
    let refusals = [None, Some(DIGEST)].map(|claims| {
        LogRecord::Refusal(RefusalRecord {
            at: AT,
            baseline: claims.map(|_| name()),
            claims,
            code: ReasonCode::NotGranted,
            decision: ID,
            evidence: vec![EvidenceRef { digest: DIGEST, kind: text() }],
            instance: claims.map(|_| INSTANCE.to_owned()),
            paths: vec![path()],
            peer: claims.map(|_| PEER),
            reasons: vec![text()],
        })
    });
    let authority = || Authority { namespaces: vec![text()], role: OperatorRole::Editor };
    let changes = [(None, None), (Some(()), None), (Some(()), Some(AT))].map(|(is_full, end)| {
        LogRecord::Operator(OperatorRecord {
            account: is_full.map(|()| authority()),
            action: text(),
            at: AT,
            authority: is_full.map(|()| authority()),
            epoch: 1,
            id: ID,
            lists: is_full
                .map(|()| ApprovingList { digest: DIGEST, signer: UpdateSigner::from([1; 32]) })
                .into_iter()
                .collect(),
            operator: text(),
            peer: is_full.map(|()| PEER),
            rows: vec![ChangedRow { key: text(), removed: false, table: text() }],
            target: text(),
            token: is_full.map(|()| TokenRecord { expires_at: end, previous_until: end }),
        })
    });
    let volumes = volume_records().map(LogRecord::Volume);
    let proposals = proposals::records().map(|record| LogRecord::Proposal(Box::new(record)));
    let records = grants.into_iter().chain(refusals).chain(changes).chain(volumes).chain(proposals);
    records
        .zip([Some(0), None].into_iter().cycle())
        .map(|(record, index)| Decision { index, record })
        .collect()
}

/// A current grant with all members, one for a VM without a named instance, and one of an old version.
fn grants() -> [GrantRecord; 3] {
    let least = GrantRecord {
        at: AT,
        binding: None,
        chips: Vec::new(),
        claims: DIGEST,
        decision: ID,
        epoch: 1,
        evidence: vec![EvidenceRef { digest: DIGEST, kind: text() }],
        guardrails: None,
        headers: VolumeHeaders::default(),
        instance: None,
        nonce: Nonce([4; 32]),
        peer: None,
        secrets: vec![GrantedSecret { path: path(), policy: name(), policy_digest: DIGEST, version: 1 }],
    };
    let full = |version, suite| GrantRecord {
        binding: Some(GrantBinding { broker: BROKER, public_key: bytes(), suite }),
        chips: vec![
            FirstSeen { chip: chip(1), earlier: None, subject: Subject::Policy(name()) },
            FirstSeen { chip: chip(2), earlier: Some(chip(1)), subject: Subject::Policy(name()) },
        ],
        guardrails: Some(GuardrailsRef { digest: DIGEST, version }),
        headers: headers(),
        instance: Some(INSTANCE.to_owned()),
        peer: Some(PEER),
        ..least.clone()
    };
    [full(Some(1), Suite::XWing), full(None, Suite::X25519), least]
}

fn volume() -> VolumeId {
    format!("{}@{INSTANCE}", path()).parse().expect("a volume")
}

fn volume_states() -> [VolumeState; 2] {
    [Some(DIGEST), None].map(|pending| VolumeState { current: DIGEST, generation: 1, pending })
}

/// One for each change; grants make the last one.
fn volume_records() -> [VolumeRecord; 3] {
    let [announced, state] = volume_states();
    let least = VolumeRecord {
        at: AT,
        binding: None,
        change: VolumeChange::Promoted,
        changes: 3,
        claims: DIGEST,
        decision: ID,
        epoch: 1,
        evidence: Vec::new(),
        guardrails: None,
        instance: INSTANCE.to_owned(),
        nonce: Nonce([4; 32]),
        path: path(),
        peer: None,
        policy: name(),
        policy_digest: DIGEST,
        registered_at: AT,
        state,
    };
    let full = |change, state| VolumeRecord {
        binding: Some(GrantBinding { broker: BROKER, public_key: bytes(), suite: Suite::X25519 }),
        change,
        evidence: vec![EvidenceRef { digest: DIGEST, kind: text() }],
        guardrails: Some(GuardrailsRef { digest: DIGEST, version: None }),
        peer: Some(PEER),
        state,
        ..least.clone()
    };
    [full(VolumeChange::Registered, state), full(VolumeChange::Advanced, announced), least]
}

fn headers() -> VolumeHeaders {
    VolumeHeaders::new([(path(), DIGEST)]).expect("one header")
}

fn chip(number: u8) -> Chip {
    Chip::stored(format!("tdx:{}", hex::encode([number; 32])))
}

fn chips() -> Vec<SeenChip> {
    let seen = |earlier| SeenChip {
        index: 0,
        chip: chip(2),
        earlier,
        subject: Subject::Instance(INSTANCE.to_owned()),
        first_seen_at: AT,
        decision: ID,
    };
    vec![seen(None), seen(Some(chip(1)))]
}

fn items() -> Vec<ItemStatus> {
    let item = |kind| ItemStatus {
        kind,
        subject: text(),
        source: Some(text()),
        fetched_at: Some(AT),
        valid_until: Some(AT),
        digest: Some(DIGEST),
        last_error: Some(text()),
    };
    let wanted = ItemStatus {
        source: None,
        fetched_at: None,
        valid_until: None,
        digest: None,
        last_error: None,
        ..item(CollateralKind::Crl)
    };
    CollateralKind::ALL.iter().map(|kind| item(*kind)).chain([wanted]).collect()
}

fn bundled() -> Vec<BundleItem> {
    let item = |kind: &CollateralKind, subject| BundleItem::new(*kind, subject, text(), AT, vec![1]);
    let named = CollateralKind::ALL.iter().map(|kind| item(kind, text()));
    named.chain([item(&CollateralKind::Crl, String::new())]).collect()
}
