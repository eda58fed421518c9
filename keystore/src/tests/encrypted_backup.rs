//! Encrypted copies of the database.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::age::{DecryptError, Identity, Recipient};
use crate::backup::{BackupError, CopySummary, LossChoice, Restore, Restored, back_up};
use crate::db::Staged;

const IDENTITY: &str = include_str!("../../vectors/age/identity.txt");
/// The identity with the key 42 42 …, of the specification of age.
const OTHER: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn identities(text: &str) -> Vec<Identity> {
    Identity::parse_file(text).unwrap()
}

fn recipient() -> Recipient {
    identities(IDENTITY)[0].recipient()
}

impl Fixture {
    async fn encrypted(&self, name: &str) -> Result<CopySummary, BackupError> {
        back_up(&self.path(), &self.keyring(), &[recipient()], &self.folder.path().join(name)).await
    }

    async fn restored(&self, name: &str, identities: &[Identity]) -> Result<Restored, BackupError> {
        let (file, database) = (self.folder.path().join(name), self.path());
        let (newest, loss, at) = (None, LossChoice::Accept, UnixTime(NOW.0 + 1000));
        Restore { file: &file, identities, database: &database, newest, loss, at }.run(self.keyring()).await
    }
}

fn files(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = files.collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_encrypted_copy_is_restored_with_its_identity() {
    let fixture = Fixture::new().await;
    fixture.put("prod/db", b"first").await;
    let before = files(fixture.folder.path());
    let copied = fixture.encrypted("copy.age").await.unwrap();
    // Only the copy is new, and nothing in it can be read.
    let after: Vec<_> =
        files(fixture.folder.path()).into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(after, ["copy.age"]);
    let copy = fixture.folder.path().join("copy.age");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&copy).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n") && bytes.len() as u64 > copied.bytes);
    for text in [&b"prod/db"[..], b"SQLite format 3"] {
        assert!(!bytes.windows(text.len()).any(|window| window == text));
    }
    fixture.put("prod/db", b"second").await;
    fixture.keystore.close().await;
    let restored = fixture.restored("copy.age", &identities(IDENTITY)).await.unwrap();
    assert_eq!((restored.copy.root, restored.copy.records), (copied.root, copied.records));
    let fixture = Fixture { keystore: fixture.again().await.expect("it opens"), folder: fixture.folder };
    assert_eq!(fixture.served("prod/db").await.unwrap(), b"first");
}

#[tokio::test]
async fn t43_an_encrypted_copy_that_is_wrong_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.encrypted("copy.age").await.unwrap();
    fixture.keystore.close().await;
    let good = fs::read(fixture.folder.path().join("copy.age")).unwrap();
    let before = fs::read(fixture.path()).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(fixture.folder.path().join(name), bytes).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    write("flipped.age", &flipped);
    write("cut.age", &good[..good.len() - 1]);
    write("plain.db", &before);
    let ours = identities(IDENTITY);
    let refused = fixture.restored("copy.age", &identities(OTHER)).await.unwrap_err();
    assert!(
        matches!(refused, BackupError::Decrypt { source: DecryptError::OtherRecipients, .. }),
        "{refused}"
    );
    for name in ["flipped.age", "cut.age"] {
        let refused = fixture.restored(name, &ours).await.unwrap_err();
        assert!(
            matches!(refused, BackupError::Decrypt { source: DecryptError::Payload { .. }, .. }),
            "{refused}"
        );
    }
    let refused = fixture.restored("copy.age", &[]).await.unwrap_err();
    assert!(matches!(refused, BackupError::Encrypted { .. }), "{refused}");
    let refused = fixture.restored("plain.db", &ours).await.unwrap_err();
    assert!(matches!(refused, BackupError::NotEncrypted { .. }), "{refused}");
    assert_eq!(fs::read(fixture.path()).unwrap(), before);
    assert!(!files(fixture.folder.path()).iter().any(|name| name.contains("restoring")));
    // Anyone can encrypt to a recipient: what is in the file is verified like any other copy.
    let mut empty = Vec::new();
    crate::age::encrypt(&[recipient()], &mut std::io::empty(), &mut empty).unwrap();
    write("empty.age", &empty);
    let refused = fixture.restored("empty.age", &ours).await.unwrap_err().to_string();
    assert!(
        refused.contains("there are no tables in the keystore at ") && refused.contains("empty.age"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_an_interrupted_backup_leaves_is_removed_and_a_running_one_is_left_alone() {
    let fixture = Fixture::new().await;
    let staged = Staged::new(&fixture.path()).unwrap().expect("nobody has it");
    let left = staged.path().to_owned();
    let busy = fixture.encrypted("copy.age").await.unwrap_err();
    assert!(matches!(busy, BackupError::Busy { .. }), "{busy}");
    assert!(!fixture.folder.path().join("copy.age").exists());
    fixture.keystore.close().await;
    let again = fixture.again().await.expect("it opens");
    assert!(left.exists(), "another process has it");
    again.close().await;
    // Killed: the lock goes, the file stays.
    std::mem::forget(staged);
    let killed = fixture.folder.path().join("killed");
    fs::rename(&left, &killed).unwrap();
    fs::copy(&killed, &left).unwrap();
    let again = Keystore::open(&fixture.path(), fixture.keyring()).await.expect("it opens");
    assert!(!left.exists());
    fs::write(&left, b"what an interrupted backup has left").unwrap();
    fixture.encrypted("copy.age").await.unwrap();
    assert!(!left.exists());
    again.close().await;
}
