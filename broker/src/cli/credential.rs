//! The operator's credentials: server, CA and token.
//!
//! They come from one source, an operator file or the command line, and are never mixed: a planted operator file names its own
//! server, and cannot refer to a token from another source (T55).

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use vouchsafe_keystore::registry::OperatorToken;
use zeroize::{Zeroize as _, Zeroizing};

use super::failure::Failure;
use super::trusted_file;

/// The broker to connect to, and the operator's credentials.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// Operator file (TOML: server, ca as PEM or file, token); default: ~/.config/vouchsafe/operator.toml. It must belong to
    /// you or root, and no other user may be able to read it.
    #[arg(long, value_name = "FILE", global = true)]
    operator: Option<PathBuf>,
    /// URL of the operators' listener, such as https://127.0.0.1:8444. With --ca and --token-file it replaces the
    /// operator file.
    #[arg(long, value_name = "URL", global = true)]
    server: Option<String>,
    /// CA of the broker's TLS certificate, PEM. Needs --server and --token-file.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// File with the operator's token for that server. Needs --server and --ca.
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorFile {
    server: String,
    /// The certificates themselves, or the file that has them.
    ca: String,
    token: String,
}

/// The CA of a server: PEM, and the file that it comes from.
#[derive(Clone)]
pub(super) struct Ca {
    pub(super) pem: String,
    pub(super) file: PathBuf,
}

/// A token, the server that it is for, and the file that it comes from.
pub(super) struct Credential {
    pub(super) server: String,
    pub(super) ca: Ca,
    pub(super) token: Zeroizing<String>,
    /// Without links, so that it can be replaced.
    file: PathBuf,
    form: Form,
}

/// What a file with a token has in it.
enum Form {
    /// Server, CA and token.
    OperatorFile {
        /// As in the file: certificates, or the name of the file with them.
        ca: String,
    },
    /// The token alone.
    TokenFile,
}

impl Connection {
    /// Reads the operator file, or the credentials that the command line names instead.
    pub(super) fn credential(&self) -> Result<Credential, Failure> {
        match (&self.operator, &self.server, &self.ca, &self.token_file) {
            (None, Some(server), Some(ca), Some(token_file)) => {
                let token = trusted_file::read_private(token_file)?;
                let token = Zeroizing::new(token.trim().to_owned());
                let (server, ca, form) = (server.clone(), Ca::read(ca)?, Form::TokenFile);
                Ok(Credential { server, ca, token, file: without_links(token_file)?, form })
            }
            (Some(file), None, None, None) => credential_of(file),
            (None, None, None, None) => credential_of(&default_file()?),
            _ => Err(Failure::Usage(
                "server, CA and token belong together: give --operator FILE, or all of --server, --ca and --token-file"
                    .to_owned(),
            )),
        }
    }
}

fn credential_of(path: &Path) -> Result<Credential, Failure> {
    let OperatorFile { server, ca: written, token } = OperatorFile::read(path)?;
    let ca = if written.contains(BEGIN) {
        Ca { pem: written.clone(), file: path.to_owned() }
    } else {
        Ca::read(&path.parent().unwrap_or(Path::new("")).join(&written))?
    };
    let (token, form) = (Zeroizing::new(token), Form::OperatorFile { ca: written });
    Ok(Credential { server, ca, token, file: without_links(path)?, form })
}

impl OperatorFile {
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = trusted_file::read_private(path)?;
        toml::from_str(&text).map_err(|error| {
            // The parser shows the line, which may be the one with the token.
            Failure::file(path, format!("not an operator file (server, ca, token): {}", error.message()))
        })
    }
}

fn without_links(path: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(path).map_err(|error| Failure::file(path, error))
}

impl Credential {
    /// The file beside its own that has the token that replaces this one, until it takes its place. The name has the id of this
    /// token, so that it is never taken for what replaces another one.
    ///
    /// # Errors
    /// Without a whole token.
    pub(super) fn successor(&self) -> Result<PathBuf, Failure> {
        let token = OperatorToken::parse(&self.token)
            .ok_or_else(|| Failure::file(&self.file, "has no whole token of an operator"))?;
        Ok(self.beside(&format!(".{}.new", token.hashed().id.as_str())))
    }

    /// A file beside its own, with this at the end of its name.
    pub(super) fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.file.as_os_str().to_owned();
        name.push(end);
        name.into()
    }

    /// For another operator of this server, in a new operator file that can be moved to another machine.
    pub(super) fn for_another(&self, file: &Path) -> Self {
        let form = Form::OperatorFile { ca: self.ca.pem.clone() };
        let (server, ca, token) = (self.server.clone(), self.ca.clone(), self.token.clone());
        Self { server, ca, token, file: file.to_owned(), form }
    }

    /// The file that the token is in.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The same with another token.
    pub(super) fn with_token(&self, token: &OperatorToken) -> Self {
        let form = match &self.form {
            Form::OperatorFile { ca } => Form::OperatorFile { ca: ca.clone() },
            Form::TokenFile => Form::TokenFile,
        };
        let (server, ca, file) = (self.server.clone(), self.ca.clone(), self.file.clone());
        Self { server, ca, token: Zeroizing::new(token.expose().to_owned()), file, form }
    }

    /// What the file has with this token.
    pub(super) fn text(&self) -> Zeroizing<String> {
        match &self.form {
            Form::OperatorFile { ca } => operator_file(&self.server, ca, &self.token),
            Form::TokenFile => self.token.clone(),
        }
    }

    /// The token that an interrupted rotation has left in this file, if it is there.
    ///
    /// # Errors
    /// When it is for another server, to which the token is not to be sent.
    pub(super) fn left_in(&self, path: &Path) -> Result<Option<OperatorToken>, Failure> {
        if !path.exists() {
            return Ok(None);
        }
        let token = match &self.form {
            Form::TokenFile => Zeroizing::new(trusted_file::read_private(path)?.trim().to_owned()),
            Form::OperatorFile { ca } => {
                let file = OperatorFile::read(path)?;
                let token = Zeroizing::new(file.token);
                if file.server != self.server || file.ca != *ca {
                    return Err(of_another_broker(path, &file.server));
                }
                token
            }
        };
        OperatorToken::parse(&token).map(Some).ok_or_else(|| self.not_whole(path))
    }

    fn not_whole(&self, path: &Path) -> Failure {
        let file = self.file.display();
        let detail = format!(
            "has no whole token, and nothing can use it. See first whether the token in {file} still works, with any command such as \
             `vouchsafe secret list`: if it does, remove this file and repeat the command; if not, an administrator replaces it"
        );
        Failure::file(path, detail)
    }
}

fn of_another_broker(path: &Path, server: &str) -> Failure {
    let detail = format!(
        "is left from a rotation at another broker, {server}, and may be the only copy of a token that is in force there. Try it with \
         `vouchsafe secret list --operator {}`: if it works, move it to where you keep your operator file for that broker; if not, \
         remove it. Then repeat the command",
        path.display()
    );
    Failure::file(path, detail)
}

fn default_file() -> Result<PathBuf, Failure> {
    in_home(std::env::home_dir())
}

/// The operator file in a home directory, whose path must not depend on the working directory.
fn in_home(home: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let home = home.filter(|home| home.is_absolute());
    let default = home.as_deref().unwrap_or(Path::new("~")).join(".config/vouchsafe/operator.toml");
    if home.is_some() && default.exists() { Ok(default) } else { Err(Failure::NoOperatorFile { default }) }
}

/// An operator file with this token for the given server and CA (PEM), complete in itself: it can be moved to another machine.
pub(super) fn operator_file(server: &str, ca: &str, token: &str) -> Zeroizing<String> {
    // With room for all of it, so that no copy of the token stays behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * ca.len() + 1024));
    text.push_str("# Operator file of `vouchsafe`: --operator FILE, or ~/.config/vouchsafe/operator.toml. Keep it private.\n");
    for (key, value) in [("server", server), ("ca", ca), ("token", token)] {
        let mut value = toml::Value::String(value.to_owned()).to_string();
        text.extend([key, " = ", &value, "\n"]);
        value.zeroize();
    }
    text
}

impl Ca {
    fn read(file: &Path) -> Result<Self, Failure> {
        let pem = String::from_utf8(trusted_file::read_unwritable(file)?);
        let pem = pem.map_err(|_| Failure::file(file, "not a PEM file"))?;
        Ok(Self { pem, file: file.to_owned() })
    }
}

/// In every PEM file with certificates, and in no path.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t55_only_an_absolute_home_has_an_operator_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".config/vouchsafe/operator.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let default = |home: Option<&Path>| match in_home(home.map(Path::to_owned)) {
            Ok(found) => panic!("{}", found.display()),
            Err(Failure::NoOperatorFile { default }) => default,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(default(Some(folder.path())), file);
        fs::write(&file, b"").unwrap();
        assert_eq!(in_home(Some(folder.path().to_owned())).unwrap(), file);
        // The same directory, relative to the working directory.
        let depth = std::env::current_dir().unwrap().components().count() - 1;
        let up: PathBuf = std::iter::repeat_n("..", depth).collect();
        let relative = up.join(folder.path().strip_prefix("/").unwrap());
        assert!(relative.join(".config/vouchsafe/operator.toml").exists());
        for home in [Some(relative.as_path()), Some(Path::new("")), None] {
            assert_eq!(default(home), Path::new("~/.config/vouchsafe/operator.toml"));
        }
    }
}
