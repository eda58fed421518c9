//! Users and groups of this machine, from `/etc/passwd` and `/etc/group`, or as numbers.
//!
//! Accounts of a directory service are not looked up, since an initrd has none. Pass their numeric ids.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::private_file::Owner;

/// `USER` or `USER:GROUP`, each a name or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountName {
    user: String,
    group: Option<String>,
}

/// The text is not `USER[:GROUP]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected USER or USER:GROUP, names or numbers")]
pub(crate) struct AccountNameError;

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Numeric user id, with the named group or else the user's own.
    pub(crate) owner: Owner,
    /// Every group that lists the user as a member, and `owner.group`.
    pub(crate) groups: Vec<u32>,
    /// The user's entry in `/etc/passwd`; `None` for a number that is not in it.
    pub(crate) entry: Option<Entry>,
}

/// The fields of `/etc/passwd` that a session needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The user's name.
    pub(crate) name: String,
    /// The home directory.
    pub(crate) home: PathBuf,
    /// Login shell; empty for the system's default.
    pub(crate) shell: PathBuf,
}

/// Why an account could not be resolved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// A database could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The name or number.
        path: PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// Neither the name of a user nor a number.
    #[error("no user {name:?} in /etc/passwd; give the numeric id of a user of a directory service")]
    NoUser {
        /// As given.
        name: String,
    },
    /// Neither the name of a group nor a number.
    #[error("no group {name:?} in /etc/group")]
    NoGroup {
        /// As given.
        name: String,
    },
    /// A number without an entry, so its group is unknown.
    #[error("user {user} is not in /etc/passwd: name its group too, {user}:GROUP")]
    GroupNeeded {
        /// The user.
        user: u32,
    },
}

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(text: &str) -> Result<Self, AccountNameError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let word = |text: &str| !text.is_empty() && !text.contains(|c: char| c == ':' || c.is_control());
        if !word(user) || !group.is_none_or(word) {
            return Err(AccountNameError);
        }
        Ok(Self { user: user.to_owned(), group: group.map(ToOwned::to_owned) })
    }
}

impl AccountName {
    /// Looks the names up.
    ///
    /// # Errors
    /// [`AccountError`].
    pub(crate) fn resolve(&self) -> Result<Account, AccountError> {
        self.resolve_in(&read(Path::new("/etc/passwd"))?, &read(Path::new("/etc/group"))?)
    }

    /// The same with the texts of the two files. Names take precedence over numbers.
    fn resolve_in(&self, passwd: &str, group: &str) -> Result<Account, AccountError> {
        let no_user = || AccountError::NoUser { name: self.user.clone() };
        let line =
            find(passwd, 0, &self.user).or_else(|| find(passwd, 2, id(&self.user)?.to_string().as_str()));
        let user = match &line {
            Some(fields) => fields.get(2).and_then(|field| id(field)),
            None => id(&self.user),
        };
        let user = user.ok_or_else(no_user)?;
        let group_of = |name: &String| {
            let named = find(group, 0, name).and_then(|fields| id(fields.get(2)?));
            named.or_else(|| id(name)).ok_or_else(|| AccountError::NoGroup { name: name.clone() })
        };
        let own = line.as_ref().and_then(|fields| id(fields.get(3)?));
        let primary = match &self.group {
            Some(name) => group_of(name)?,
            None => own.ok_or(AccountError::GroupNeeded { user })?,
        };
        let entry = line.as_ref().and_then(|fields| entry(fields));
        let mut groups = vec![primary];
        if let Some(entry) = &entry {
            groups.extend(memberships(group, &entry.name));
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(Account { owner: Owner { user, group: primary }, groups, entry })
    }
}

/// The fields of the first line whose field `index` is `value`.
fn find<'t>(text: &'t str, index: usize, value: &str) -> Option<Vec<&'t str>> {
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|fields| fields.get(index) == Some(&value) && fields.len() > 2)
}

/// `passwd(5)`: name, password, user id, group id, comment, home, shell.
fn entry(fields: &[&str]) -> Option<Entry> {
    let [name, _, _, _, _, home, shell] = *fields else { return None };
    Some(Entry { name: name.to_owned(), home: home.into(), shell: shell.into() })
}

/// `group(5)`: name, password, group id, members.
fn memberships<'t>(text: &'t str, user: &str) -> impl Iterator<Item = u32> + use<'t> {
    let user = user.to_owned();
    text.lines().filter_map(move |line| {
        let fields: Vec<_> = line.split(':').collect();
        let [_, _, number, members] = *fields.as_slice() else { return None };
        members.split(',').any(|member| member == user).then(|| id(number)).flatten()
    })
}

/// A numeric id. The kernel interprets the largest number as "unchanged".
fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number != u32::MAX)
}

fn read(path: &Path) -> Result<String, AccountError> {
    let bytes = std::fs::read(path).map_err(|source| AccountError::Read { path: path.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\napp:x:990:980:An app:/srv/app:/usr/sbin/nologin\n\
                          4242:x:77:78::/:\nbroken\n";
    const GROUP: &str = "root:x:0:\napp:x:980:\ntls:x:55:nobody,app\nother:x:56:apple,root\n";

    fn resolve(text: &str) -> Result<Account, AccountError> {
        text.parse::<AccountName>().unwrap().resolve_in(PASSWD, GROUP)
    }

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let app = resolve("app").unwrap();
        assert_eq!((app.owner, &app.groups), (Owner { user: 990, group: 980 }, &vec![55, 980]));
        let entry = app.entry.clone().unwrap();
        assert_eq!((entry.name.as_str(), entry.home.as_path()), ("app", Path::new("/srv/app")));
        assert_eq!(resolve("990").unwrap(), app);
        let other = resolve("app:tls").unwrap();
        assert_eq!((other.owner.group, other.groups), (55, vec![55]));
        assert_eq!(resolve("990:7").unwrap().owner.group, 7);
        // A name made of digits is tried as a name first, as in chown(1).
        assert_eq!(resolve("4242").unwrap().owner, Owner { user: 77, group: 78 });
        let stranger = resolve("1234:app").unwrap();
        assert_eq!((stranger.owner, stranger.entry), (Owner { user: 1234, group: 980 }, None));
    }

    #[test]
    fn accounts_that_do_not_exist_are_named() {
        assert!(matches!(resolve("nosuch"), Err(AccountError::NoUser { name }) if name == "nosuch"));
        assert!(matches!(resolve("app:nosuch"), Err(AccountError::NoGroup { name }) if name == "nosuch"));
        assert!(matches!(resolve("1234"), Err(AccountError::GroupNeeded { user: 1234 })));
        // (uid_t) -1 leaves a file's owner as it is.
        for text in ["4294967295:0", "+1:0", "-1:0"] {
            assert!(matches!(resolve(text), Err(AccountError::NoUser { .. })), "{text}");
        }
        assert!(matches!(resolve("0:4294967295"), Err(AccountError::NoGroup { .. })));
        for text in ["", ":", "app:", ":app", "a:b:c", "a\nb"] {
            assert_eq!(text.parse::<AccountName>(), Err(AccountNameError), "{text:?}");
        }
    }
}
