//! Software bills of materials in CycloneDX 1.6: what is in a program, what is compiled into it, and what its build ran.

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Release;
use crate::bundled::{self, Found};
use crate::cargo::{Crate, CrateId, Crates};
use crate::description::ProgramName;

/// The bill of a program, as JSON.
///
/// # Errors
/// When cargo does not know the crates, or the program is missing.
pub(crate) fn bill(release: &Release<'_>, program: ProgramName, name: &str) -> anyhow::Result<String> {
    let crates = release.crates(program)?;
    let code = bundled::found(&crates, release.description)?;
    let mut components: Vec<Value> = crates
        .all
        .iter()
        .filter(|(id, _)| **id != crates.root)
        .map(|(id, krate)| component(id, krate))
        .collect();
    components.extend(code.iter().map(bundled_component));
    components.push(standard_library(release)?);
    let mut bill = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": release.date("%Y-%m-%dT%H:%M:%SZ")?,
            "lifecycles": [{ "phase": "build" }],
            "tools": { "components": [{ "type": "application", "name": "vouchsafe-packaging", "version": release.version }] },
            "supplier": { "name": "vouchsafe", "url": [release.description.homepage] },
            "component": subject(release, program, name, &crates)?,
        },
        "components": components,
        "dependencies": dependencies(&crates, &code),
    });
    let serial = serial(&serde_json::to_vec(&bill)?);
    if let Some(members) = bill.as_object_mut() {
        members.insert("serialNumber".to_owned(), serial.into());
    }
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

/// The program itself.
fn subject(
    release: &Release<'_>,
    program: ProgramName,
    name: &str,
    crates: &Crates,
) -> anyhow::Result<Value> {
    let features = features(crates.all.get(&crates.root).context("the program's own crate")?);
    let stripped = release.stripped(program)?;
    let libraries = stripped.needs.libraries.iter().map(|library| property("library", library));
    Ok(json!({
        "type": "application",
        "bom-ref": reference(&crates.root),
        "name": name,
        "version": release.version,
        "licenses": [{ "expression": "Apache-2.0" }],
        "purl": format!("pkg:generic/{name}@{}", release.version),
        "hashes": [{ "alg": "SHA-256", "content": hex::encode(Sha256::digest(&stripped.bytes)) }],
        "externalReferences": [{ "type": "website", "url": release.description.homepage }],
        "properties": features.into_iter().chain(libraries).collect::<Vec<_>>(),
    }))
}

fn component((name, version): &CrateId, krate: &Crate) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(&(name.clone(), version.clone())),
        "name": name,
        "version": version,
        // What is excluded only runs at the build.
        "scope": if krate.linked { "required" } else { "excluded" },
        "purl": format!("pkg:cargo/{name}@{version}"),
        "properties": features(krate),
    });
    let Some(members) = component.as_object_mut() else { return component };
    if let Some(licence) = krate.manifest.licence() {
        members.insert("licenses".to_owned(), json!([{ "expression": licence }]));
    }
    if let Some(checksum) = &krate.checksum {
        members.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": checksum }]));
    } else {
        // Of the tree, not of crates.io.
        members.remove("purl");
    }
    if let Some(repository) = &krate.manifest.repository {
        members.insert("externalReferences".to_owned(), json!([{ "type": "vcs", "url": repository }]));
    }
    component
}

fn bundled_component(code: &Found<'_>) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": code.purl(),
        "name": code.bundled.name,
        "version": code.version,
        "scope": "required",
        "licenses": [{ "expression": code.licence }],
        "purl": code.purl(),
        "properties": [property("compiled-by", &code.id.0)],
    });
    if let (Some(cpe), Some(members)) = (&code.bundled.cpe, component.as_object_mut()) {
        members.insert("cpe".to_owned(), cpe.replace("{version}", &code.version).into());
    }
    component
}

fn standard_library(release: &Release<'_>) -> anyhow::Result<Value> {
    let version = release.compiler()?;
    Ok(json!({
        "type": "library",
        "bom-ref": RUST,
        "name": "rust-std",
        "version": version,
        "scope": "required",
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        "purl": format!("pkg:github/rust-lang/rust@{version}"),
    }))
}

fn dependencies(program: &Crates, code: &[Found<'_>]) -> Value {
    let of_crates = program.all.iter().map(|(id, krate)| {
        let crates = krate.dependencies.iter().filter(|id| program.all.contains_key(id)).map(reference);
        let code = code.iter().filter(|code| code.id == id).map(Found::purl);
        let rust = (*id == program.root).then(|| RUST.to_owned());
        json!({ "ref": reference(id), "dependsOn": crates.chain(code).chain(rust).collect::<Vec<_>>() })
    });
    of_crates.collect()
}

fn features(krate: &Crate) -> Vec<Value> {
    krate.features.iter().map(|feature| property("feature", feature)).collect()
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("vouchsafe:{name}"), "value": value })
}

fn reference((name, version): &CrateId) -> String {
    format!("{name}@{version}")
}

/// A UUID of version 8 (RFC 9562, 5.8) out of the content, so that the same bill has the same number.
fn serial(content: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(b"vouchsafe/v1 serial number of a bill\0")
        .chain_update(content)
        .finalize();
    let mut bytes: [u8; 16] = [0; 16];
    bytes.iter_mut().zip(&digest).for_each(|(to, from)| *to = *from);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    format!("urn:uuid:{}", parts.join("-"))
}

const RUST: &str = "rust-std";
