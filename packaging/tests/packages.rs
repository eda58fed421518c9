//! The packages are what `packages.toml` says, in both formats. `packaging/test` installs them.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vouchsafe_packaging::description::{Description, Format, Package, ProgramName};
use vouchsafe_packaging::{Compression, Release};

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

fn description() -> Description {
    Description::read(tree()).expect("a description")
}

/// The dev builds, which `./justw test` makes before.
fn programs() -> BTreeMap<ProgramName, PathBuf> {
    let folder = std::env::current_exe().expect("a test");
    let folder = folder.ancestors().nth(2).expect("two folders up").to_owned();
    [
        (ProgramName::Guest, "vouchsafe-guest"),
        (ProgramName::GuestInitrd, "vouchsafe-guest"),
        (ProgramName::Broker, "vouchsafe"),
    ]
    .map(|(name, file)| (name, folder.join(file)))
    .into()
}

fn build(description: &Description, names: &[&str], folder: &Path) -> Vec<PathBuf> {
    let mut release = Release::new(tree(), description, programs()).expect("a commit");
    release.compression = Compression::Fast;
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    release.build(&names, &[Format::Deb, Format::Rpm], folder).expect("packages")
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Files of a .deb, without folders.
fn files_of_deb(file: &Path) -> BTreeSet<String> {
    let listed = output(Command::new("dpkg-deb").arg("-c").arg(file));
    let paths = listed.lines().filter_map(|line| line.split_whitespace().nth(5));
    paths.filter(|path| !path.ends_with('/')).map(|path| path.trim_start_matches('.').to_owned()).collect()
}

fn field(file: &Path, name: &str) -> String {
    output(Command::new("dpkg-deb").arg("-f").arg(file).arg(name)).trim().to_owned()
}

/// Files of an .rpm, without folders.
fn files_of_rpm(file: &Path) -> BTreeSet<String> {
    let listed =
        output(Command::new("rpm").args(["-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\n]"]).arg(file));
    let lines = listed.lines().filter(|line| !line.starts_with('d'));
    lines.filter_map(|line| line.split_whitespace().nth(1)).map(ToOwned::to_owned).collect()
}

/// What the description asks for, without the documents that each package has.
fn expected(package: &Package, format: Format) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for file in package.files.iter().filter(|file| file.formats.contains(&format)) {
        let from = tree().join(&file.from);
        if from.is_dir() {
            let inside = fs::read_dir(from).expect("a folder").flatten();
            files.extend(inside.map(|entry| format!("{}/{}", file.to, entry.file_name().to_string_lossy())));
        } else {
            files.insert(file.to.clone());
        }
    }
    for file in &package.configuration {
        files.insert(match format {
            Format::Deb => {
                format!("/usr/share/{}/{}", package.name, file.to.rsplit('/').next().expect("a name"))
            }
            Format::Rpm => file.to.clone(),
        });
    }
    for program in &package.programs {
        files.insert(program.to.clone());
        let Some(name) = program.to.strip_prefix("/usr/bin/") else { continue };
        let zsh = if format == Format::Deb { "vendor-completions" } else { "site-functions" };
        files.extend([
            format!("/usr/share/bash-completion/completions/{name}"),
            format!("/usr/share/fish/vendor_completions.d/{name}.fish"),
            format!("/usr/share/zsh/{zsh}/_{name}"),
            format!("/usr/share/man/man1/{name}.1.gz"),
        ]);
    }
    for page in &package.manual {
        files.insert(format!("/usr/share/man/man1/{}.gz", page.from.rsplit('/').next().expect("a name")));
    }
    files
}

#[test]
fn packages_have_the_files_and_needs_of_their_description() {
    let (description, folder) = (description(), tempfile::tempdir().expect("a folder"));
    let made = build(&description, &[], folder.path());
    assert_eq!(made.len(), description.packages.iter().map(|package| package.formats.len()).sum::<usize>());
    let is_document = |path: &String| {
        path.starts_with("/usr/share/licenses/")
            || path.ends_with("/copyright")
            || path.ends_with("/changelog.Debian.gz")
            || path.ends_with("/changelog.gz")
            || path.ends_with("/CHANGELOG.md")
            || path.ends_with("/THIRD-PARTY-LICENSES.gz")
            || path.starts_with("/usr/share/lintian/")
    };
    for package in &description.packages {
        for format in &package.formats {
            let start = format!("{}{}", package.name, if *format == Format::Deb { "_" } else { "-0" });
            let named = |path: &&PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.starts_with(&start) && name.ends_with(&format!(".{format}"))
            };
            let file = made.iter().find(named).unwrap_or_else(|| panic!("no {format} of {}", package.name));
            let mut files = if *format == Format::Deb { files_of_deb(file) } else { files_of_rpm(file) };
            files.retain(|path| !is_document(path));
            assert_eq!(files, expected(package, *format), "{}", file.display());
        }
    }
    needs(&made);
    folders_of_configuration(&made);
    licences(&made);
    manual_pages(&made);
}

/// Programs come with the licences of what is compiled into them, in every format.
fn licences(made: &[PathBuf]) {
    for name in ["vouchsafe", "vouchsafe-guest", "vouchsafe-guest-initrd"] {
        let deb = file(made, &format!("{name}_"), ".deb");
        let texts = format!("/usr/share/doc/{name}/THIRD-PARTY-LICENSES.gz");
        assert!(files_of_deb(deb).contains(&texts), "{texts}");
        let rpm = file(made, &format!("{name}-0"), ".rpm");
        let texts = format!("/usr/share/licenses/{name}/THIRD-PARTY-LICENSES");
        assert!(files_of_rpm(rpm).contains(&texts), "{texts}");
        let licence = output(Command::new("rpm").args(["-qp", "--qf", "%{LICENSE}"]).arg(rpm));
        assert!(
            licence.starts_with("Apache-2.0 AND ") && licence.contains("(MIT OR Apache-2.0)"),
            "{licence}"
        );
    }
    let unpack = "dpkg-deb --fsys-tarfile \"$0\" | tar -xO ./usr/share/doc/vouchsafe/$1 | ${2-cat}";
    let unpacked = |name: &str, through: &str| {
        let deb = file(made, "vouchsafe_", ".deb");
        output(Command::new("sh").args(["-c", unpack]).arg(deb).args([name, through]))
    };
    let copyright = unpacked("copyright", "cat");
    for line in ["\nComment:\n", "\n  rustls 0.", "\n  sqlite 3.", ", in crate libsqlite3-sys: blessing\n"] {
        assert!(copyright.contains(line), "{line:?} is not in:\n{copyright}");
    }
    let texts = unpacked("THIRD-PARTY-LICENSES.gz", "zcat");
    for text in
        ["May you do good and not evil.", "Microsoft Research, Daan Leijen", "UNICODE LICENSE V3", "OpenSSL"]
    {
        assert!(texts.to_lowercase().contains(&text.to_lowercase()), "{text:?} is missing");
    }
}

fn file<'a>(made: &'a [PathBuf], start: &str, end: &str) -> &'a Path {
    let is_meant = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(start) && name.ends_with(end)
    };
    made.iter().find(is_meant).unwrap_or_else(|| panic!("no {start}…{end}"))
}

fn needs(made: &[PathBuf]) {
    let depends = field(file(made, "vouchsafe-guest_", ".deb"), "Depends");
    for package in [
        "libc6 (>= 2.",
        "libtss2-esys-3.0.2-0t64 | libtss2-esys-3.0.2-0",
        "libtss2-tctildr0t64 | libtss2-tctildr0",
        // Loaded at run time.
        "libtss2-tcti-device0t64 | libtss2-tcti-device0",
    ] {
        assert!(depends.contains(package), "{depends}");
    }
    let initrd = field(file(made, "vouchsafe-guest-initrd_", ".deb"), "Depends");
    assert!(initrd.contains("vouchsafe-guest (= "), "{initrd}");
    let rpm = file(made, "vouchsafe-guest-0", ".rpm");
    let requires = output(Command::new("rpm").args(["-qp", "--requires"]).arg(rpm));
    for library in ["esys", "mu", "tctildr", "tcti-device"] {
        let line = format!("libtss2-{library}.so.0()(64bit)");
        assert!(requires.lines().any(|found| found == line), "{line} is not in:\n{requires}");
    }
    let scripts = file(made, "vouchsafe-guest-initramfs-tools_", ".deb");
    let triggers = output(Command::new("dpkg-deb").arg("-I").arg(scripts).arg("triggers"));
    assert_eq!(triggers, "activate-noawait update-initramfs\n");
    assert_eq!(field(scripts, "Architecture"), "all");
    let updates = file(made, "vouchsafe-guest-updates_", ".deb");
    let conffiles = output(Command::new("dpkg-deb").arg("-I").arg(updates).arg("conffiles"));
    let in_etc: String = files_of_deb(updates)
        .iter()
        .filter(|path| path.starts_with("/etc/"))
        .map(|path| format!("{path}\n"))
        .collect();
    assert_eq!((conffiles.lines().count(), conffiles), (3, in_etc));
}

/// The page has a section for every command that help names, whatever its depth.
fn manual_pages(made: &[PathBuf]) {
    for (name, program) in [("vouchsafe", ProgramName::Broker), ("vouchsafe-guest", ProgramName::Guest)] {
        let unpack = "dpkg-deb --fsys-tarfile \"$0\" | tar -xO ./usr/share/man/man1/$1.1.gz | zcat";
        let deb = file(made, &format!("{name}_"), ".deb");
        let page = output(Command::new("sh").args(["-c", unpack]).arg(deb).arg(name)).replace("\\-", "-");
        let mut next = vec![Vec::<String>::new()];
        let mut sections = 0;
        while let Some(command) = next.pop() {
            let title = format!("{name} {}", command.join(" ")).to_uppercase();
            let title = if command.is_empty() { "DESCRIPTION".to_owned() } else { title };
            assert!(page.contains(&format!(".SH \"{title}\"\n")), "no section {title}");
            sections += 1;
            let help = output(Command::new(&programs()[&program]).args(&command).arg("--help"));
            let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
            let listed =
                listed.take_while(|line| line.starts_with(' ')).filter(|line| !line.starts_with("   "));
            let names =
                listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
            next.extend(names.map(|inner| [command.as_slice(), &[inner.to_owned()]].concat()));
        }
        assert!(sections > 10, "{name}: {sections}");
    }
}

/// What administrators edit is no part of the .deb, and is marked in the .rpm.
fn folders_of_configuration(made: &[PathBuf]) {
    let deb = file(made, "vouchsafe-guest_", ".deb");
    assert!(!files_of_deb(deb).iter().any(|path| path.starts_with("/etc/")));
    let rpm = file(made, "vouchsafe-guest-0", ".rpm");
    let kept = output(Command::new("rpm").args(["-qp", "--configfiles"]).arg(rpm));
    assert_eq!(kept, "/etc/vouchsafe/guest.toml\n");
}

#[test]
fn the_same_sources_make_the_same_packages() {
    let description = description();
    let [one, two] = [(), ()].map(|()| tempfile::tempdir().expect("a folder"));
    let names = ["vouchsafe-guest-initrd", "vouchsafe-clevis-pin"];
    let made = [&one, &two].map(|folder| build(&description, &names, folder.path()));
    assert_eq!(made[0].len(), 4);
    for (first, second) in made[0].iter().zip(&made[1]) {
        assert!(fs::read(first).expect("a file") == fs::read(second).expect("a file"), "{}", first.display());
    }
}

#[test]
fn a_library_without_a_package_is_refused() {
    let (mut description, folder) = (description(), tempfile::tempdir().expect("a folder"));
    description.libraries.remove("libtss2-mu.so.0");
    let release = Release::new(tree(), &description, programs()).expect("a commit");
    let names = ["vouchsafe-guest-initrd".to_owned()];
    let error = release.build(&names, &[Format::Deb], folder.path()).expect_err("refused");
    assert!(
        format!("{error:#}").contains("libtss2-mu.so.0 is not among the [libraries] of packages.toml"),
        "{error:#}"
    );
}

#[test]
fn contradictions_in_the_description_are_refused() {
    let text = fs::read_to_string(tree().join("packaging/packages.toml")).expect("it is there");
    Description::parse(&text).expect("valid");
    for (from, to, reason) in [
        ("\"/usr/lib/cryptsetup/", "\"/lib/cryptsetup/", "is not below /usr or /etc"),
        ("\"/usr/lib/cryptsetup/", "\"usr/lib/cryptsetup/", "is not an absolute path"),
        ("same_version = [\"vouchsafe-guest\"]", "same_version = [\"other\"]", "there is no package other"),
        ("triggers =", "trigger =", "unknown field"),
        (
            "program = \"guest-initrd\", package",
            "program = \"guest\", package",
            "no [[build]] makes the program guest-initrd",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let error = format!("{:#}", Description::parse(&text.replacen(from, to, 1)).expect_err("refused"));
        assert!(error.contains(reason), "{error}");
    }
}

/// Every file below these folders is in a package.
#[test]
fn nothing_is_forgotten() {
    let description = description();
    let packaged: BTreeSet<PathBuf> = description
        .packages
        .iter()
        .flat_map(|package| {
            let files = package.files.iter().map(|file| &file.from);
            files.chain(package.manual.iter().map(|page| &page.from)).map(|from| tree().join(from))
        })
        .collect();
    let mut folders: Vec<PathBuf> = ["initramfs-tools", "dracut", "systemd", "updates", "clevis"]
        .map(|folder| tree().join("packaging").join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if packaged.contains(&path) || path.parent().is_some_and(|parent| packaged.contains(parent)) {
                continue;
            }
            assert!(path.is_dir(), "{} is in no package", path.display());
            folders.push(path);
        }
    }
}
