//! The table of all rows that need a generation of the keyring. A test compares it with the tables of the database.

use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;
use vouchsafe_protocol::text::printable;
use vouchsafe_protocol::{ObjectName, SecretPath};

use crate::db::columns::{self, tampered};
use crate::db::{Connection, Db, RESTORE, Row, StoreError, run};
use crate::keyring::{GenerationId, Keyring};
use crate::log::{head_mac, leaf_mac};
use crate::record::floor_mac;
use crate::registry::accounts::table::operator_mac;
use crate::registry::identities::table::use_mac;
use crate::registry::open::meta_mac;
use crate::registry::rows::MacInput;
use crate::registry::{chips, documents, secrets};
use crate::sealing::{SealContext, SealError, SealedSecret, reseal_identity};

/// Rows of one table that need a generation.
pub(crate) struct RowKind {
    pub(crate) table: &'static str,
    /// Which rows of it do; empty if all.
    which: &'static str,
    /// The columns that are read.
    columns: &'static str,
    /// Another table with some of them.
    with: &'static str,
    /// The primary key.
    key: &'static [Column],
    guard: Guard,
}

#[derive(Clone, Copy)]
enum Column {
    Text(&'static str),
    Number(&'static str),
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Text(name) | Number(name) => name,
        }
    }
}

/// The values of a row's primary key.
pub(crate) struct RowKey(Vec<Value>);

enum Value {
    Text(String),
    Number(i64),
}

/// What became of some rows.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) resealed: u64,
    pub(crate) unreadable: Vec<UnreadableRow>,
    /// The key of the last row; `None` if there was none.
    pub(crate) last: Option<RowKey>,
}

/// A row that is not what the broker wrote, so that it was not resealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableRow {
    /// The table.
    pub table: String,
    /// Its primary key, the parts separated by spaces.
    pub key: String,
    /// What is wrong with it, and the next step.
    pub problem: String,
}

impl UnreadableRow {
    fn new(table: &'static str, RowKey(values): &RowKey, error: &StoreError) -> Self {
        let values = values.iter().map(|value| match value {
            Value::Text(text) => printable(text),
            Value::Number(number) => number.to_string(),
        });
        let step = match error {
            StoreError::Seal(SealError::DataKey { .. }) => VALUE_STEP,
            StoreError::Seal(_) => RESTORE,
            // They name it themselves.
            _ => "",
        };
        let key = values.collect::<Vec<_>>().join(" ");
        Self { table: table.to_owned(), key, problem: format!("{error}{step}") }
    }
}

/// Whether an error is about one row, and not about the database.
const fn is_of_row(error: &StoreError) -> bool {
    match error {
        StoreError::RowTampered { .. }
        | StoreError::RowRolledBack { .. }
        | StoreError::UnknownGeneration { .. } => true,
        StoreError::Seal(error) => !matches!(error, SealError::Random(_)),
        _ => false,
    }
}

/// What a row needs its generation for.
#[derive(Clone, Copy)]
enum Guard {
    /// A MAC in column `mac`.
    Mac(fn(&Row) -> Result<MacInput, StoreError>),
    /// A data key in column `wrapped_key`.
    DataKey,
    /// An identity in column `sealed`.
    Identity,
}

/// A generation, and the rows that need it.
pub(crate) type Count = (GenerationId, u64);

impl RowKind {
    const fn all_of(table: &'static str, key: &'static [Column], guard: Guard) -> Self {
        Self { table, which: "", columns: "*", with: "", key, guard }
    }

    /// How many rows need each generation.
    pub(crate) async fn count(&self, connection: &mut Connection) -> Result<Vec<Count>, StoreError> {
        let mut query = QueryBuilder::<Db>::new("SELECT generation, COUNT(*) AS needing FROM ");
        query.push(self.table).push(" WHERE 1 = 1").push(self.which).push(" GROUP BY generation");
        let rows = query.build().fetch_all(connection).await?;
        let count = |row: &Row| {
            let id = columns::generation(row, self.table, "?")?;
            Ok((id, columns::number(row, "needing", self.table, "?")?))
        };
        rows.iter().map(count).collect()
    }

    /// Checks that a row of this generation, of which there has to be one, is authentic under it.
    pub(crate) async fn require_authentic(
        &self,
        connection: &mut Connection,
        keyring: &Keyring,
        id: GenerationId,
    ) -> Result<(), StoreError> {
        let rows = self.select(connection, id, None, 1).await?;
        let row = rows.first().ok_or_else(|| tampered(self.table, "?"))?;
        self.sealed_anew(keyring, id, row).map(|_| ())
    }

    /// Seals or authenticates up to `limit` rows of this generation anew, under the primary one, in the order of their keys after
    /// `after`. A row whose MAC or seal is wrong stays as it is, and is reported: it must not become authentic.
    pub(crate) async fn reseal(
        &self,
        connection: &mut Connection,
        keyring: &Keyring,
        old: GenerationId,
        after: Option<&RowKey>,
        limit: u32,
    ) -> Result<Part, StoreError> {
        let mut part = Part::default();
        for row in self.select(connection, old, after, limit).await? {
            let key = self.key_of(&row)?;
            match self.sealed_anew(keyring, old, &row) {
                Ok((id, column, bytes)) => {
                    self.update(connection, &key, id, column, bytes).await?;
                    part.resealed = part.resealed.saturating_add(1);
                }
                Err(error) if is_of_row(&error) => {
                    part.unreadable.push(UnreadableRow::new(self.table, &key, &error));
                }
                Err(error) => return Err(error),
            }
            part.last = Some(key);
        }
        Ok(part)
    }

    async fn select(
        &self,
        connection: &mut Connection,
        id: GenerationId,
        after: Option<&RowKey>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let names =
            self.key.iter().map(|column| format!("{}.{}", self.table, column.name())).collect::<Vec<_>>();
        let names = names.join(", ");
        let mut query = QueryBuilder::<Db>::new("SELECT ");
        query.push(self.columns).push(" FROM ").push(self.table).push(self.with);
        query
            .push(" WHERE ")
            .push(self.table)
            .push(".generation = ")
            .push_bind(i64::from(id))
            .push(self.which);
        if let Some(RowKey(after)) = after {
            query.push(" AND (").push(&names).push(") > (");
            let mut values = query.separated(", ");
            for value in after {
                match value {
                    Value::Text(text) => values.push_bind(text.clone()),
                    Value::Number(number) => values.push_bind(*number),
                };
            }
            query.push(")");
        }
        query.push(" ORDER BY ").push(&names).push(" LIMIT ").push_bind(i64::from(limit));
        Ok(run(connection, query.build()).await?.0)
    }

    fn key_of(&self, row: &Row) -> Result<RowKey, StoreError> {
        let value = |column: &Column| match *column {
            Text(name) => columns::text(row, name, self.table, "?").map(Value::Text),
            Number(name) => columns::stored(columns::number(row, name, self.table, "?")?).map(Value::Number),
        };
        self.key.iter().map(value).collect::<Result<_, _>>().map(RowKey)
    }

    async fn update(
        &self,
        connection: &mut Connection,
        RowKey(values): &RowKey,
        id: GenerationId,
        column: &'static str,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let mut update = QueryBuilder::<Db>::new("UPDATE ");
        update.push(self.table).push(" SET generation = ").push_bind(i64::from(id));
        update.push(", ").push(column).push(" = ").push_bind(bytes).push(" WHERE 1 = 1");
        for (column, value) in self.key.iter().zip(values) {
            update.push(" AND ").push(column.name()).push(" = ");
            match value {
                Value::Text(text) => update.push_bind(text.clone()),
                Value::Number(number) => update.push_bind(*number),
            };
        }
        let (_, updated) = run(connection, update.build()).await?;
        // A trigger in the database could omit rows without an error.
        if updated == 1 { Ok(()) } else { Err(tampered(self.table, "?")) }
    }

    /// The generation of the row from now on, and the column that it is needed for.
    fn sealed_anew(
        &self,
        keyring: &Keyring,
        old: GenerationId,
        row: &Row,
    ) -> Result<(GenerationId, &'static str, Vec<u8>), StoreError> {
        match self.guard {
            Guard::Mac(input) => {
                let MacInput { key, preimage } = input(row)?;
                let table = self.table;
                let unknown = || StoreError::UnknownGeneration { table, key: key.clone(), id: old };
                let generation = keyring.get(old).ok_or_else(unknown)?;
                let mac = columns::bytes(row, "mac", table, &key)?;
                if !generation.row().verifies(&preimage, &mac) {
                    return Err(tampered(table, &key));
                }
                let primary = keyring.primary();
                Ok((primary.id, "mac", primary.row().sign(&preimage)))
            }
            Guard::DataKey => {
                let SealedSecret { generation, wrapped_key, .. } = self.wrapped_anew(keyring, old, row)?;
                Ok((generation, "wrapped_key", wrapped_key))
            }
            Guard::Identity => {
                let sealed = columns::bytes(row, "sealed", self.table, "?")?;
                let (id, sealed) = reseal_identity(keyring, old, &sealed)?;
                Ok((id, "sealed", sealed))
            }
        }
    }

    fn wrapped_anew(
        &self,
        keyring: &Keyring,
        old: GenerationId,
        row: &Row,
    ) -> Result<SealedSecret, StoreError> {
        let text = columns::text(row, "path", self.table, "?")?;
        let path = SecretPath::parse(&text).map_err(|_| tampered(self.table, &text))?;
        // Its absence means that the row of the secret was removed.
        let policy = columns::text(row, "policy", "secrets", &text)?;
        let policy = ObjectName::parse(&policy).map_err(|_| tampered("secrets", &text))?;
        let version = columns::number(row, "version", self.table, &text)?;
        // The data key is the same and so is the data, which is not needed for it.
        let wrapped_key = columns::bytes(row, "wrapped_key", self.table, &text)?;
        let sealed = SealedSecret { generation: old, data: Vec::new(), wrapped_key };
        Ok(sealed.rebind(keyring, SealContext { path: &path, version, policy: &policy }, &policy)?)
    }
}

use Column::{Number, Text};

/// Every kind. The log comes last: it is by far the largest.
pub(crate) const ROW_KINDS: &[RowKind] = &[
    RowKind {
        // The probe of readiness has no MAC.
        which: " AND name <> 'probe'",
        ..RowKind::all_of("meta", &[Text("name")], Guard::Mac(meta_mac))
    },
    RowKind::all_of("identities", &[Number("id")], Guard::Identity),
    RowKind::all_of("identity_uses", &[Number("id")], Guard::Mac(use_mac)),
    RowKind::all_of("documents", &[Text("kind"), Text("name")], Guard::Mac(documents::table::head_mac)),
    RowKind::all_of(
        "document_versions",
        &[Text("kind"), Text("name"), Number("version")],
        Guard::Mac(documents::table::version_mac),
    ),
    RowKind::all_of("secrets", &[Text("path")], Guard::Mac(secrets::table::secret_mac)),
    RowKind::all_of(
        "secret_versions",
        &[Text("path"), Number("version")],
        Guard::Mac(secrets::table::version_mac),
    ),
    RowKind {
        columns: "sealed_values.path, sealed_values.version, sealed_values.wrapped_key, secrets.policy",
        with: " LEFT JOIN secrets ON secrets.path = sealed_values.path",
        ..RowKind::all_of("sealed_values", &[Text("path"), Number("version")], Guard::DataKey)
    },
    RowKind::all_of("operators", &[Text("name")], Guard::Mac(operator_mac)),
    RowKind::all_of("chips_head", &[Number("id")], Guard::Mac(chips::head_mac)),
    RowKind::all_of("chips", &[Number("idx")], Guard::Mac(chips::chip_mac)),
    RowKind::all_of("nonce_floor", &[Number("id")], Guard::Mac(floor_of)),
    RowKind {
        columns: "log_head.*, epoch.value",
        with: " LEFT JOIN epoch ON epoch.id = 1",
        ..RowKind::all_of("log_head", &[Number("id")], Guard::Mac(head_of))
    },
    RowKind::all_of("log_leaves", &[Number("idx")], Guard::Mac(leaf_of)),
];

fn floor_of(row: &Row) -> Result<MacInput, StoreError> {
    Ok(MacInput { key: "1".to_owned(), preimage: floor_mac(row)? })
}

fn head_of(row: &Row) -> Result<MacInput, StoreError> {
    Ok(MacInput { key: "1".to_owned(), preimage: head_mac(row)? })
}

fn leaf_of(row: &Row) -> Result<MacInput, StoreError> {
    let (index, preimage) = leaf_mac(row)?;
    Ok(MacInput { key: index.to_string(), preimage })
}

/// The next step for a value whose data key cannot be opened.
const VALUE_STEP: &str = "; restore it from a backup, or put a new value (`vouchsafe secret put`) and destroy this version (`vouchsafe \
                          secret destroy`): docs/operations.md";
