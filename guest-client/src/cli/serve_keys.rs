//! `vouchsafe-guest serve-keys`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use vouchsafe_guest_client::boot::{Initrd, RECOVERY_MARK};
use vouchsafe_guest_client::config::{KeyError, Stage};
use vouchsafe_guest_client::vtpm::{TpmAddress, Vtpm, VtpmError};
use vouchsafe_guest_client::{GuestConfig, Release, latch};
use vouchsafe_protocol::{ReleaseBody, ReleasePaths, SecretPath};

use super::failure::Failure;
use super::request::{Notes, fetch, protect};
use super::unlock::{released, rule_out_shells};
use super::{console, openable};
use crate::deliver::key_request::KeyRequest;
use crate::deliver::key_socket::{KeySocket, Peer};

#[derive(clap::Args)]
pub(super) struct ServeKeys {
    /// The socket, unless systemd passes one on. Its folder is made with mode 0700 if it is missing.
    #[arg(long, value_name = "PATH", default_value = "/run/vouchsafe/keys.sock")]
    socket: PathBuf,
}

/// Answers one peer after the other, for ever.
pub(super) fn run(config: &Path, command: &ServeKeys) -> Result<ExitCode, Failure> {
    protect(console::silent)?;
    let socket = KeySocket::open(&command.socket)?;
    let config = match GuestConfig::read(config) {
        Ok(config) => config,
        Err(error) => {
            // The peer for which systemd started this would see its connection reset, and systemd-cryptsetup then asks nobody for a
            // passphrase.
            if socket.is_inherited() {
                socket.accept()?.refuse();
            }
            return Err(error.into());
        }
    };
    let mark = command.socket.with_file_name(RECOVERY_MARK);
    let mut keys = Keys { config, initrd: InitrdKeys::NotRequested, mark };
    loop {
        keys.answer(socket.accept()?);
    }
}

/// Keys and credentials of this VM.
struct Keys {
    config: GuestConfig,
    initrd: InitrdKeys,
    /// Notes for the latch that a passphrase was asked for: a file beside the socket.
    mark: PathBuf,
}

/// The keys of all volumes of the initrd. They are requested once, so that a broker that is away holds up the boot once.
enum InitrdKeys {
    NotRequested,
    Released(Rc<Release>, ReleaseBody),
    Refused,
}

/// Why a peer gets nothing.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{}", .0.line())]
    Failure(#[from] Failure),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("its key was not requested with the others, since there was no checked copy of its header then")]
    NotRequested,
    #[error("the copy of its header is not the one that its key was requested for")]
    OtherHeader,
    #[error("credentials are given to services after the initrd only")]
    CredentialInInitrd,
    #[error("the keys of the initrd were requested before, and were refused")]
    RefusedBefore,
    #[error(
        "PCR 15 has been extended, by the latch or by something else: keys of the initrd are not given any more in this boot"
    )]
    LatchClosed,
    #[error("it cannot be told whether the latch is closed: {0}")]
    LatchUnknown(#[from] VtpmError),
}

impl Keys {
    fn answer(&mut self, peer: Peer) {
        let request = match &peer.request {
            Ok(request) => request.clone(),
            Err(reason) => {
                console::report(&format!("keys: refused, since {reason}"));
                return peer.refuse();
            }
        };
        match self.find(&request) {
            Ok((release, path)) => {
                if let Err(error) = peer.give(release.secret(&path)) {
                    console::report(&format!("{request}: writing to the program that asked for it: {error}"));
                }
            }
            Err(refusal) => {
                console::report(&format!("{request}: {refusal}"));
                if let KeyRequest::Volume(_) = &request {
                    self.note_recovery();
                }
                peer.refuse();
            }
        }
    }

    /// systemd-cryptsetup will ask for a passphrase.
    fn note_recovery(&self) {
        if Initrd::find(Path::new("/")).is_some()
            && let Err(error) = std::fs::write(&self.mark, "")
        {
            console::report(&format!("keys: {}: {error}", self.mark.display()));
        }
    }

    fn find(&mut self, request: &KeyRequest) -> Result<(Rc<Release>, SecretPath), Refusal> {
        let initrd = Initrd::find(Path::new("/"));
        if initrd.is_none() {
            self.initrd = InitrdKeys::NotRequested;
        }
        let (config, keys) = (&self.config, &self.config.keys);
        match request {
            KeyRequest::Volume(name) => {
                let path = keys.volume(name, Initrd::stage(initrd))?.clone();
                let release = match initrd {
                    Some(_) => {
                        rule_out_shells(initrd)?;
                        self.of_initrd(name, &path)?
                    }
                    None => {
                        let volume = openable::one(keys, Stage::System, name)?;
                        Rc::new(fetch(config, &volume, Notes::BOOT)?)
                    }
                };
                Ok((release, path))
            }
            KeyRequest::Credential { .. } if initrd.is_some() => Err(Refusal::CredentialInInitrd),
            KeyRequest::Credential { unit, name } => {
                let path = keys.credential(unit, name)?.clone();
                Ok((Rc::new(fetch(config, &one(&path)?.into(), Notes::BOOT)?), path))
            }
        }
    }

    /// The keys of the initrd, with that of one volume, as long as the latch is open.
    fn of_initrd(&mut self, name: &str, path: &SecretPath) -> Result<Rc<Release>, Refusal> {
        let openable = openable::of_stage(&self.config.keys, Stage::Initrd, name)?;
        let (release, requested) = match &self.initrd {
            InitrdKeys::Refused => return Err(Refusal::RefusedBefore),
            InitrdKeys::Released(release, requested) => (Rc::clone(release), requested.clone()),
            InitrdKeys::NotRequested => {
                self.initrd = InitrdKeys::Refused;
                let release = fetch(&self.config, &openable, Notes::BOOT)?;
                released(name, &release);
                (Rc::new(release), openable.clone())
            }
        };
        let address = self.config.collect.vtpm.device.clone().map_or_else(TpmAddress::find, Ok)?;
        if !latch::is_open(&mut Vtpm::open(&address)?)? {
            self.initrd = InitrdKeys::Refused;
            return Err(Refusal::LatchClosed);
        }
        let checked = check_requested(&requested, &openable, path);
        self.initrd = InitrdKeys::Released(Rc::clone(&release), requested);
        checked.map(|()| release)
    }
}

/// A key is for the header that the broker was shown: a copy that was made again may be of another one.
fn check_requested(
    requested: &ReleaseBody,
    openable: &ReleaseBody,
    path: &SecretPath,
) -> Result<(), Refusal> {
    if !requested.paths().as_slice().contains(path) {
        return Err(Refusal::NotRequested);
    }
    if requested.headers().get(path) != openable.headers().get(path) {
        return Err(Refusal::OtherHeader);
    }
    Ok(())
}

/// A request for one secret.
fn one(path: &SecretPath) -> Result<ReleasePaths, Failure> {
    Ok(ReleasePaths::sort(vec![path.clone()])?)
}

#[cfg(test)]
mod tests {
    use vouchsafe_protocol::Digest32;
    use vouchsafe_protocol::request::VolumeHeaders;

    use super::*;

    fn body(headers: &[(&str, u8)], without: &[&str]) -> ReleaseBody {
        let path = |name: &str| SecretPath::parse(&format!("prod/db/{name}")).unwrap();
        let paths = headers.iter().map(|(name, _)| *name).chain(without.iter().copied()).map(path).collect();
        let headers = headers.iter().map(|(name, byte)| (path(name), Digest32([*byte; 32])));
        ReleaseBody::new(ReleasePaths::sort(paths).unwrap(), VolumeHeaders::new(headers).unwrap()).unwrap()
    }

    #[test]
    fn t32_a_key_is_given_for_the_header_that_it_was_requested_for() {
        let requested = body(&[("root", 1)], &["var"]);
        let check = |openable: &ReleaseBody, name: &str| {
            check_requested(&requested, openable, &SecretPath::parse(&format!("prod/db/{name}")).unwrap())
        };
        check(&requested, "root").unwrap();
        check(&requested, "var").unwrap();
        let other = body(&[("root", 2), ("var", 1), ("srv", 1)], &[]);
        assert!(matches!(check(&other, "root"), Err(Refusal::OtherHeader)));
        assert!(matches!(check(&other, "var"), Err(Refusal::OtherHeader)));
        assert!(matches!(check(&other, "srv"), Err(Refusal::NotRequested)));
        assert!(matches!(check(&body(&[], &["root"]), "root"), Err(Refusal::OtherHeader)));
    }
}
