//! Signing in and out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an administrator signs in with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The administrator's token.
    pub(crate) token: String,
    /// Who it is, for the audit entries; up to 64 characters. Nobody checks it.
    pub(crate) name: Option<String>,
}

/// A session, as the console's script needs it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    pub(crate) signed_in: bool,
    /// The name given at the sign-in.
    pub(crate) name: Option<String>,
    /// What a change must carry as X-CSRF-Token.
    pub(crate) csrf: Option<String>,
    /// RFC 3339.
    pub(crate) expires_at: Option<String>,
}
