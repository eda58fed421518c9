//! The table of all rows that need a generation of the keyring. A test compares it with the tables of the database.

use sqlx::QueryBuilder;
use vouchsafe_protocol::{ObjectName, SecretPath};

use crate::db::columns::{self, tampered};
use crate::db::{Connection, Db, Row, StoreError, run};
use crate::keyring::{GenerationId, Keyring};
use crate::log::{head_mac, leaf_mac};
use crate::record::floor_mac;
use crate::registry::accounts::table::operator_mac;
use crate::registry::open::meta_mac;
use crate::registry::rows::MacInput;
use crate::registry::{chips, documents, secrets};
use crate::sealing::{SealContext, SealedSecret, reseal_identity};

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

    /// Seals or authenticates up to `limit` rows of this generation anew, under the primary one; returns how many. A row whose
    /// MAC or seal is wrong is an error: it must not become authentic.
    pub(crate) async fn reseal(
        &self,
        connection: &mut Connection,
        keyring: &Keyring,
        old: GenerationId,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut query = QueryBuilder::<Db>::new("SELECT ");
        query.push(self.columns).push(" FROM ").push(self.table).push(self.with);
        query.push(" WHERE ").push(self.table).push(".generation = ").push_bind(i64::from(old));
        query.push(self.which).push(" LIMIT ").push_bind(i64::from(limit));
        let (rows, _) = run(connection, query.build()).await?;
        for row in &rows {
            let (id, column, bytes) = self.sealed_anew(keyring, old, row)?;
            let mut update = QueryBuilder::<Db>::new("UPDATE ");
            update.push(self.table).push(" SET generation = ").push_bind(i64::from(id));
            update.push(", ").push(column).push(" = ").push_bind(bytes).push(" WHERE 1 = 1");
            for column in self.key {
                match *column {
                    Text(name) => {
                        let value = columns::text(row, name, self.table, "?")?;
                        update.push(" AND ").push(name).push(" = ").push_bind(value);
                    }
                    Number(name) => {
                        let value = columns::stored(columns::number(row, name, self.table, "?")?)?;
                        update.push(" AND ").push(name).push(" = ").push_bind(value);
                    }
                }
            }
            let (_, updated) = run(connection, update.build()).await?;
            // A trigger in the database could omit rows without an error.
            if updated != 1 {
                return Err(tampered(self.table, "?"));
            }
        }
        Ok(rows.len() as u64)
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
