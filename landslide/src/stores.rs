//! Where ballots and documents are kept: the one place that knows the backends.

use std::{fmt, future::Future, path::PathBuf, pin::Pin, str::FromStr, sync::Arc};

#[cfg(any(feature = "cql", feature = "dynamodb"))]
use anyhow::Context;
use anyhow::{Result, bail};
#[cfg(feature = "cql")]
use store::cql::{CqlSettings, CqlStore};
#[cfg(feature = "dynamodb")]
use store::dynamodb::{DynamoDbSettings, DynamoDbStore};
use store::{BallotStore, ControlStore, EmbeddedSettings, EmbeddedStore};

/// A store's address: `embedded:DIR`, `cql://host,host/keyspace` or `dynamodb://region/prefix`.
#[derive(Clone, Debug)]
pub enum StoreAddress {
    /// A folder of this machine; one process.
    Embedded(PathBuf),
    /// Apache Cassandra or ScyllaDB.
    #[cfg(feature = "cql")]
    Cql(Box<CqlSettings>),
    /// Amazon DynamoDB.
    #[cfg(feature = "dynamodb")]
    DynamoDb(Box<DynamoDbSettings>),
}

impl StoreAddress {
    /// Whether other processes may use the same store.
    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::Embedded(_))
    }

    /// Sets the password, which does not belong into an address that everybody can read.
    #[cfg_attr(not(feature = "cql"), expect(unused_variables, reason = "no store takes one"))]
    pub fn set_password(&mut self, password: String) -> Result<(), String> {
        match self {
            #[cfg(feature = "cql")]
            Self::Cql(settings) => {
                settings.password = Some(password);
                Ok(())
            }
            _ => Err(format!("the store {self} takes no password")),
        }
    }
}

impl FromStr for StoreAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(folder) = text.strip_prefix("embedded:") {
            if folder.is_empty() {
                return Err("embedded: needs a folder, as in embedded:landslide-data".into());
            }
            return Ok(Self::Embedded(folder.into()));
        }
        match text.split_once("://").map(|(scheme, _)| scheme) {
            #[cfg(feature = "cql")]
            Some("cql") => {
                let settings = text.parse::<CqlSettings>().map_err(|error| error.to_string())?;
                Ok(Self::Cql(Box::new(settings)))
            }
            #[cfg(feature = "dynamodb")]
            Some("dynamodb") => {
                let settings =
                    text.parse::<DynamoDbSettings>().map_err(|error| error.to_string())?;
                Ok(Self::DynamoDb(Box::new(settings)))
            }
            #[cfg(not(feature = "cql"))]
            Some("cql") => Err(not_built("cql")),
            #[cfg(not(feature = "dynamodb"))]
            Some("dynamodb") => Err(not_built("dynamodb")),
            _ => Err(format!(
                "{text:?} is not a store: embedded:DIR, cql://host,host/keyspace or \
                 dynamodb://region/prefix"
            )),
        }
    }
}

#[cfg(not(all(feature = "cql", feature = "dynamodb")))]
fn not_built(backend: &str) -> String {
    format!(
        "this program was built without the {backend} backend; build it with \
         cargo build --release --features {backend}"
    )
}

impl fmt::Display for StoreAddress {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(folder) => write!(f, "embedded:{}", folder.display()),
            #[cfg(feature = "cql")]
            Self::Cql(settings) => {
                write!(f, "cql://{}/{}", settings.hosts.join(","), settings.keyspace)
            }
            #[cfg(feature = "dynamodb")]
            Self::DynamoDb(settings) => {
                write!(f, "dynamodb://{}/{}", settings.region, settings.prefix)
            }
        }
    }
}

/// A store that is open.
#[derive(Clone)]
pub struct OpenStore {
    /// Its ballots.
    pub ballots: Arc<dyn BallotStore>,
    /// Its documents.
    pub control: Arc<dyn ControlStore>,
    /// The same, where it is the embedded one.
    embedded: Option<Arc<EmbeddedStore>>,
}

impl OpenStore {
    /// Opens the embedded store's folder, or connects to a cluster and checks that it keeps what
    /// an acknowledgement promises.
    pub async fn open(address: &StoreAddress) -> Result<Self> {
        match address {
            StoreAddress::Embedded(folder) => {
                let folder = folder.clone();
                let open = move || EmbeddedStore::open(&folder, EmbeddedSettings::default());
                let store = tokio::task::spawn_blocking(open).await??;
                Ok(Self { embedded: Some(Arc::clone(&store)), ..Self::of(store)? })
            }
            #[cfg(feature = "cql")]
            StoreAddress::Cql(settings) => {
                Self::of(CqlStore::connect(settings).await.with_context(|| address.to_string())?)
            }
            #[cfg(feature = "dynamodb")]
            StoreAddress::DynamoDb(settings) => {
                let store = DynamoDbStore::connect(settings).await;
                Self::of(store.with_context(|| address.to_string())?)
            }
        }
    }

    fn of<S: BallotStore + ControlStore>(store: Arc<S>) -> Result<Self> {
        #[cfg(feature = "planted-bugs")]
        let (ballots, control) = crate::faults::before(store)?;
        #[cfg(not(feature = "planted-bugs"))]
        let (ballots, control): (Arc<dyn BallotStore>, Arc<dyn ControlStore>) =
            (Arc::clone(&store) as _, store);
        Ok(Self { ballots, control, embedded: None })
    }

    /// Resolves with the reason when the embedded store has failed for good. A cluster comes back
    /// by itself.
    pub fn failed(&self) -> Pin<Box<dyn Future<Output = Arc<str>> + Send>> {
        #[cfg(feature = "planted-bugs")]
        if crate::faults::ignores_a_failed_store() {
            return Box::pin(std::future::pending());
        }
        match &self.embedded {
            Some(store) => Box::pin(store.poisoned()),
            None => Box::pin(std::future::pending()),
        }
    }

    /// Makes everything durable that waits, before the process ends.
    pub async fn flush(&self) -> Result<()> {
        match &self.embedded {
            Some(store) => Ok(store.flush().await?),
            // A cluster's puts are durable when they return.
            None => Ok(()),
        }
    }
}

impl fmt::Debug for OpenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStore").finish_non_exhaustive()
    }
}

/// The tables that a store needs, as its engine's own tools take them.
pub fn schema(address: &StoreAddress) -> Result<String> {
    match address {
        StoreAddress::Embedded(_) => bail!("the embedded store makes its own tables"),
        #[cfg(feature = "cql")]
        StoreAddress::Cql(settings) => Ok(CqlStore::schema(settings)),
        #[cfg(feature = "dynamodb")]
        StoreAddress::DynamoDb(settings) => Ok(DynamoDbStore::schema(settings)),
    }
}

/// Makes the tables that are missing; says in sentences what was done.
pub async fn apply_schema(address: &StoreAddress) -> Result<Vec<String>> {
    match address {
        StoreAddress::Embedded(_) => bail!("the embedded store makes its own tables"),
        #[cfg(feature = "cql")]
        StoreAddress::Cql(settings) => {
            CqlStore::apply_schema(settings).await.with_context(|| address.to_string())
        }
        #[cfg(feature = "dynamodb")]
        StoreAddress::DynamoDb(settings) => {
            DynamoDbStore::apply_schema(settings).await.with_context(|| address.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_store_or_says_what_is_wrong() {
        let folder = "embedded:votes".parse::<StoreAddress>().unwrap();
        assert!(!folder.is_shared());
        assert_eq!(folder.to_string(), "embedded:votes");
        for text in ["", "votes", "embedded:", "redis://here", "cql:/a/b", "cql://", "dynamodb://"]
        {
            let error = text.parse::<StoreAddress>().expect_err(text);
            assert!(error.len() > 20, "{text:?}: {error}");
        }
    }

    #[cfg(feature = "cql")]
    #[test]
    fn credentials_are_not_shown() {
        let mut store: StoreAddress = "cql://user:secret@a,b:9043/votes".parse().unwrap();
        assert!(store.is_shared());
        store.set_password("another secret".into()).unwrap();
        for text in [store.to_string(), format!("{store:?}")] {
            assert!(!text.contains("secret"), "{text}");
        }
        assert!("embedded:a".parse::<StoreAddress>().unwrap().set_password("p".into()).is_err());
    }
}
