//! Latencies of a run, and what is said of them.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latencies above this are noted as this.
pub(crate) const LATENCY_MAX: Duration = Duration::from_secs(600);
/// Digits of a latency that are exact.
const LATENCY_DIGITS: u8 = 3;

/// Quantiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "each is named by its share")]
pub struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
}

impl Latency {
    pub(crate) fn of(micros: &Histogram<u64>) -> Self {
        let at = |quantile| micros.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: micros.max() as f64 / 1_000.0,
        }
    }
}

/// An empty histogram of latencies in microseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX.as_micros() as u64, LATENCY_DIGITS)
        .expect("10 minutes in microseconds with 3 digits are within the limits of the format")
}

/// Adds one histogram of latencies to another.
pub(crate) fn merge(sum: &mut Histogram<u64>, part: &Histogram<u64>) {
    sum.add(part).expect("all histograms of latencies have the same range");
}
