//! What an error of the driver means to whoever called.

use scylla::errors::{BadQuery, DbError, ExecutionError, RequestAttemptError};

use crate::StoreError;

/// A request that failed. All but what can never work may be tried again, by the caller: the
/// driver tries nothing twice. Whether a write happened is unknown.
pub(super) fn failed(error: &ExecutionError) -> StoreError {
    match error {
        ExecutionError::BadQuery(
            BadQuery::SerializationError(_) | BadQuery::ValuesTooLongForKey(..),
        )
        | ExecutionError::LastAttemptError(
            RequestAttemptError::SerializationError(_)
            | RequestAttemptError::CqlRequestSerialization(_)
            | RequestAttemptError::DbError(DbError::Invalid | DbError::SyntaxError, _),
        ) => StoreError::Invalid(error.to_string().into()),
        // Also what an operator can mend while we run: rights, a table that was dropped.
        _ => unavailable(error),
    }
}

pub(super) fn unavailable(reason: impl ToString) -> StoreError {
    StoreError::Unavailable(reason.to_string().into())
}

/// What was read is not what we write.
pub(super) fn corrupt(reason: impl ToString) -> StoreError {
    StoreError::Corrupt(reason.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_the_server(error: DbError) -> StoreError {
        failed(&RequestAttemptError::DbError(error, "says the server".to_owned()).into())
    }

    #[test]
    fn what_may_work_later_is_unavailable() {
        for error in [
            DbError::Overloaded,
            DbError::IsBootstrapping,
            DbError::ServerError,
            DbError::TruncateError,
            DbError::Unauthorized,
            // A compare-and-swap of which the node does not know whether it happened.
            DbError::Other(0x1700),
        ] {
            let error = of_the_server(error);
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        }
        let error = failed(&ExecutionError::RequestTimeout(std::time::Duration::from_secs(1)));
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        let error = failed(&ExecutionError::EmptyPlan);
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }

    #[test]
    fn what_can_never_work_is_invalid() {
        for error in [DbError::Invalid, DbError::SyntaxError] {
            let error = of_the_server(error);
            assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
            assert!(error.to_string().contains("says the server"), "{error}");
        }
    }
}
