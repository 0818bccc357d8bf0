//! The constants: measured, assumed, and prices. They stand in files that people read too.

use serde::Deserialize;

const MEASURED: &str = include_str!("../measured.toml");

/// Declares a table of the file, each member once, with an iterator over all.
macro_rules! entries {
    ($(#[doc = $doc:literal])+ $table:ident of $kind:ty { $($name:ident),+ $(,)? }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $table {
            $(pub(crate) $name: $kind,)+
        }

        impl $table {
            pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &$kind)> {
                [$((stringify!($name), &self.$name),)+].into_iter()
            }
        }
    };
}

/// What `plan/measured.toml` holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    pub(crate) measured: Measured,
    pub(crate) assumed: Assumed,
}

/// A figure and where it comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// The file it was measured in.
    pub(crate) from: Option<String>,
    /// The row of that file.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for people, and for the test against drift")
    )]
    pub(crate) row: Option<String>,
    /// The member of that row, or of the file.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for people, and for the test against drift")
    )]
    pub(crate) field: Option<String>,
    pub(crate) note: Option<String>,
}

entries! {
    /// What was measured.
    Measured of Figure {
        cores, intake_votes, intake_connections, commit_ballots, packed_16, packed_1000,
        embedded_batch, embedded_latency, cassandra_rows, cassandra_batches,
        cassandra_latency, tally_rows, voter_memory, vote_in, vote_out, handshake_in, handshake_out,
        connection_memory,
    }
}

entries! {
    /// What was not.
    Assumed of Figure {
        chain, packet, balancer_handshakes, balancer_requests, balancer_connection_memory,
        balancer_memory, network, keep_alive, arrival, finale, region_round_trip,
        read_share, cassandra_overhead, partition, hottest, dynamodb_latency, dynamodb_item,
        dynamodb_partition_writes, dynamodb_quota, conditional_write, tally_cores_max, before, kept,
    }
}

impl Figures {
    /// Those that this crate was built with.
    pub fn built_in() -> Result<Self, toml::de::Error> {
        toml::from_str(MEASURED)
    }
}

/// What a unit of something costs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    pub(crate) price: f64,
    pub(crate) unit: String,
    pub(crate) what: String,
}

/// What `landslide/plan/prices.toml` holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    pub(crate) date: String,
    pub(crate) currency: String,
    pub(crate) region: String,
    pub(crate) source: String,
    pub(crate) compute: Price,
    pub(crate) memory: Price,
    pub(crate) local_disk: Price,
    pub(crate) block_storage: Price,
    pub(crate) internet_out: Price,
    pub(crate) between_zones: Price,
    pub(crate) between_regions: Price,
    pub(crate) dynamodb_writes: Price,
    pub(crate) dynamodb_reads: Price,
    pub(crate) dynamodb_storage: Price,
}

/// A file of prices that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// Not such a file.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A price, by what it is for, that nobody can pay.
    #[error("the price of {0} is not a number from 0 to 1,000,000")]
    Price(String),
}

impl Prices {
    /// Reads a file of prices.
    pub fn read(text: &str) -> Result<Self, PricesError> {
        let prices: Self = toml::from_str(text)?;
        for price in prices.all() {
            // Also refuses what is not a number.
            if !(0.0..=1e6).contains(&price.price) {
                return Err(PricesError::Price(price.what.clone()));
            }
        }
        Ok(prices)
    }

    fn all(&self) -> [&Price; 10] {
        [
            &self.compute,
            &self.memory,
            &self.local_disk,
            &self.block_storage,
            &self.internet_out,
            &self.between_zones,
            &self.between_regions,
            &self.dynamodb_writes,
            &self.dynamodb_reads,
            &self.dynamodb_storage,
        ]
    }
}
