//! MACs of rows, computed here from the documented layouts without the keystore's code.
//!
//! The row key is `HKDF-SHA-256[no salt, "vouchsafe/v1 root row mac"](root key)`. The input of a MAC is a
//! list of fields, each length-prefixed with 4 bytes big-endian; the label is the first field, numbers are 8
//! bytes big-endian, flags one byte.

use aws_lc_rs::hmac;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};
use vouchsafe_keystore::registry::{Actor, OperatorToken, Rotation, TokenLifetime};
use vouchsafe_policy::operators::{OperatorAction, OperatorRole, WHOLE_BROKER};

use super::opened::{NOW, permit};
use super::stored::{self, KEYRING, ROW_MACS, Stored};

/// How a column is encoded in the MAC's input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
    /// A number whose field is omitted if it is 0.
    Optional(&'static str),
    Flag(&'static str),
    Bytes(&'static str),
    /// A text whose field is omitted if it is empty.
    OptionalText(&'static str),
    /// Bytes whose field is omitted if there are none.
    OptionalBytes(&'static str),
}
use Column::{Bytes, Flag, Number, Optional, OptionalBytes, OptionalText, Text};

pub(crate) struct Layout {
    pub(crate) table: &'static str,
    /// Query for the rows with this layout.
    query: &'static str,
    label: &'static str,
    /// Whether the field after the label is the table's name.
    is_named: bool,
    columns: &'static [Column],
}

const ROW: &str = "vouchsafe/v1 row";

pub(crate) const LAYOUTS: &[Layout] = &[
    Layout {
        table: "meta",
        query: "SELECT * FROM meta WHERE name = 'keyring'",
        label: "vouchsafe/v1 keyring check",
        is_named: false,
        columns: &[],
    },
    Layout {
        table: "documents",
        query: "SELECT * FROM documents ORDER BY kind, name",
        label: ROW,
        is_named: true,
        columns: &[Text("kind"), Text("name"), Number("version"), Flag("revoked"), Number("row_version")],
    },
    Layout {
        table: "document_versions",
        query: "SELECT * FROM document_versions ORDER BY kind, name, version",
        label: ROW,
        is_named: true,
        columns: &[
            Text("kind"),
            Text("name"),
            Number("version"),
            Text("body"),
            Bytes("digest"),
            Number("created_at"),
            Text("created_by"),
            Number("row_version"),
        ],
    },
    Layout {
        table: "secrets",
        query: "SELECT * FROM secrets ORDER BY path",
        label: ROW,
        is_named: true,
        columns: &[
            Text("path"),
            Text("purpose"),
            Flag("per_instance"),
            Text("policy"),
            Number("versions"),
            Number("created_at"),
            Number("row_version"),
        ],
    },
    Layout {
        table: "secret_versions",
        query: "SELECT * FROM secret_versions ORDER BY path, version",
        label: ROW,
        is_named: true,
        columns: &[
            Text("path"),
            Number("version"),
            Text("state"),
            Number("created_at"),
            Optional("retirement"),
            Number("row_version"),
        ],
    },
    Layout {
        table: "operators",
        query: "SELECT * FROM operators ORDER BY name",
        label: ROW,
        is_named: true,
        columns: &[
            Text("name"),
            Text("role"),
            Text("namespaces"),
            Text("token_id"),
            Bytes("token_hash"),
            Number("created_at"),
            Optional("expires_at"),
            OptionalText("previous_id"),
            OptionalBytes("previous_hash"),
            Optional("previous_epoch"),
            Optional("previous_expires_at"),
            Number("row_version"),
        ],
    },
    Layout {
        table: "log_head",
        query: "SELECT log_head.*, epoch.value AS epoch FROM log_head, epoch",
        label: "vouchsafe/v1 log head",
        is_named: false,
        columns: &[Number("size"), Number("epoch")],
    },
    Layout {
        table: "log_leaves",
        query: "SELECT * FROM log_leaves ORDER BY idx",
        label: "vouchsafe/v1 log leaf",
        is_named: false,
        columns: &[Number("idx"), Bytes("hash")],
    },
    Layout {
        table: "chips_head",
        query: "SELECT * FROM chips_head",
        label: "vouchsafe/v1 chips head",
        is_named: false,
        columns: &[Number("size")],
    },
    Layout {
        table: "chips",
        query: "SELECT * FROM chips ORDER BY idx",
        label: ROW,
        is_named: true,
        columns: &[
            Number("idx"),
            Text("subject"),
            Text("chip"),
            Number("first_seen_at"),
            Text("decision"),
            Number("leaf"),
        ],
    },
    Layout {
        table: "nonce_floor",
        query: "SELECT * FROM nonce_floor",
        label: "vouchsafe/v1 nonce floor",
        is_named: false,
        columns: &[Number("value")],
    },
];

/// The input of a row's MAC, and the MAC.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowMac {
    pub(crate) table: String,
    pub(crate) input: String,
    pub(crate) mac: String,
}

impl Layout {
    /// Every row of the database with this layout.
    pub(crate) async fn rows(&self, connection: &mut SqliteConnection) -> Vec<RowMac> {
        let rows = sqlx::query(AssertSqlSafe(self.query)).fetch_all(connection).await.expect("rows");
        let mac = |row: &SqliteRow| RowMac {
            table: self.table.to_owned(),
            input: hex::encode(self.input(row)),
            mac: hex::encode(row.get::<Vec<u8>, _>("mac")),
        };
        rows.iter().map(mac).collect()
    }

    fn input(&self, row: &SqliteRow) -> Vec<u8> {
        let mut input = field(self.label.as_bytes());
        if self.is_named {
            input.extend(field(self.table.as_bytes()));
        }
        let number = |column: &str| row.get::<i64, _>(column).to_be_bytes();
        for column in self.columns {
            input.extend(match column {
                Text(name) => field(row.get::<String, _>(*name).as_bytes()),
                Bytes(name) => field(&row.get::<Vec<u8>, _>(*name)),
                Number(name) => field(&number(name)),
                Optional(name) if row.get::<i64, _>(*name) == 0 => Vec::new(),
                Optional(name) => field(&number(name)),
                OptionalText(name) => filled(row.get::<String, _>(*name).as_bytes()),
                OptionalBytes(name) => filled(&row.get::<Vec<u8>, _>(*name)),
                Flag(name) => field(&[u8::from(row.get::<bool, _>(*name))]),
            });
        }
        input
    }
}

fn field(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a short field");
    [&length.to_be_bytes(), bytes].concat()
}

fn filled(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() { Vec::new() } else { field(bytes) }
}

fn row_key() -> hmac::Key {
    let keyring: serde_json::Value = serde_json::from_str(&stored::read(KEYRING)).expect("JSON");
    let root = hex::decode(keyring["generations"][0]["key"].as_str().expect("a key")).expect("hex");
    let mut key = [0; 32];
    let label = field(b"vouchsafe/v1 root row mac");
    Hkdf::<Sha256>::new(None, &root).expand(&label, &mut key).expect("32 bytes");
    hmac::Key::new(hmac::HMAC_SHA256, &key)
}

/// Tables that the database of the vectors is older than.
const LATER: &[Layout] = &[Layout {
    table: "identity_uses",
    query: "SELECT * FROM identity_uses ORDER BY id",
    label: ROW,
    is_named: true,
    columns: &[
        Number("id"),
        Text("identity"),
        Text("state"),
        Number("created_at"),
        Number("since"),
        Text("statement"),
        Number("row_version"),
    ],
}];

#[tokio::test]
async fn macs_of_later_tables_are_those_of_their_layouts() {
    let (stored, key) = (Stored::of_vectors().await, row_key());
    let keystore = stored.open().await;
    let permit = permit(OperatorAction::ManageKeyring, WHOLE_BROKER);
    let by = Actor::permitted(&permit, NOW);
    let next = keystore.add_identity(by).await.expect("added");
    keystore.promote_identity(by, next, 60).await.expect("promoted");
    keystore.close().await;
    let mut connection = stored.connect().await;
    for layout in LATER {
        let rows = layout.rows(&mut connection).await;
        assert_eq!(rows.len(), 2, "{}", layout.table);
        for RowMac { table, input, mac } in rows {
            let [input, mac] = [&input, &mac].map(|text| hex::decode(text).expect("hex"));
            assert!(hmac::verify(&key, &input, &mac).is_ok(), "{table}: {}", String::from_utf8_lossy(&input));
        }
    }
}

/// The database of the vectors is older than the ends of tokens.
#[tokio::test]
async fn macs_cover_the_ends_of_tokens_and_the_token_before() {
    let (stored, key) = (Stored::with_keyring(&stored::read(KEYRING)), row_key());
    let keystore = stored.create().await;
    let (day, never) = (TokenLifetime::Seconds(86_400), TokenLifetime::Never);
    keystore.add_first_administrator("alice", never, NOW).await.expect("added");
    let operators = permit(OperatorAction::ManageOperators, WHOLE_BROKER);
    let (by, role) = (Actor::permitted(&operators, NOW), OperatorRole::Administrator);
    for (name, lifetime, overlap) in [("bob", day, None), ("carol", never, Some(60)), ("dave", day, Some(60))]
    {
        keystore.add_operator(by, name, role, &[], lifetime).await.expect("added");
        let Some(overlap) = overlap else { continue };
        let token = OperatorToken::generate().expect("a token").hashed();
        let rotation = Rotation { name, token, lifetime: Some(lifetime), overlap };
        keystore.rotate_token(by, rotation).await.expect("rotated");
    }
    keystore.close().await;
    let mut connection = stored.connect().await;
    let layout = LAYOUTS.iter().find(|layout| layout.table == "operators").expect("a layout");
    let mut fields = Vec::new();
    for RowMac { input, mac, .. } in layout.rows(&mut connection).await {
        let [input, mac] = [&input, &mac].map(|text| hex::decode(text).expect("hex"));
        assert!(hmac::verify(&key, &input, &mac).is_ok(), "{}", String::from_utf8_lossy(&input));
        fields.push(fields_of(&input).len());
    }
    // Label, table and row version with 6, 7, 10 and 11 fields.
    assert_eq!(fields, [9, 10, 13, 14]);
}

fn fields_of(mut input: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("a length");
        let (field, rest) = rest.split_at(length);
        fields.push(field);
        input = rest;
    }
    fields
}

#[tokio::test]
async fn every_mac_of_the_database_is_that_of_its_layout() {
    let (stored, key) = (Stored::of_vectors().await, row_key());
    let mut connection = stored.connect().await;
    for layout in LAYOUTS {
        let rows = layout.rows(&mut connection).await;
        assert!(!rows.is_empty(), "the database has no row of {}", layout.table);
        for RowMac { table, input, mac } in rows {
            let [input, mac] = [&input, &mac].map(|text| hex::decode(text).expect("hex"));
            assert!(hmac::verify(&key, &input, &mac).is_ok(), "{table}: {}", String::from_utf8_lossy(&input));
        }
    }
}

#[tokio::test]
async fn inputs_and_macs_are_the_known_ones() {
    let stored = Stored::of_vectors().await;
    let mut connection = stored.connect().await;
    let mut known: Vec<RowMac> = serde_json::from_str(&stored::read(ROW_MACS)).expect("JSON");
    for layout in LAYOUTS {
        let expected: Vec<_> = known.extract_if(.., |row| row.table == layout.table).collect();
        assert_eq!(layout.rows(&mut connection).await, expected, "{}", layout.table);
    }
    assert_eq!(known, []);
}

/// Every table with a MAC has a layout here.
#[tokio::test]
async fn no_table_is_left_out() {
    let stored = Stored::of_vectors().await;
    let mut connection = stored.connect().await;
    for table in stored::tables(&mut connection).await {
        let columns = format!("SELECT name FROM pragma_table_info('{table}') WHERE name = 'mac'");
        let mac = sqlx::query(AssertSqlSafe(columns)).fetch_optional(&mut connection).await.expect("columns");
        assert_eq!(mac.is_some(), LAYOUTS.iter().chain(LATER).any(|layout| layout.table == table), "{table}");
    }
}
