//! The image of the broker: an OCI image layout (image-spec 1.1) in one tar file, written without a container engine.
//!
//! Two layers: libraries and certificates of Debian, and the program. It has no shell and no package manager.

pub(crate) mod base;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Release;
use crate::archive::{Archive, gzip};
use base::BasePackage;

/// An image that was written.
pub(crate) struct Written {
    /// The file.
    pub(crate) file: PathBuf,
    /// What registries know it by: `sha256:` and the digest of its manifest.
    pub(crate) digest: String,
}

/// Writes the image of the broker into a folder.
///
/// # Errors
/// When the program needs a library that is not in the base.
pub(crate) fn write(release: &Release<'_>, base: &[BasePackage], folder: &Path) -> anyhow::Result<Written> {
    let image = &release.description.image;
    let mut layout = Layout { release, blobs: Archive::new(release.epoch) };
    let layers = [
        ("Debian's libraries and certificates", libraries(release, base)?),
        ("vouchsafe", program(release)?),
    ];
    let libraries = &release.stripped(image.program)?.needs.libraries;
    for library in libraries {
        let paths = ["usr/lib/x86_64-linux-gnu", "usr/lib64"].map(|folder| format!("{folder}/{library}"));
        ensure!(
            paths.iter().any(|path| layers.iter().any(|(_, layer)| layer.has(path))),
            "the image has no {library}: add its package to `base` of [image] in packages.toml"
        );
    }
    let (mut descriptors, mut digests, mut history) = (Vec::new(), Vec::new(), Vec::new());
    let created = release.date("%Y-%m-%dT%H:%M:%SZ")?;
    for (what, layer) in layers {
        let tar = layer.tar()?;
        digests.push(sha256(&tar));
        descriptors.push(layout.blob(LAYER, &gzip(&tar, release.compression.level())?)?);
        history.push(json!({ "created": created, "created_by": format!("vouchsafe-packaging: {what}") }));
    }
    let labels = labels(release, &created)?;
    let config = json!({
        "created": created,
        "architecture": "amd64",
        "os": "linux",
        "config": configuration(release, &labels),
        "rootfs": { "type": "layers", "diff_ids": digests },
        "history": history,
    });
    let config = layout.blob(CONFIG, &serde_json::to_vec(&config)?)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": descriptors,
        "annotations": labels,
    });
    let manifest = layout.blob(MANIFEST, &serde_json::to_vec(&manifest)?)?;
    layout.write(manifest, folder)
}

/// The blobs of a layout, and the files that name them.
struct Layout<'a> {
    release: &'a Release<'a>,
    blobs: Archive,
}

impl Layout<'_> {
    /// Adds a blob and returns its descriptor.
    fn blob(&mut self, media_type: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let digest = sha256(bytes);
        let path = format!("blobs/{}", digest.replace(':', "/"));
        if !self.blobs.has(&path) {
            self.blobs.file(&path, bytes, 0o644)?;
        }
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    }

    fn write(mut self, mut manifest: Value, folder: &Path) -> anyhow::Result<Written> {
        let (release, name) = (self.release, &self.release.description.image.name);
        let digest = manifest.get("digest").and_then(Value::as_str).context("a digest")?.to_owned();
        let members = manifest.as_object_mut().context("a descriptor")?;
        members.insert("platform".to_owned(), json!({ "architecture": "amd64", "os": "linux" }));
        let tag = json!({ "org.opencontainers.image.ref.name": release.version });
        members.insert("annotations".to_owned(), tag);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest] });
        self.blobs.file("index.json", serde_json::to_vec(&index)?, 0o644)?;
        self.blobs.file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
        let file = folder.join(format!("{name}_{}_amd64.oci.tar", release.version));
        fs::write(&file, self.blobs.tar()?).with_context(|| file.display().to_string())?;
        Ok(Written { file, digest })
    }
}

fn libraries(release: &Release<'_>, base: &[BasePackage]) -> anyhow::Result<Archive> {
    let mut root = Archive::new(release.epoch);
    for package in base {
        package.add_to(&mut root)?;
    }
    for folder in ["lib", "lib64"] {
        root.link(folder, &format!("usr/{folder}"))?;
    }
    Ok(root)
}

fn program(release: &Release<'_>) -> anyhow::Result<Archive> {
    let image = &release.description.image;
    let (name, user) = (&image.name, image.user);
    let mut root = Archive::new(release.epoch);
    root.file(&format!("usr/bin/{name}"), release.stripped(image.program)?.bytes.clone(), 0o755)?;
    let documents = format!("usr/share/doc/{name}");
    root.file(&format!("{documents}/LICENSE"), release.file("LICENSE")?, 0o644)?;
    let licences = release.licences(image.program)?.file(name);
    root.file(&format!("{documents}/THIRD-PARTY-LICENSES"), licences, 0o644)?;
    // Files of this user alone; a volume that an engine creates gets mode and owner of this folder.
    root.folder(image.data.trim_start_matches('/'), 0o700, user)?;
    root.folder("tmp", 0o1777, 0)?;
    let home = &image.data;
    root.file(
        "etc/passwd",
        format!("root:x:0:0:root:/root:/usr/sbin/nologin\n{name}:x:{user}:{user}:{name}:{home}:/usr/sbin/nologin\n"),
        0o644,
    )?;
    root.file("etc/group", format!("root:x:0:\n{name}:x:{user}:\n"), 0o644)?;
    // Names from files first, then by DNS.
    root.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", 0o644)?;
    Ok(root)
}

fn configuration(release: &Release<'_>, labels: &BTreeMap<String, String>) -> Value {
    let image = &release.description.image;
    let set = |names: Vec<String>| -> Value { names.into_iter().map(|name| (name, json!({}))).collect() };
    json!({
        "User": format!("{0}:{0}", image.user),
        "ExposedPorts": set(image.ports.iter().map(|port| format!("{port}/tcp")).collect()),
        "Env": ["PATH=/usr/bin"],
        "Entrypoint": [format!("/usr/bin/{}", image.name)],
        "Cmd": image.arguments,
        "Volumes": set(vec![image.data.clone()]),
        "WorkingDir": image.data,
        "StopSignal": "SIGTERM",
        "Labels": labels,
    })
}

/// The annotations that the image specification predefines.
fn labels(release: &Release<'_>, created: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let (image, homepage) = (&release.description.image, &release.description.homepage);
    let licences = release.licences(image.program)?;
    let mut expressions: Vec<String> = vec!["Apache-2.0".to_owned()];
    expressions.extend(image.licences.iter().cloned());
    expressions.extend(licences.conjuncts().filter(|one| one != "Apache-2.0"));
    let package = release.description.packages.iter().find(|package| package.name == image.name);
    let package = package.with_context(|| format!("[image]: there is no package {}", image.name))?;
    let label = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), value.to_owned());
    Ok([
        label("title", &image.name),
        label("description", &package.summary),
        label("version", &release.version),
        label("revision", &release.commit.id),
        label("created", created),
        label("source", homepage),
        label("url", homepage),
        label("documentation", &format!("{homepage}/blob/main/docs/operations.md")),
        label("licenses", &expressions.join(" AND ")),
    ]
    .into())
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
