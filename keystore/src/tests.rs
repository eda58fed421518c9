//! Tests of the whole keystore, and their helpers: a keystore on a fresh file, and raw access to its rows.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use tempfile::TempDir;
use vouchsafe_policy::Purpose;
use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::{ObjectName, PlaintextSecret, SecretPath, UnixTime};

use crate::db::{Pools, StoreError, Tx};
use crate::registry::accounts::{LoginError, OperatorError, TokenLifetime};
use crate::registry::change::Actor;
use crate::registry::documents::types::{DocumentError, DocumentKind};
use crate::registry::open::OpenError;
use crate::registry::secrets::types::{NewVersion, SecretError};
use crate::registry::stored_input::{ActiveSecret, StoredState};
use crate::release::UnsealError;
use crate::release::unseal::unseal_active;
use crate::{Keyring, Keystore};

mod audit;
mod backup;
mod baselines;
mod branches;
mod changes;
mod destruction;
mod encrypted_backup;
mod identities;
mod opening;
mod permits;
mod proposals;
mod readers;
mod record;
mod recovery;
mod release;
mod replay;
mod retirement;
mod rotation;
mod secrets;
mod signed_approvals;
mod stored_input;
mod tampering;
mod tokens;
mod unreadable;
mod volumes;

pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);
/// The address of the tests' clients.
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
/// Of operators' tokens: 90 days.
pub(crate) const LIFETIME: TokenLifetime = TokenLifetime::Seconds(7_776_000);
pub(crate) const BY: Actor<'static> = Actor::offline("alice", NOW);

pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) keystore: Keystore,
}

impl Fixture {
    /// A keystore with policy `prod/p`.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let keyring = Keyring::generate(NOW).expect("randomness");
        keyring.create(&folder.path().join("root.json")).expect("a keyring file");
        let keystore =
            Keystore::create(&folder.path().join("vouchsafe.db"), keyring).await.expect("a new keystore");
        let fixture = Self { folder, keystore };
        fixture.policy("prod/p", "1").await;
        fixture
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("vouchsafe.db")
    }

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::load(&self.folder.path().join("root.json")).expect("the keyring file")
    }

    /// Another handle on the same file, as another broker would have.
    pub(crate) async fn again(&self) -> Result<Keystore, OpenError> {
        Keystore::open_beside_others(&self.path(), self.keyring()).await
    }

    /// A policy for applications that permits everything; `note` makes its text distinct.
    pub(crate) async fn policy(&self, name_text: &str, note: &str) {
        let text = format!(
            "// {note}\n@id(\"all\") @for(\"app\") permit (principal is Vm, action == Action::\"release\", resource);"
        );
        self.keystore
            .put_document(BY, DocumentKind::Policy, &name(name_text), &text)
            .await
            .expect("a policy");
    }

    pub(crate) async fn put(&self, path_text: &str, value: &[u8]) -> u64 {
        self.keystore.put_secret(BY, new(&path(path_text)), &secret(value)).await.expect("a secret")
    }

    pub(crate) async fn sql(&self, statement: &'static str) -> u64 {
        let mut writer = self.keystore.pools().writer.acquire().await.expect("the connection");
        let done = sqlx::query(statement).execute(&mut *writer).await;
        done.expect("a statement of a test").rows_affected()
    }

    pub(crate) async fn state(&self, path_text: &str) -> Result<StoredState, StoreError> {
        let stored = self.keystore.stored_input(&[path(path_text)]).await?;
        Ok(stored.items.into_iter().next().expect("an item for each path").state)
    }

    pub(crate) async fn served(&self, path_text: &str) -> Option<Vec<u8>> {
        match self.state(path_text).await.expect("sound rows") {
            StoredState::Active(active) => {
                let value = self.keystore.unseal_active(&active, Some((1, 2))).expect("a sound value");
                Some(value.expose().to_vec())
            }
            StoredState::Absent | StoredState::Retired => None,
        }
    }

    /// The same with a statement that is put together, without foreign keys.
    pub(crate) async fn run(&self, statement: &str) {
        let mut writer = self.keystore.pools().writer.acquire().await.expect("the connection");
        for statement in ["PRAGMA foreign_keys = OFF", statement, "PRAGMA foreign_keys = ON"] {
            let done = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *writer).await;
            done.expect("a statement of a test");
        }
    }

    /// Blocks all other writers.
    pub(crate) async fn hold(&self) -> Tx<'static> {
        self.keystore.pools().write("test").await.expect("the connection")
    }

    /// The bytes of the database and its logs.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let files =
            fs::read_dir(self.folder.path()).expect("the folder").map(|file| file.expect("a file").path());
        let database = files.filter(|file| !file.ends_with("root.json"));
        database.flat_map(|file| fs::read(file).expect("a readable file")).collect()
    }
}

impl Keystore {
    /// Puts a document without checking its text.
    pub(crate) async fn put_document(
        &self,
        actor: Actor<'_>,
        kind: DocumentKind,
        name: &ObjectName,
        text: &str,
    ) -> Result<u64, DocumentError> {
        self.registry().put_document(actor, kind, name, text).await
    }

    pub(crate) fn unseal_active(
        &self,
        active: &ActiveSecret,
        instance: Option<(u64, u64)>,
    ) -> Result<PlaintextSecret, UnsealError> {
        unseal_active(active, instance)
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.registry().log().pools
    }

    /// How many paths and namespaces are kept.
    pub(crate) fn kept(&self) -> (usize, usize) {
        self.registry().kept()
    }

    /// Number of views taken of the database.
    pub(crate) fn views(&self) -> usize {
        self.registry().log().views.load(std::sync::atomic::Ordering::Relaxed)
    }
}

pub(crate) fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).expect("a path")
}

pub(crate) fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).expect("a name")
}

pub(crate) fn secret(value: &[u8]) -> PlaintextSecret {
    PlaintextSecret::new(value.to_vec()).expect("a secret")
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// For an application, under policy `prod/p`.
pub(crate) fn new(path: &SecretPath) -> NewVersion<'_> {
    static POLICY: std::sync::LazyLock<ObjectName> = std::sync::LazyLock::new(|| name("prod/p"));
    NewVersion { path, purpose: Purpose::App, policy: &POLICY }
}
