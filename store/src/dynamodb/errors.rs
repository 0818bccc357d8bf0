//! What the service's errors mean to a caller.

use std::{error::Error, iter::successors};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::{ConnectError, StoreError};

/// An error of a request in the contract's words.
///
/// Nearly all are [`StoreError::Unavailable`]: throttling, faults of the service, time-outs, lost
/// connections, and also credentials that have expired or a table that is being restored, since
/// an operator's hand may bring those back before the callers' patience ends.
pub(super) fn store_error<E>(doing: &str, error: SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let detail = sentence(doing, &error);
    match error {
        // The request could not even be made from its input.
        SdkError::ConstructionFailure(_) => StoreError::Invalid(detail.into()),
        SdkError::ServiceError(error) if error.err().code() == Some("ValidationException") => {
            StoreError::Invalid(detail.into())
        }
        _ => StoreError::Unavailable(detail.into()),
    }
}

/// An error of a request while the store is opened.
pub(super) fn connect_error<E>(doing: &str, error: SdkError<E>) -> ConnectError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    ConnectError::Unavailable(sentence(doing, &error).into())
}

/// What is stored is not what this program wrote.
pub(super) fn corrupt(detail: impl Into<String>) -> StoreError {
    StoreError::Corrupt(detail.into().into())
}

fn sentence<E>(doing: &str, error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{doing}: {code}: {message}"),
        (Some(code), None) => format!("{doing}: {code}"),
        _ => {
            let causes = successors(Some(error as &dyn Error), |&cause| cause.source());
            let causes: Vec<String> = causes.map(ToString::to_string).collect();
            format!("{doing}: {}", causes.join(": "))
        }
    }
}
