//! Files encrypted with age, as `vouchsafe restore` reads them.

use std::io::Cursor;

use vouchsafe_keystore::age::{Identity, Recipient, decrypt, encrypt};

/// An encrypted copy of a database. What decrypts can be encrypted again.
pub fn age_file(data: &[u8]) {
    let identities = Identity::parse_file(IDENTITY).expect("an identity");
    let mut plain = Vec::new();
    if decrypt(&identities, &mut Cursor::new(data), &mut plain).is_ok() {
        assert!(plain.len() < data.len());
        let (mut again, mut opened) = (Vec::new(), Vec::new());
        let recipients: Vec<Recipient> = identities.iter().map(Identity::recipient).collect();
        encrypt(&recipients, &mut Cursor::new(&plain), &mut again).expect("encrypted");
        decrypt(&identities, &mut Cursor::new(&again), &mut opened).expect("decrypted");
        assert_eq!(opened, plain);
    }
}

const IDENTITY: &str = include_str!("../../../keystore/vectors/age/identity.txt");
