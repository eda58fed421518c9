//! The image runs as Kubernetes would run it for the chart: with the arguments and files that the chart renders, as the chart's user,
//! without capabilities, on a read-only root, with the owners and modes that Kubernetes gives volumes for `fsGroup`.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use vouchsafe_packaging::description::ProgramName;

use crate::chart::{least, object, rendered};
use crate::image::{IMAGE, files};
use crate::{list, output, programs, read, text};

const USER: u32 = 10_001;
const CONFIG: &str = "/etc/vouchsafe/broker.toml";

/// What a container runtime and the kubelet do before a container starts.
struct Pod {
    folder: TempDir,
    ports: [u16; 2],
    objects: std::collections::BTreeMap<(String, String), Value>,
}

impl Pod {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let ports = [(), ()].map(|()| free_port());
        let mut values = least();
        values["init"] = json!({ "enabled": true });
        values["guests"] = json!({ "port": ports[0] });
        values["operators"] = json!({ "port": ports[1] });
        values["tables"] = json!("[collateral]\nfetch = false");
        let pod = Self { folder, ports, objects: rendered(&values) };
        pod.unpack();
        pod.volumes();
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The layers, one over the other, and the points that a runtime mounts at.
    fn unpack(&self) {
        let root = self.path("root");
        fs::create_dir(&root).expect("a folder");
        let layout = files(&read(IMAGE));
        let index: Value = serde_json::from_slice(&layout["index.json"]).expect("JSON");
        let blob =
            |descriptor: &Value| &layout[&format!("blobs/{}", text(&descriptor["digest"]).replace(':', "/"))];
        let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0])).expect("JSON");
        for layer in list(&manifest["layers"]) {
            let mut tar = Command::new("tar")
                .args(["-xzp", "--numeric-owner", "-C"])
                .arg(&root)
                .stdin(Stdio::piped())
                .spawn()
                .expect("tar");
            tar.stdin.take().expect("piped").write_all(blob(layer)).expect("written");
            assert!(tar.wait().expect("ends").success());
        }
        for folder in ["proc", "dev", "etc/vouchsafe"] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        for file in ["keyring.json", "broker.toml"] {
            fs::write(root.join("etc/vouchsafe").join(file), "").expect("written");
        }
    }

    /// Volumes as the kubelet leaves them for a pod with `fsGroup` (pkg/volume/volume_linux.go): the group, and for a Secret mode | 0440, for
    /// the root of a claim mode | 0770 and the bit that hands the group on.
    fn volumes(&self) {
        let volume = self.path("volume");
        fs::create_dir(&volume).expect("a folder");
        chown(&volume, Some(0), Some(USER)).expect("tests of the image need root");
        fs::set_permissions(&volume, Permissions::from_mode(0o2775)).expect("a mode");
        let data = self.path("made-elsewhere");
        let mut init = Command::new(&programs()[&ProgramName::Broker]);
        init.arg("init").arg("--data").arg(data).arg("--keyring").arg(self.path("keyring"));
        output(&mut init);
        let pod = &object(&self.objects, "StatefulSet", "vouchsafe")["spec"]["template"]["spec"];
        let mode = list(&pod["volumes"])[0]["secret"]["defaultMode"].as_u64().expect("a mode");
        let mode = u32::try_from(mode).expect("a mode") | 0o440;
        mount_file(&self.path("keyring"), mode);
        let config = text(&object(&self.objects, "ConfigMap", "vouchsafe")["data"]["broker.toml"]);
        fs::write(self.path("broker.toml"), config).expect("written");
        mount_file(&self.path("broker.toml"), 0o644);
    }

    /// A container of the pod.
    fn container(&self, arguments: &[String]) -> Command {
        let script = r#"
            root=$1 folder=$2 user=$3
            shift 3
            mount --bind "$root" "$root"
            mount --bind "$folder/volume" "$root/var/lib/vouchsafe"
            for file in keyring:keyring.json broker.toml:broker.toml; do
                mount --bind "$folder/${file%:*}" "$root/etc/vouchsafe/${file#*:}"
                mount -o remount,bind,ro "$root/etc/vouchsafe/${file#*:}"
            done
            mount --rbind /proc "$root/proc"
            mount --rbind /dev "$root/dev"
            mount -t tmpfs tmpfs "$root/tmp"
            mount -o remount,bind,ro "$root"
            exec setpriv --no-new-privs chroot --userspec="$user:$user" --groups="$user" "$root" /usr/bin/vouchsafe "$@"
        "#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", script, "sh"]).arg(self.path("root")).arg(self.folder.path());
        command
            .arg(USER.to_string())
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Arguments of the chart for a container.
    fn arguments(&self, containers: &str) -> Vec<String> {
        let pod = &object(&self.objects, "StatefulSet", "vouchsafe")["spec"]["template"]["spec"];
        list(&list(&pod[containers])[0]["args"]).iter().map(|one| text(one).to_owned()).collect()
    }

    fn init(&self) -> Output {
        self.container(&self.arguments("initContainers")).output().expect("runs")
    }

    fn serve(&self) -> Served {
        let mut command = self.container(&self.arguments("containers"));
        let log = fs::File::create(self.path("log")).expect("a file");
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        Served(command.spawn().expect("runs"))
    }

    /// The status of a path on the guests' listener, as a probe of the kubelet asks for it: by HTTPS, whatever the certificate.
    fn probe(&self, path: &str) -> Option<u16> {
        let script = "import ssl, sys, urllib.request\n\
                      context = ssl._create_unverified_context()\n\
                      print(urllib.request.urlopen(sys.argv[1], context=context, timeout=5).status)";
        let url = format!("https://127.0.0.1:{}{path}", self.ports[0]);
        let output = Command::new("python3").args(["-c", script, &url]).output().expect("python3");
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("a log")
    }

    fn wait_until_live(&self) {
        let start = Instant::now();
        while self.probe("/livez") != Some(200) {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not serve: {}", self.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // The shell, unshare and chroot have become the program: TERM reaches it.
        let _ended = Command::new("kill").arg(self.0.id().to_string()).status();
        let _waited = self.0.wait();
    }
}

fn mount_file(path: &Path, mode: u32) {
    chown(path, Some(0), Some(USER)).expect("root");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a socket").local_addr().expect("an address").port()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn a_pod_is_set_up_serves_and_starts_again() {
    let pod = Pod::new();
    let first = pod.init();
    assert!(
        first.status.success() && said(&first).starts_with("A new broker, with identity "),
        "{}",
        said(&first)
    );
    let served = pod.serve();
    pod.wait_until_live();
    // As `kubectl exec` does: the operator's file that init has left on the volume.
    let arguments = ["secret", "list", "--operator", "/var/lib/vouchsafe/broker/operator.toml"];
    let listed = pod.container(&arguments.map(ToOwned::to_owned)).output().expect("runs");
    assert!(listed.status.success(), "{}", said(&listed));
    let log = pod.log();
    assert!(log.contains("broker.listening") && !log.contains("\"ERROR\""), "{log}");
    drop(served);

    // The next start finds the broker, and changes nothing.
    let again = pod.init();
    assert!(
        again.status.success() && said(&again).contains("already: nothing was changed"),
        "{}",
        said(&again)
    );
    let served = pod.serve();
    pod.wait_until_live();
    drop(served);

    // What `fsGroupChangePolicy: Always` would do to every file at each start. The chart has OnRootMismatch.
    output(Command::new("chmod").args(["-R", "g+rw"]).arg(pod.path("volume/broker")));
    let mut refused = pod.container(&["serve", "--config", CONFIG].map(ToOwned::to_owned));
    let refused = refused.output().expect("runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("so other users may read or change it: chmod 700"), "{}", said(&refused));
}

#[test]
fn a_keyring_that_everybody_can_read_is_refused() {
    let pod = Pod::new();
    mount_file(&pod.path("keyring"), 0o444);
    let refused = pod.init();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("keyring /etc/vouchsafe/keyring.json has mode 444"),
        "{}",
        said(&refused)
    );
    assert!(!pod.path("volume/broker").exists(), "nothing is left of it");
}
