//! Runs the command as another user: sets the groups, then the group, then the user, and finally checks the
//! result.

use std::path::Path;
use std::process::Command;

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{
    CapabilitySet, capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid, set_thread_uid,
};

use super::account::Account;

/// Why the command cannot run as that user. It is not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error("only root can run a command as another user (--user)")]
    NotRoot,
    #[error("changing {what}: {source}")]
    Change { what: &'static str, source: Errno },
    #[error("after changing to the user, {0} is not what it should be")]
    Kept(&'static str),
}

/// Checked before anything is fetched.
pub(super) fn check_allowed(account: &Account) -> Result<(), UserError> {
    let same = geteuid().as_raw() == account.owner.user && getegid().as_raw() == account.owner.group;
    if geteuid().is_root() || same { Ok(()) } else { Err(UserError::NotRoot) }
}

/// The variables of that user's session, as systemd sets them for `User=`.
pub(super) fn set_variables(account: &Account, process: &mut Command) {
    let Some(entry) = &account.entry else { return };
    let shell = if entry.shell.as_os_str().is_empty() { Path::new("/bin/sh") } else { &entry.shell };
    process.env("USER", &entry.name).env("LOGNAME", &entry.name).env("HOME", &entry.home).env("SHELL", shell);
}

/// Gives up this process's identity permanently. The calls affect only the calling thread, which is the one
/// that becomes the command.
pub(super) fn become_user(account: &Account) -> Result<(), UserError> {
    let failed = |what| move |source| UserError::Change { what, source };
    let (uid, gid) = (Uid::from_raw(account.owner.user), Gid::from_raw(account.owner.group));
    let mut groups: Vec<_> = account.groups.iter().map(|group| Gid::from_raw(*group)).collect();
    if geteuid().is_root() {
        set_thread_groups(&groups).map_err(failed("supplementary groups"))?;
        set_thread_res_gid(gid, gid, gid).map_err(failed("the group"))?;
        set_thread_res_uid(uid, uid, uid).map_err(failed("the user"))?;
        let mut now = getgroups().map_err(failed("supplementary groups"))?;
        now.sort_unstable_by_key(|group| group.as_raw());
        groups.sort_unstable_by_key(|group| group.as_raw());
        if now != groups {
            return Err(UserError::Kept("the list of groups"));
        }
    }
    if (getuid(), geteuid()) != (uid, uid) {
        return Err(UserError::Kept("the user id"));
    }
    if (getgid(), getegid()) != (gid, gid) {
        return Err(UserError::Kept("the group id"));
    }
    if uid.is_root() {
        return Ok(());
    }
    // A saved user id of root, or secure bits that keep capabilities, would defeat all of this.
    let sets = capabilities(None).map_err(failed("capabilities"))?;
    if sets.effective != CapabilitySet::empty() || sets.permitted != CapabilitySet::empty() {
        return Err(UserError::Kept("the set of capabilities"));
    }
    match set_thread_uid(Uid::ROOT) {
        Err(Errno::PERM) => Ok(()),
        _ => Err(UserError::Kept("the saved user id")),
    }
}
