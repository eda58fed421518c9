use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;

/// Made with the program `age`.
const IDENTITY: &str = include_str!("../../vectors/age/identity.txt");
const SMALL: &[u8] = include_bytes!("../../vectors/age/small.age");
const EMPTY: &[u8] = include_bytes!("../../vectors/age/empty.age");
const TWO: &[u8] = include_bytes!("../../vectors/age/two.age");
const OTHER: &[u8] = include_bytes!("../../vectors/age/other.age");
const CHUNK: usize = 64 * 1024;

fn identities() -> Vec<Identity> {
    Identity::parse_file(IDENTITY).unwrap()
}

fn opened(file: &[u8]) -> Result<Vec<u8>, DecryptError> {
    let mut plain = Vec::new();
    decrypt(&identities(), &mut Cursor::new(file), &mut plain)?;
    Ok(plain)
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    encrypt(&[identities()[0].recipient()], &mut Cursor::new(plain), &mut file).unwrap();
    file
}

fn said(file: &[u8]) -> String {
    opened(file).unwrap_err().to_string()
}

/// Where the payload begins.
fn payload(file: &[u8]) -> usize {
    let mac = file.windows(5).position(|window| window == b"\n--- ").unwrap();
    mac + 5 + file[mac + 5..].iter().position(|&byte| byte == b'\n').unwrap() + 1
}

#[test]
fn files_of_the_program_age_are_decrypted() {
    assert_eq!(opened(SMALL).unwrap(), b"AGE vector of vouchsafe\n");
    assert_eq!(opened(EMPTY).unwrap(), b"");
    assert_eq!(opened(TWO).unwrap(), b"to two recipients");
    assert_eq!(
        said(OTHER),
        "none of the identities given can decrypt it: it was encrypted to other recipients"
    );
}

#[test]
fn the_program_age_decrypts_what_is_encrypted_here() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("identity.txt"), IDENTITY).unwrap();
    let age =
        |file: &Path| Command::new("age").arg("-d").arg("-i").arg(at("identity.txt")).arg(file).output();
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
        let plain: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let file = sealed(&plain);
        assert_eq!(opened(&file).unwrap(), plain, "{length}");
        std::fs::write(at("file.age"), &file).unwrap();
        let Ok(output) = age(&at("file.age")) else {
            eprintln!("skipped: there is no program age here");
            continue;
        };
        assert!(output.status.success() && output.stdout == plain, "{length}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    for index in 0..SMALL.len() {
        let mut file = SMALL.to_vec();
        file[index] ^= 1;
        assert!(opened(&file).is_err(), "{index}");
    }
}

#[test]
fn a_file_that_is_cut_off_or_longer_is_noticed() {
    for length in 0..SMALL.len() {
        assert!(opened(&SMALL[..length]).is_err(), "{length}");
    }
    let file = sealed(&[7; 2 * CHUNK]);
    let start = payload(&file) + 16;
    // At the end of a chunk.
    for (length, chunk) in [(start, 0), (start + CHUNK + 16, 0), (file.len() - 1, 1)] {
        let expected = format!("it was changed or cut off: chunk {chunk} of 64 KiB does not authenticate");
        assert_eq!(said(&file[..length]), expected, "{length}");
    }
    assert!(opened(&[file.as_slice(), b"x"].concat()).is_err());
    // Two chunks that change places.
    let (one, two) = file[start..].split_at(CHUNK + 16);
    assert!(opened(&[&file[..start], two, one].concat()).is_err());
}

#[test]
fn what_is_wrong_with_a_header_is_said() {
    let text = |file: &[u8]| String::from_utf8_lossy(&file[..payload(file)]).into_owned();
    let header = text(SMALL);
    let share = header.split(' ').nth(2).unwrap().split('\n').next().unwrap().to_owned();
    let of = |header: &str| said(&[header.as_bytes(), &SMALL[payload(SMALL)..]].concat());
    let malformed = "its header is not that of an age file: ";
    for (from, to, expected) in [
        ("/v1\n", "/v2\n", "it does not begin with the line age-encryption.org/v1"),
        ("-> X25519", "-> X25519 x", "a recipient is malformed"),
        ("-> X25519", "->  X25519", "a recipient is malformed"),
        (share.as_str(), "AAAA", "a recipient is malformed"),
        (share.as_str(), &format!("{share}="), "a recipient is malformed"),
        // Zero, a point of small order.
        (share.as_str(), &"A".repeat(43), "a recipient is malformed"),
        ("\n--- ", "\n---- ", "the line with its MAC is malformed"),
        ("\n--- ", "\n-> scrypt a 18\nAAAA\n--- ", "a recipient is malformed"),
    ] {
        assert_eq!(of(&header.replacen(from, to, 1)), format!("{malformed}{expected}"), "{from:?} {to:?}");
    }
    let unknown = header.replacen("\n--- ", "\n-> other argument\nAAAA\n--- ", 1);
    assert_eq!(of(&unknown), "its header was changed");
    let long = format!("age-encryption.org/v1\n{}", "-> other\n\n".repeat(30_000));
    assert_eq!(said(long.as_bytes()), format!("{malformed}it is cut off, or longer than 256 KiB"));
    assert_eq!(
        said(b"SQLite format 3"),
        format!("{malformed}it does not begin with the line age-encryption.org/v1")
    );
}

#[test]
fn recipients_and_identities_are_checked_and_named() {
    let recipient = identities()[0].recipient();
    assert_eq!(recipient.to_string().parse(), Ok(recipient));
    assert!(!format!("{:?}", identities()).contains("SECRET"));
    let text = "age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5";
    let refused = text.parse::<Recipient>().unwrap_err().to_string();
    assert!(refused.starts_with(&format!("{text} is not an age recipient: ")), "{refused}");
    for text in ["", "# a comment\n\n"] {
        assert_eq!(Identity::parse_file(text).unwrap_err(), IdentityError::None);
    }
    let key = IDENTITY.lines().last().unwrap();
    assert_eq!(Identity::parse_file(&format!("\r\n{key}\r\n{key}\n")).unwrap().len(), 2);
    for line in ["AGE-PLUGIN-YUBIKEY-1QQPQCZCF3V4G8CGHZPP7H", &key.to_lowercase(), &key[..key.len() - 1], "x"]
    {
        let refused = Identity::parse_file(&format!("# comment\n{line}\n")).unwrap_err();
        assert_eq!(refused, IdentityError::Malformed { line: 2 }, "{line}");
    }
}

#[test]
fn nothing_is_encrypted_to_a_point_of_small_order() {
    let zero = Recipient([0; KEY]);
    let refused = encrypt(&[zero], &mut Cursor::new(b"x"), &mut Vec::new()).unwrap_err();
    assert!(
        matches!(refused, EncryptError::SmallOrder { ref recipient } if *recipient == zero.to_string()),
        "{refused}"
    );
}
