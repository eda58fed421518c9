//! Writes the vectors: a database with a row of every kind, and its expected content.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};
use vouchsafe_keystore::Keystore;
use vouchsafe_keystore::record::{
    Clock, EvidencePiece, GrantBinding, GrantRecord, GrantedSecret, GuardrailsRef, NewGrant, NewRefusal,
    RefusalRecord,
};
use vouchsafe_keystore::registry::{Actor, NewVersion, TokenLifetime};
use vouchsafe_policy::operators::{OperatorAction as A, Permit, WHOLE_BROKER};
use vouchsafe_protocol::{
    Bytes, DecisionId, Digest32, Nonce, ObjectName, PlaintextSecret, ReasonCode, SecretPath, Suite,
    VolumeHeaders,
};

use super::layouts::LAYOUTS;
use super::opened::{INSTANCE, Known, NOW, PER_INSTANCE, TOKEN, log, path, permit, released};
use super::records::{EARLIER, Record};
use super::stored::{self, DATABASE, KEYRING, KNOWN, LOG_RECORDS, ROW_MACS, Stored, vector};

#[tokio::test]
#[ignore = "writes the files that the other tests check"]
async fn write_known_answers() {
    let key: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
    let keyring = format!(
        "{{\n  \"version\": 1,\n  \"generations\": [\n    {{\n      \"id\": 1,\n      \"state\": \"primary\",\n      \
         \"created_at\": {NOW},\n      \"key\": \"{key}\"\n    }}\n  ]\n}}\n"
    );
    let stored = Stored::with_keyring(&keyring);
    let keystore = stored.create().await;
    let token = fill(&keystore).await;
    let identity = keystore.identity().await.expect("an identity").identity();
    let known = Known { identity, token, secrets: released(&keystore).await };
    let logged = log(&keystore).await;
    let records = logged.iter().rev().map(|leaf| leaf.record.canonical());
    let earlier = EARLIER.iter().map(|text| (*text).to_owned());
    let records: Vec<_> = records.chain(earlier).map(Record::new).collect();
    keystore.close().await;

    let mut connection = stored.connect().await;
    let mut macs = Vec::new();
    for layout in LAYOUTS {
        macs.extend(layout.rows(&mut connection).await);
    }
    fs::write(vector(KEYRING), keyring).expect("written");
    fs::write(vector(DATABASE), dump(&mut connection).await).expect("written");
    write(KNOWN, &known);
    write(ROW_MACS, &macs);
    write(LOG_RECORDS, &records);
}

fn write(name: &str, value: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(value).expect("JSON") + "\n";
    fs::write(vector(name), text).expect("written");
}

/// Writes a row of every kind; returns an operator's token.
async fn fill(keystore: &Keystore) -> String {
    keystore.add_first_administrator("alice", TokenLifetime::Never, NOW).await.expect("added");
    let operators = permit(A::ManageOperators, WHOLE_BROKER);
    let by = by_alice(&operators);
    let namespaces = ["prod".to_owned()];
    let token = keystore
        .add_operator(by, "bob", "auditor".parse().expect("a role"), &namespaces, TokenLifetime::Never)
        .await;
    let token = token.expect("added").expose().to_owned();
    keystore
        .add_operator(by, "carol", "editor".parse().expect("a role"), &namespaces, TokenLifetime::Never)
        .await
        .expect("added");
    keystore.remove_operator(by, "carol").await.expect("removed");

    let administration = permit(A::ManageGuardrails, WHOLE_BROKER);
    let guardrails = include_str!("../../../config/policies/guardrails.cedar");
    keystore
        .put_guardrails(by_alice(&administration), guardrails, &BTreeSet::new())
        .await
        .expect("guardrails");
    let policies = permit(A::ManagePolicies, "prod");
    for note in ["first", "second"] {
        let text = format!("// {note}\n{POLICY}");
        keystore.put_policy(by_alice(&policies), &name("prod/app"), &text).await.expect("a policy");
    }
    let baselines = permit(A::ManageBaselines, "prod");
    keystore.put_baseline(by_alice(&baselines), &name("prod/image"), BASELINE).await.expect("a baseline");
    keystore.revoke_baseline(by_alice(&baselines), &name("prod/image")).await.expect("revoked");

    let secrets = permit(A::ManageSecrets, "prod");
    let by = by_alice(&secrets);
    put(keystore, by, &path(TOKEN), b"the first token").await;
    put(keystore, by, &path(TOKEN), b"the second token").await;
    keystore.retire_secret(by, &path(TOKEN), Some(1)).await.expect("retired");
    let (per_instance, old) = (path(PER_INSTANCE), path("prod/db/old"));
    keystore.generate_per_instance(by, new(&per_instance, &name("prod/app"))).await.expect("generated");
    for value in [&b"one"[..], b"two"] {
        put(keystore, by, &old, value).await;
    }
    keystore.retire_secret(by, &old, None).await.expect("retired");
    keystore.destroy_secret(by, &old, Some(1)).await.expect("destroyed");

    keystore.record(grant(keystore).await).await.expect("recorded");
    // Removes the nonce of the first one, which leaves a floor.
    let mut later = grant(keystore).await;
    (later.record.at, later.nonce_expires_at) = (NOW.plus(900), NOW.plus(960));
    (later.record.decision, later.record.nonce) = (DecisionId([7; 16]), Nonce([7; 32]));
    keystore.record(later).await.expect("recorded");
    assert!(keystore.record_refusal(refusal()));
    while !log(keystore).await.iter().any(|leaf| leaf.record.id() == DecisionId([9; 16])) {
        tokio::task::yield_now().await;
    }
    token
}

fn by_alice(permit: &Permit) -> Actor<'_> {
    Actor::permitted(permit, NOW.plus(60))
}

async fn put(keystore: &Keystore, by: Actor<'_>, path: &SecretPath, value: &[u8]) {
    let secret = PlaintextSecret::new(value.to_vec()).expect("a secret");
    keystore.put_secret(by, new(path, &name("prod/app")), &secret).await.expect("put");
}

fn new<'a>(path: &'a SecretPath, policy: &'a ObjectName) -> NewVersion<'a> {
    NewVersion { path, purpose: "app".parse().expect("a purpose"), policy }
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).expect("a name")
}

/// A grant with every member that a record can have.
async fn grant(keystore: &Keystore) -> NewGrant {
    let broker = keystore.identity().await.expect("an identity").identity();
    let record = GrantRecord {
        at: NOW.plus(120),
        binding: Some(GrantBinding { broker, public_key: Bytes(vec![5; 32]), suite: Suite::X25519 }),
        chips: Vec::new(),
        claims: Digest32([1; 32]),
        decision: DecisionId([8; 16]),
        epoch: keystore.epoch().await.expect("an epoch"),
        evidence: Vec::new(),
        guardrails: Some(GuardrailsRef { digest: Digest32([6; 32]), version: Some(1) }),
        headers: VolumeHeaders::default(),
        instance: Some(INSTANCE.to_owned()),
        nonce: Nonce([4; 32]),
        peer: None,
        secrets: vec![GrantedSecret {
            path: path(TOKEN),
            policy: name("prod/app"),
            policy_digest: Digest32([2; 32]),
            version: 2,
        }],
    };
    let evidence = vec![EvidencePiece { kind: "event-log", bytes: b"an event log"[..].into() }];
    let chip = Some(serde_json::from_str("\"sev-snp:aa\"").expect("a chip"));
    NewGrant { record, clock: Clock::Steady, chip, evidence, nonce_expires_at: NOW.plus(180) }
}

fn refusal() -> NewRefusal {
    let record = RefusalRecord {
        at: NOW.plus(120),
        baseline: None,
        claims: Some(Digest32([3; 32])),
        code: ReasonCode::NotGranted,
        decision: DecisionId([9; 16]),
        evidence: Vec::new(),
        instance: Some(INSTANCE.to_owned()),
        paths: vec![path(TOKEN)],
        peer: None,
        reasons: vec!["prod/db/token: retired".to_owned()],
    };
    NewRefusal { record, evidence: Vec::new() }
}

/// Statements that insert every row.
async fn dump(connection: &mut SqliteConnection) -> String {
    let mut script = String::from(
        "-- A database of the keystore: rows of every table, written by keystore/tests/vectors/write.rs.\n",
    );
    for table in stored::tables(connection).await {
        let named = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
        let columns = texts(connection, named).await;
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        let values = format!("SELECT {} AS name FROM {table} ORDER BY rowid", quoted.join(" || ', ' || "));
        for row in texts(connection, values).await {
            let columns = columns.join(", ");
            writeln!(script, "INSERT INTO {table} ({columns}) VALUES ({row});")
                .expect("text takes everything");
        }
    }
    script
}

async fn texts(connection: &mut SqliteConnection, query: String) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(connection).await.expect("rows");
    rows.iter().map(|row| row.get("name")).collect()
}

/// For every VM of one project, like the simulated one.
const POLICY: &str = r#"@id("release")
@for("app")
@accepts("boot-chain")
permit (principal is Vm, action == Action::"release", resource is Secret)
when {
  principal has vtpm.instance &&
  principal.vtpm.root == Root::"extra" &&
  principal.vtpm.instance.project_number == "620438545889" &&
  principal has technology &&
  principal.technology == Technology::"sev-snp"
};
"#;

const BASELINE: &str = r#"{
  "version": 1,
  "ends_at": 1900000000,
  "technology": "sev-snp",
  "uki": ["0000000000000000000000000000000000000000000000000000000000000001"],
  "sections": {
    ".linux": ["0000000000000000000000000000000000000000000000000000000000000002"],
    ".initrd": ["0000000000000000000000000000000000000000000000000000000000000003"],
    ".cmdline": ["0000000000000000000000000000000000000000000000000000000000000004"]
  }
}
"#;
