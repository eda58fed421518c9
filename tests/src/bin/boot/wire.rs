//! A wire between a machine's card and QEMU's user network, which hands out addresses as Google Cloud does.
//!
//! QEMU's DHCP server knows subnets only. Its answers pass here, and get Google's form: the netmask of a /32, and classless routes to
//! the gateway on the link and by way of it to everything else. All other frames pass as they are.

use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Context as _;

/// Two sockets that QEMU connects to, and the threads between them. They end with QEMU.
pub(crate) struct Wire {
    leases: Arc<AtomicUsize>,
}

impl Wire {
    /// Listens on sockets in this folder.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let listen = |name: &str| {
            let path = folder.join(name);
            if path.exists() {
                std::fs::remove_file(&path)?;
            }
            UnixListener::bind(&path).with_context(|| path.display().to_string())
        };
        let (card, network) = (listen(CARD)?, listen(NETWORK)?);
        let leases = Arc::new(AtomicUsize::new(0));
        let changed = Arc::clone(&leases);
        thread::spawn(move || -> io::Result<()> {
            let ((card, _), (network, _)) = (card.accept()?, network.accept()?);
            let (from_card, to_network) = (card.try_clone()?, network.try_clone()?);
            thread::spawn(move || carry(from_card, to_network, |_| ()));
            carry(network, card, |frame| {
                if change_lease(frame).is_some() {
                    changed.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Ok(Self { leases })
    }

    /// The options of QEMU: the card's network is called `net`.
    pub(crate) fn arguments(folder: &Path) -> [String; 10] {
        let socket = |id: &str, name: &str| {
            format!("stream,id={id},server=off,addr.type=unix,addr.path={}", folder.join(name).display())
        };
        let networks = [
            socket("net", CARD),
            socket("far", NETWORK),
            "user,id=user".to_owned(),
            "hubport,id=port0,hubid=0,netdev=user".to_owned(),
            "hubport,id=port1,hubid=0,netdev=far".to_owned(),
        ];
        let mut networks = networks.into_iter();
        std::array::from_fn(|at| match at % 2 {
            0 => "-netdev".to_owned(),
            _ => networks.next().unwrap_or_default(),
        })
    }

    /// How many answers of DHCP have been changed.
    pub(crate) fn leases(&self) -> usize {
        self.leases.load(Ordering::Relaxed)
    }
}

/// Carries frames, each of which has its length in front (four bytes, most significant first), until one side ends.
fn carry(mut from: UnixStream, mut to: UnixStream, mut change: impl FnMut(&mut [u8])) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?];
        from.read_exact(&mut frame)?;
        change(&mut frame);
        to.write_all(&[&length[..], &frame].concat())?;
    }
}

/// Gives an answer of DHCP in a frame Google's form. `None` for any other frame.
fn change_lease(frame: &mut [u8]) -> Option<()> {
    let from_server = frame.get(ETHER_TYPE)? == IPV4
        && frame.get(PROTOCOL)? == &UDP
        && frame.get(PORTS)? == [67_u16.to_be_bytes(), 68_u16.to_be_bytes()].concat();
    if !from_server || frame.get(COOKIE)? != MAGIC {
        return None;
    }
    let options = parse(frame.get(OPTIONS..)?)?;
    let router: [u8; 4] = options.iter().find(|(code, _)| *code == ROUTER)?.1.as_slice().try_into().ok()?;
    // RFC 3442: the width of a destination, its significant bytes, and the router, which is 0.0.0.0 on the link.
    let routes = [&[32][..], &router, &[0; 4], &[0], &router].concat();
    let changed = options
        .into_iter()
        .filter(|(code, _)| *code != ROUTES)
        .map(|(code, value)| if code == NETMASK { (code, vec![0xff; 4]) } else { (code, value) });
    let changed: Vec<_> = changed.chain([(ROUTES, routes)]).collect();
    let mut bytes = Vec::new();
    for (code, value) in changed {
        bytes.extend([code, u8::try_from(value.len()).ok()?]);
        bytes.extend(value);
    }
    bytes.push(END);
    // The server's answer has room after its options, so lengths and the checksum of IP stay as they are.
    let room = frame.get_mut(OPTIONS..).filter(|room| bytes.len() <= room.len())?;
    bytes.resize(room.len(), 0);
    room.copy_from_slice(&bytes);
    // RFC 768: no checksum.
    frame.get_mut(UDP_CHECKSUM)?.fill(0);
    Some(())
}

/// The options of a message, to their end.
fn parse(mut bytes: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut options = Vec::new();
    loop {
        match bytes {
            [END, ..] => return Some(options),
            [0, rest @ ..] => bytes = rest,
            [code, length, rest @ ..] => {
                let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                options.push((*code, value.to_vec()));
                bytes = rest;
            }
            _ => return None,
        }
    }
}

const CARD: &str = "card.sock";
const NETWORK: &str = "network.sock";
/// Places in a frame of Ethernet with IPv4 without options, UDP and DHCP (RFC 2131, 2).
const ETHER_TYPE: Range<usize> = 12..14;
const PROTOCOL: usize = 23;
const PORTS: Range<usize> = 34..38;
const UDP_CHECKSUM: Range<usize> = 40..42;
const COOKIE: Range<usize> = 278..282;
const OPTIONS: usize = 282;
const IPV4: [u8; 2] = [0x08, 0x00];
const UDP: u8 = 17;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// Options (RFC 2132; classless routes: RFC 3442).
const NETMASK: u8 = 1;
const ROUTER: u8 = 3;
const ROUTES: u8 = 121;
const END: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Vec<u8> {
        let mut frame = vec![0; OPTIONS];
        frame[ETHER_TYPE].copy_from_slice(&IPV4);
        frame[PROTOCOL] = UDP;
        frame[PORTS].copy_from_slice(&[0, 67, 0, 68]);
        frame[UDP_CHECKSUM].fill(7);
        frame[COOKIE].copy_from_slice(&MAGIC);
        frame.extend([53, 1, 5, NETMASK, 4, 255, 255, 255, 0, ROUTER, 4, 10, 0, 2, 2, END]);
        frame.resize(OPTIONS + 64, 0);
        frame
    }

    #[test]
    fn an_answer_of_dhcp_gets_the_form_of_google() {
        let mut frame = answer();
        change_lease(&mut frame).unwrap();
        assert_eq!(frame.len(), answer().len());
        let routes = vec![32, 10, 0, 2, 2, 0, 0, 0, 0, 0, 10, 0, 2, 2];
        let expected =
            [(53, vec![5]), (NETMASK, vec![255; 4]), (ROUTER, vec![10, 0, 2, 2]), (ROUTES, routes)];
        assert_eq!(parse(&frame[OPTIONS..]).unwrap(), expected);
        assert_eq!(frame[UDP_CHECKSUM], [0, 0]);
    }

    #[test]
    fn other_frames_pass_as_they_are() {
        for change in [ETHER_TYPE.start, PROTOCOL, PORTS.start, PORTS.start + 3, COOKIE.start] {
            let mut frame = answer();
            frame[change] ^= 1;
            let before = frame.clone();
            assert_eq!(change_lease(&mut frame), None);
            assert_eq!(frame, before);
        }
        assert_eq!(change_lease(&mut []), None);
        assert_eq!(change_lease(&mut answer()[..OPTIONS + 20]), None, "no room");
    }
}
