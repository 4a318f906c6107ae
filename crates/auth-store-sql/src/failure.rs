//! Why a command failed, and what that means to who asked.

use auth_core::error::StoreError;
use diesel::result::{DatabaseErrorKind, Error as SqlError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database says so.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// What is stored cannot be.
    #[error("{0}")]
    Damaged(String),
}

/// What a command answers.
pub type Done<T> = Result<T, Failure>;

impl Failure {
    /// Whether the database refused the data, or holds what cannot be: no later try will mend that. What it says else
    /// must be tried again later.
    pub fn is_damage(&self) -> bool {
        use DatabaseErrorKind::{
            CheckViolation, ExclusionViolation, ForeignKeyViolation, NotNullViolation, RestrictViolation,
            UniqueViolation,
        };
        match self {
            Self::Damaged(_) => true,
            Self::Sql(error) => matches!(
                error,
                SqlError::DatabaseError(
                    CheckViolation
                        | ExclusionViolation
                        | ForeignKeyViolation
                        | NotNullViolation
                        | RestrictViolation
                        | UniqueViolation,
                    _,
                ) | SqlError::NotFound
                    | SqlError::DeserializationError(_)
                    | SqlError::SerializationError(_)
            ),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        match &failure {
            Failure::Sql(SqlError::DatabaseError(..)) if failure.is_damage() => {
                Self::Damaged(format!("a constraint does not hold: {text}"))
            }
            _ if failure.is_damage() => Self::Damaged(text),
            _ => Self::Unavailable(text),
        }
    }
}
