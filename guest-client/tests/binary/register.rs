//! `luks register`, and changes of headers that are announced.

use vouchsafe_protocol::messages::{VolumeAnswer, VolumeRequest, VolumeState};
use vouchsafe_protocol::{Body, DecisionId, VolumeAction};

use super::support::VolumeAct;
use super::unlock::{COMMAND_LINE, Place};
use super::*;

const KEY: &[u8] = b"the broker's key";
const HEADER: usize = 16 << 20;

/// Does what is asked, while the device has this header.
fn does(disk: PathBuf) -> VolumeAct {
    Box::new(move |identity, bound, digest| {
        let Body::Volume(action) = bound.body() else { return None };
        let (current, pending) = match action {
            VolumeAction::RegisterVolume { digest, .. } => (*digest, None),
            VolumeAction::AdvanceVolume { from, to, .. } => (*from, Some(*to)),
        };
        assert_eq!(header_of(&disk), current, "the header was written too early");
        let state = VolumeState { generation: 1, current, pending };
        Some(ok(&VolumeAnswer::sign(identity, &bound.transcript(), digest, DecisionId([7; 16]), state)))
    })
}

fn header_of(disk: &PathBuf) -> Digest32 {
    Digest32::of(read(disk).expect("it is there").get(..HEADER).expect("a header"))
}

impl World {
    /// With a formatted volume whose header is to be registered.
    fn with_registered(stage: &str) -> Self {
        let world = Self::with_empty_disk();
        let config = read_to_string(world.file("guest.toml")).expect("it is there");
        let registered = config.replace("stage = \"system\"", &format!("stage = {stage:?}"));
        write(world.file("guest.toml"), registered).expect("a file");
        world.code(&["format", "data", "--key", "-"], KEY);
        world.configure("register = true\n");
        world
    }

    fn answers_actions(&self, count: usize) {
        let acts = (0..count).map(|_| does(self.file("disk")));
        self.broker.lock().volume_script.extend(acts);
    }

    /// What was asked about volumes so far.
    fn actions(&self) -> Vec<VolumeAction> {
        let broker = self.broker.lock();
        let asked = broker.log.iter().filter(|(url, _)| url.ends_with("/v1/volumes"));
        asked
            .map(|(_, body)| serde_json::from_slice::<VolumeRequest>(body).expect("a request").action)
            .collect()
    }
}

#[test]
fn t33_the_header_that_opened_a_volume_is_registered() {
    if !is_root() {
        return;
    }
    let world = World::with_registered("initrd");
    let in_initrd = |arguments: &[&str]| {
        world.booted(Place::Initrd, COMMAND_LINE).args(arguments).output().expect("it runs")
    };
    let line = world.failed_on_console(&in_initrd(&["luks", "register", "data"]), 18);
    assert!(line.contains("there is no checked copy of its header"), "{line}");
    wrote(&in_initrd(&["luks", "header", "data"]));
    world.answers_actions(1);
    wrote(&in_initrd(&["luks", "register", "--if-configured", "data"]));
    let [VolumeAction::RegisterVolume { path, digest }] = &world.actions()[..] else { panic!("one action") };
    assert_eq!((path.as_str(), *digest), ("prod/db/data", header_of(&world.file("disk"))));
    let config =
        read_to_string(world.file("guest.toml")).unwrap().replace("register = true", "register = false");
    write(world.file("guest.toml"), config).unwrap();
    wrote(&in_initrd(&["luks", "register", "--if-configured", "data"]));
    assert_eq!(world.actions().len(), 1);
}

#[test]
fn t33_a_header_is_announced_before_it_is_written() {
    if !is_root() {
        return;
    }
    let world = World::with_registered("system");
    let before = header_of(&world.file("disk"));
    world.answers_actions(2);
    wrote(&world.luks(&["enroll", "data"], KEY));
    let after = header_of(&world.file("disk"));
    assert_ne!(after, before);
    let path = "prod/db/data".parse().unwrap();
    let expected = VolumeAction::AdvanceVolume { path, from: before, to: after };
    assert_eq!(world.actions()[1], expected);
    let requests = world.broker.lock().requests();
    let presented =
        requests.iter().map(|request| request.headers.iter().map(|(_, digest)| *digest).collect());
    assert_eq!(presented.collect::<Vec<Vec<_>>>(), [[before], [before]]);
    // A broker that does not answer: the header stays as it is.
    failed_with(&world.luks(&["enroll", "data", "--recovery"], b""), 11);
    assert_eq!(header_of(&world.file("disk")), after);
}

#[test]
fn a_volume_of_the_initrd_is_not_announced_by_the_system() {
    if !is_root() {
        return;
    }
    let world = World::with_registered("initrd");
    let output = world.luks(&["enroll", "data"], KEY);
    assert!(output.status.success(), "{output:?}");
    assert!(stderr(&output).contains("`vouchsafe volume forget` for prod/db/data"), "{output:?}");
    assert_eq!(world.actions(), []);
}

#[test]
fn a_header_to_register_needs_a_device() {
    let world = World::new(vec![]);
    world.configure("[volumes.data]\nsecret = \"prod/db/data\"\nregister = true\n");
    let error = failed_with(&world.guest(&["luks", "status", "data"]), 2);
    assert!(error.contains("`volumes.data` has `register`, but no `device`"), "{error}");
}
