//! Operators and their tokens.

use vouchsafe_policy::operators::OperatorRole;
use vouchsafe_protocol::UnixTime;

use crate::db::StoreError;
use crate::keystore::Keystore;
use crate::registry::accounts::{
    Login, LoginError, Operator, OperatorError, OperatorToken, RotatedToken, Rotation, TokenEnd,
    TokenLifetime,
};
use crate::registry::change::Actor;

impl Keystore {
    /// Adds an operator and returns the token, which is not stored.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn add_operator(
        &self,
        actor: Actor<'_>,
        name: &str,
        role: OperatorRole,
        namespaces: &[String],
        lifetime: TokenLifetime,
    ) -> Result<OperatorToken, OperatorError> {
        self.0.registry.add_operator(actor, name, role, namespaces, lifetime).await
    }

    /// Adds the administrator who adds all others: for the program that creates the keystore. The record
    /// names `init` as its author.
    ///
    /// # Errors
    /// [`OperatorError::NotFirst`] once there is an operator.
    pub async fn add_first_administrator(
        &self,
        name: &str,
        lifetime: TokenLifetime,
        at: UnixTime,
    ) -> Result<OperatorToken, OperatorError> {
        self.0.registry.add_first_administrator(name, lifetime, at).await
    }

    /// Adds an administrator when no token of one is left: for a program on the broker's own host. The record has
    /// the action `operator.recover` and names `recover-admin` as its author; a warning is logged.
    ///
    /// # Errors
    /// [`OperatorError::Exists`] when the name is taken.
    pub async fn recover_administrator(
        &self,
        name: &str,
        lifetime: TokenLifetime,
        at: UnixTime,
    ) -> Result<OperatorToken, OperatorError> {
        self.0.registry.recover_administrator(name, lifetime, at).await
    }

    /// Replaces an operator's token. Repeated with the same new token, it changes nothing and gives the same answer.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn rotate_token(
        &self,
        actor: Actor<'_>,
        rotation: Rotation<'_>,
    ) -> Result<RotatedToken, OperatorError> {
        self.0.registry.rotate_token(actor, rotation).await
    }

    /// Removes an operator; the token stops working at once.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn remove_operator(&self, actor: Actor<'_>, name: &str) -> Result<(), OperatorError> {
        self.0.registry.remove_operator(actor, name).await
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub(crate) async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.0.registry.operators().await
    }

    /// The end of each operator's token, for metrics: no names.
    ///
    /// # Errors
    /// When the database fails or a row was tampered with.
    pub async fn token_ends(&self) -> Result<Vec<TokenEnd>, StoreError> {
        self.0.registry.token_ends().await
    }

    /// The operator with this token, if it has not ended at `now`.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn authenticate(&self, token: &str, now: UnixTime) -> Result<Login, LoginError> {
        self.0.registry.authenticate(token, now).await
    }
}
