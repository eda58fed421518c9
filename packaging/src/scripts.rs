//! Scripts that run at installation and removal. Most packages need none.

use crate::stage::Stage;

/// Names and texts of the scripts of a Debian package.
pub(crate) fn deb(stage: &Stage<'_>) -> anyhow::Result<Vec<(&'static str, String)>> {
    let package = stage.package;
    let (mut installed, mut removing, mut removed) = (String::new(), String::new(), String::new());
    for file in &package.configuration {
        let (shipped, to) = (stage.shipped(file)?, &file.to);
        let folder = parent(to);
        installed.push_str(&format!(
            "# To be edited. An upgrade does not touch it, nor bring it back.\n\
             if [ \"$1\" = configure ] && [ -z \"${{2-}}\" ] && [ ! -e {to} ]; then\n    mkdir -p {folder}\n    \
             cp {shipped} {to}\n    chmod 644 {to}\nfi\n"
        ));
        removed.push_str(&format!(
            "if [ \"$1\" = purge ]; then\n    rm -f {to}\n    rmdir --ignore-fail-on-non-empty {folder} 2>/dev/null || true\nfi\n"
        ));
    }
    for users in &package.users {
        installed.push_str(&format!("if [ \"$1\" = configure ]; then\n    systemd-sysusers {users}\nfi\n"));
    }
    let reload =
        "if [ -d /run/systemd/system ]; then\n    systemctl --system daemon-reload >/dev/null || true\nfi\n";
    if !package.units.is_empty() {
        installed.push_str(reload);
        removed.push_str(reload);
    }
    for unit in &package.restarts {
        installed.push_str(&format!(
            "if [ \"$1\" = configure ] && [ -n \"${{2-}}\" ] && [ -d /run/systemd/system ]; then\n    \
             deb-systemd-invoke try-restart {unit} >/dev/null || true\nfi\n"
        ));
    }
    for unit in &package.units {
        removing.push_str(&format!(
            "if [ \"$1\" = remove ]; then\n    [ ! -d /run/systemd/system ] || deb-systemd-invoke stop {unit} >/dev/null || true\n    \
             systemctl --quiet disable {unit} 2>/dev/null || true\nfi\n"
        ));
    }
    let scripts = [("postinst", installed), ("prerm", removing), ("postrm", removed)];
    let scripts = scripts.into_iter().filter(|(_, text)| !text.is_empty());
    Ok(scripts.map(|(name, text)| (name, format!("#!/bin/sh\nset -e\n{text}"))).collect())
}

/// Sections of the scripts of an RPM package.
pub(crate) fn rpm(stage: &Stage<'_>) -> String {
    let package = stage.package;
    if package.units.is_empty() {
        return String::new();
    }
    let reload = "systemctl daemon-reload >/dev/null 2>&1 || :\n";
    let users: String = package.users.iter().map(|users| format!("systemd-sysusers {users}\n")).collect();
    let units = package.units.join(" ");
    let restarts = package.restarts.join(" ");
    let restart = if restarts.is_empty() {
        String::new()
    } else {
        format!("if [ $1 -ge 1 ]; then systemctl try-restart {restarts} >/dev/null 2>&1 || :; fi\n")
    };
    format!(
        "%post\n{users}{reload}\n%preun\nif [ $1 -eq 0 ]; then systemctl --quiet disable --now {units} >/dev/null 2>&1 || :; fi\n\n\
         %postun\n{reload}{restart}\n"
    )
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| folder)
}
