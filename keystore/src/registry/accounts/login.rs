//! Authentication by token.

use vouchsafe_policy::operators::OperatorIdentity;
use vouchsafe_protocol::UnixTime;

use super::table::operator_of;
use super::token::OperatorToken;
use crate::db::StoreError;
use crate::registry::handle::Registry;

/// An operator who presented a valid token. Only [`crate::Keystore::authenticate`] makes one.
///
/// There is no other way to make one:
/// ```compile_fail,E0451
/// use vouchsafe_keystore::registry::Login;
/// use vouchsafe_policy::operators::OperatorIdentity;
/// fn forged(identity: OperatorIdentity) -> Login {
///     Login { identity, ends_at: None }
/// }
/// ```
#[derive(Debug)]
pub struct Login {
    identity: OperatorIdentity,
    ends_at: Option<UnixTime>,
}

impl Login {
    /// The operator.
    #[must_use]
    pub const fn identity(&self) -> &OperatorIdentity {
        &self.identity
    }

    /// From when on the token is refused; `None` if it never ends.
    #[must_use]
    pub const fn ends_at(&self) -> Option<UnixTime> {
        self.ends_at
    }
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The token is not that of an operator.
    #[error("invalid or revoked operator token")]
    Unknown,
    /// The token is that of an operator, and has ended.
    #[error("the token of operator {operator} has ended")]
    Expired {
        /// The operator.
        operator: String,
        /// When.
        ended_at: UnixTime,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for LoginError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Registry {
    /// The operator with this token.
    pub(crate) async fn authenticate(&self, token: &str, now: UnixTime) -> Result<Login, LoginError> {
        let token = OperatorToken::parse(token).ok_or(LoginError::Unknown)?;
        let mut view = self.token_view().await?;
        let row = sqlx::query("SELECT * FROM operators WHERE token_id = $1 OR previous_id = $1")
            .bind(token.hashed().id.as_str())
            .fetch_optional(&mut *view.tx)
            .await?;
        let row = operator_of(self.check(view.epoch), &row.ok_or(LoginError::Unknown)?)?;
        let issued = row.presented(&token).ok_or(LoginError::Unknown)?;
        // Only the bearer of the token learns that there was one.
        match issued.ends_at {
            Some(ended_at) if !issued.is_valid(now) => {
                Err(LoginError::Expired { operator: row.name, ended_at })
            }
            ends_at => Ok(Login { identity: row.identity(issued), ends_at }),
        }
    }
}
