# The front door: `./justw RECIPE`, which brings `just` along where it is missing. Everything is built in the dev profile and in one
# target directory, so that demo, test and check use each other's work; only bench, load and crash build for release.

# What warnings are to rustdoc and clippy.
deny_warnings := "-D warnings"

# The two programs. Built by themselves, so that no feature that the tests ask for gets into them.
programs := "-p vouchsafe-broker -p vouchsafe-guest-client"

# Lists the recipes.
[private]
default:
    @just --justfile "{{ justfile() }}" --list --unsorted

# Installs the system packages and the Rust toolchain, where they are missing.
setup:
    @scripts/setup

# A broker, a software TPM, a release, a refusal and its explanation: the whole thing to look at. Ends by itself; with --keep, broker
# and VM stay to play with.
demo *ARGS: setup
    @echo "demo: the first build takes about 8 minutes on two cores; after that the demo takes seconds" >&2
    @cargo build --quiet {{ programs }}
    @cargo run --quiet -p vouchsafe-tests --bin demo -- {{ ARGS }}

# All that CI runs: every check, then every test.
test: (announce "test" "about 20 minutes on two cores, five once built") setup check
    cargo test --workspace --exclude vouchsafe-tests --exclude vouchsafe-packaging
    # The guest's small build, without tokens of Google, but with an address for software TPMs: its tests, against a broker.
    cargo test -p vouchsafe-guest-client --no-default-features --features swtpm --lib --test binary
    # The programs as they are shipped: built by themselves, without features that tests add. The tests start them.
    cargo build {{ programs }}
    cargo test -p vouchsafe-tests -p vouchsafe-packaging
    # The quickest real boot, with the programs that were just built.
    @scripts/smoke
    @test -d ../shared/evidence || echo "test: tests on captured evidence were skipped: there is no ../shared/evidence" >&2

# Format, lints, documentation, dependencies, citations.
check: setup deny
    @scripts/citations
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- {{ deny_warnings }}
    RUSTDOCFLAGS="{{ deny_warnings }}" cargo doc --workspace --no-deps --document-private-items --quiet

# Dependencies against deny.toml: version floors, who may use what, licences, sources. Needs no network but for the first fetch.
[private]
deny: setup
    "$(scripts/tool cargo-deny)" --log-level error --locked --workspace check --allow unused-wrapper bans licenses sources

# The programs for release: target/release/vouchsafe and target/release/vouchsafe-guest.
release: setup
    cargo build --release {{ programs }}

# `package once` builds the tree as it is, `package test` also installs that in clean Debian 12 and 13, which needs root. `package MODE dev` is not
# optimised, and quicker.
# Everything that is released, in target/packages: builds the last commit twice from scratch, in two folders, and compares the digests.
package MODE="twice" PROFILE="": (announce "package" "about 25 minutes on two cores, twice") setup
    cargo build --quiet -p vouchsafe-packaging
    @{{ quote(just_executable()) + " --justfile " + quote(justfile()) + " package-" + quote(MODE) + if PROFILE == "" { "" } else { " --profile " + quote(PROFILE) } }}

[private]
package-twice *ARGS:
    target/debug/package twice {{ ARGS }}

[private]
package-once *ARGS:
    rm -rf target/packages target/image-base
    target/debug/package --build --all {{ ARGS }}

[private]
package-test *ARGS: (package-once ARGS)
    # The same as another version, to upgrade to.
    target/debug/package --build --format deb --fast --revision 2 --out target/packages/next {{ ARGS }}
    packaging/test target/packages target/boot

# Formats the code.
fmt:
    cargo fmt --all

# Each step of a release beside the bare operation it rests on (criterion; release build). Arguments go to criterion: `bench 'snp|tdx'`.
[positional-arguments]
bench *ARGS: (announce "bench" "about 25 minutes on two cores, most of it building for release") setup
    cargo bench -p vouchsafe-tests --benches -- "$@"

# Guests in parallel against a real broker: requests a second, latencies, CPU a release (release build). `load --help` says more.
load *ARGS: release
    cargo run --quiet --release -p vouchsafe-tests --bin load -- {{ ARGS }}

# Kills a real broker at random points of concurrent puts and releases, and checks that nothing acknowledged is lost (release build).
[private]
crash *ARGS: release
    cargo run --quiet --release -p vouchsafe-tests --bin crash -- {{ ARGS }}

# A real Prometheus with the shipped alert rules and the queries of the dashboard, against a broker under load. Fetches Debian's package once.
[private]
observe *ARGS: (announce "observe" "about a minute once built") setup
    cargo build {{ programs }}
    "$(scripts/tool promtool)" check rules config/prometheus/alerts.yml
    "$(scripts/tool promtool)" test rules config/prometheus/alerts.test.yml
    "$(scripts/tool promtool)" check config --syntax-only config/prometheus/prometheus.yml
    cargo run --quiet -p vouchsafe-tests --bin observe -- --prometheus "$(scripts/tool prometheus)" {{ ARGS }}

# Real boots under QEMU (TCG) with OVMF and a software TPM. `boot-test all`: Debian 12, 13 and sid unlock their root file systems with keys from a
# real broker, and boots that are refused. `boot-test predict`: what Debian 12, 13 and sid measure, beside `baseline predict`. Names: --help.
boot-test *ARGS: (announce "boot-test" "about 35 minutes on two cores, a quarter of it building and fetching; single boots take half a minute to four") setup
    cargo build --quiet -p vouchsafe-broker -p vouchsafe-guest-client -p vouchsafe-tests --bin vouchsafe --bin vouchsafe-guest --bin boot
    # The guest for initrds, as it is shipped.
    cargo build --quiet --profile initrd -p vouchsafe-guest-client --no-default-features
    target/debug/boot --packages "{{ justfile_directory() }}/target/boot" --guest target/initrd/vouchsafe-guest {{ ARGS }}

# The protocol as a symbolic model: every query holds, and one breaks when a binding is taken out (docs/model). Fetches the tool once.
model *ARGS: (announce "model" "about 15 minutes on two cores, most of it building the tool; three to eight once built") setup
    cargo run --quiet -p vouchsafe-tests --bin model -- --verifpal "$(scripts/tool verifpal)" {{ ARGS }}

# Fuzzes one target, or each in turn, for this many seconds: `fuzz event_log 600`. Needs rustup's nightly toolchain.
fuzz TARGET="all" SECONDS="60": setup
    scripts/fuzz "{{ TARGET }}" "{{ SECONDS }}"

# Says before anything else how long the first run takes.
[private]
announce NAME DURATION:
    @echo "{{ NAME }}: a first run takes {{ DURATION }}" >&2
