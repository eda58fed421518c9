//! The image is a valid OCI layout, for readers that do not know this writer, and has what it should and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{json, list, made, output, read, text};

pub(crate) const IMAGE: &str = "vouchsafe_0.1.0_amd64.oci.tar";

/// Files of a tar archive by their path.
pub(crate) fn files(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its content");
        assert!(files.insert(path.clone(), bytes).is_none(), "{path} is there twice");
    }
    files
}

pub(crate) fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
    plain
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// The layout, read as the specification says: every blob by its descriptor.
struct Layout {
    files: BTreeMap<String, Vec<u8>>,
    used: BTreeSet<String>,
}

impl Layout {
    fn blob(&mut self, descriptor: &Value, media_type: &str) -> Vec<u8> {
        assert_eq!(descriptor["mediaType"], media_type);
        let digest = text(&descriptor["digest"]);
        let path = format!("blobs/{}", digest.replace(':', "/"));
        let blob = self.files.get(&path).unwrap_or_else(|| panic!("no {path}")).clone();
        assert_eq!(descriptor["size"], blob.len());
        assert_eq!(sha256(&blob), digest);
        self.used.insert(path);
        blob
    }
}

/// Configuration and uncompressed layers.
fn opened() -> (Value, Vec<Vec<u8>>) {
    let files = files(&read(IMAGE));
    let mut layout = Layout { files, used: ["index.json", "oci-layout"].map(ToOwned::to_owned).into() };
    let parse = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).expect("JSON") };
    assert_eq!(parse(&layout.files["oci-layout"])["imageLayoutVersion"], "1.0.0");
    let index = parse(&layout.files["index.json"]);
    assert_eq!((&index["schemaVersion"], list(&index["manifests"]).len()), (&2.into(), 1));
    let manifest = &index["manifests"][0];
    assert_eq!(manifest["annotations"]["org.opencontainers.image.ref.name"], "0.1.0");
    let manifest = parse(&layout.blob(manifest, "application/vnd.oci.image.manifest.v1+json"));
    let config = parse(&layout.blob(&manifest["config"], "application/vnd.oci.image.config.v1+json"));
    let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
    let layers: Vec<_> =
        list(&manifest["layers"]).iter().map(|one| unzip(&layout.blob(one, layer))).collect();
    let digests: Vec<_> = layers.iter().map(|layer| Value::from(sha256(layer))).collect();
    assert_eq!(config["rootfs"]["diff_ids"], Value::from(digests));
    assert_eq!(list(&config["history"]).len(), layers.len());
    let unused: Vec<_> = layout.files.keys().filter(|path| !path.ends_with('/')).collect();
    assert_eq!(unused, layout.used.iter().collect::<Vec<_>>(), "no other files");
    (config, layers)
}

#[test]
fn every_blob_is_what_its_descriptor_says() {
    let (config, _) = opened();
    assert_eq!((&config["os"], &config["architecture"]), (&"linux".into(), &"amd64".into()));
    let config = &config["config"];
    // A number: Kubernetes cannot tell whether a name is root.
    assert_eq!(config["User"], "10001:10001");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/bin/vouchsafe"]));
    assert_eq!(config["Volumes"], serde_json::json!({ "/var/lib/vouchsafe": {} }));
    assert_eq!(config["ExposedPorts"], serde_json::json!({ "8443/tcp": {}, "8444/tcp": {} }));
    let label = |name: &str| text(&config["Labels"][format!("org.opencontainers.image.{name}")]).to_owned();
    assert_eq!((label("version"), label("title")), ("0.1.0".into(), "vouchsafe".into()));
    assert!(label("licenses").starts_with("Apache-2.0 AND LGPL-2.1-or-later AND "), "{}", label("licenses"));
    assert_eq!(label("revision").len(), 40);
}

#[test]
fn the_image_has_the_broker_and_what_it_needs_and_no_shell() {
    let (_, layers) = opened();
    let files: BTreeMap<_, _> = layers.iter().flat_map(|layer| files(layer)).collect();
    for path in [
        "usr/bin/vouchsafe",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/lib/x86_64-linux-gnu/libgcc_s.so.1",
        "usr/share/doc/libc6/copyright",
        "usr/share/doc/vouchsafe/THIRD-PARTY-LICENSES",
        "var/lib/dpkg/status.d/libc6",
    ] {
        assert!(files.contains_key(path), "{path}");
    }
    let certificates = String::from_utf8_lossy(&files["etc/ssl/certs/ca-certificates.crt"]).into_owned();
    assert!(certificates.matches("-----BEGIN CERTIFICATE-----").count() > 100);
    let programs: Vec<_> =
        files.keys().filter(|path| path.contains("bin/") && !path.ends_with('/')).collect();
    assert_eq!(programs, ["usr/bin/vouchsafe"]);
    // Nobody but root may change anything but the data.
    for layer in &layers {
        for entry in tar::Archive::new(layer.as_slice()).entries().expect("an archive") {
            let entry = entry.expect("an entry");
            let (header, path) = (entry.header(), entry.path().expect("a path").display().to_string());
            let (mode, owner) = (header.mode().expect("a mode"), header.uid().expect("an owner"));
            assert_eq!(mode & 0o6000, 0, "{path}: runs as another user");
            match path.as_str() {
                "var/lib/vouchsafe/" => assert_eq!((mode, owner), (0o700, 10_001)),
                "tmp/" => assert_eq!((mode, owner), (0o1777, 0)),
                _ if header.entry_type().is_symlink() => {}
                _ => assert_eq!((mode & 0o022, owner), (0, 0), "{path}"),
            }
        }
    }
}

/// A reader of images that knows nothing of this writer.
#[test]
fn skopeo_reads_and_copies_the_image() {
    let image = format!("oci-archive:{}:0.1.0", made().join(IMAGE).display());
    let inspected = output(Command::new("skopeo").args(["inspect", "--override-os", "linux"]).arg(&image));
    let inspected: Value = serde_json::from_str(&inspected).expect("JSON");
    assert_eq!(list(&inspected["Layers"]).len(), 2);
    // The digest of the statement is the one that a registry would tell.
    let name = format!("pkg:oci/vouchsafe@{}", text(&inspected["Digest"]));
    let statement = json("vouchsafe_0.1.0.provenance.json");
    assert!(list(&statement["subject"]).iter().any(|subject| subject["name"] == name), "{name}");
    let folder = tempfile::tempdir().expect("a folder");
    let to: PathBuf = folder.path().join("copy");
    let to = format!("dir:{}", to.display());
    output(Command::new("skopeo").args([
        "copy",
        "--insecure-policy",
        "--quiet",
        "--preserve-digests",
        &image,
        &to,
    ]));
}
