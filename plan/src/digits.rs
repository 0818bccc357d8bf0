//! How many digits of a figure are worth saying.

/// Four digits: no figure here is known better.
pub(crate) fn rounded<S: serde::Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(four_digits(*value))
}

pub(crate) fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
