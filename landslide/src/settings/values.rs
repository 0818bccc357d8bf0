//! Settings' values that are read from a text: the same by a flag, a variable and a key in the file.

use std::str::FromStr;

pub use ballot::Span;
use ipnet::IpNet;
use serde::Deserialize;
use web::Roles;

use crate::stores::StoreAddress;

/// Bytes of a node's name, at most: it is part of a document's key.
pub(crate) const NODE_NAME_BYTES_MAX: usize = 100;

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line an event, for people.
    Text,
    /// One JSON object an event.
    Json,
}

/// A text that a flag, a variable and a key in the file read the same way.
macro_rules! read_from_text {
    ($($kind:ty),+) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

read_from_text!(RoleList, NetList, AddressList, NodeName, StoreAddress);

/// A name that can be part of a document's key.
#[derive(Clone, Debug)]
pub(super) struct NodeName(pub(super) String);

impl FromStr for NodeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        if (1..=NODE_NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is not a node's name: 1 to {NODE_NAME_BYTES_MAX} of a-z, 0-9, '.', '-' \
                 and '_'"
            ))
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RoleList(pub(super) Roles);

impl FromStr for RoleList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut roles = Roles { intake: false, tally: false, admin: false };
        for role in text.split(',').map(str::trim) {
            match role {
                "intake" => roles.intake = true,
                "tally" => roles.tally = true,
                "admin" => roles.admin = true,
                _ => return Err(format!("{role:?} is not one of intake, tally, admin")),
            }
        }
        Ok(Self(roles))
    }
}

#[derive(Clone, Debug)]
pub(super) struct NetList(pub(super) Vec<IpNet>);

impl FromStr for NetList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let nets = text.split(',').map(str::trim).filter(|net| !net.is_empty());
        let read = |net: &str| {
            let address = || net.parse().ok().map(|address: std::net::IpAddr| address.into());
            net.parse().ok().or_else(address).ok_or_else(|| format!("{net:?} is not a network"))
        };
        nets.map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// Addresses as a browser writes an origin, separated by commas.
#[derive(Clone, Debug)]
pub(super) struct AddressList(pub(super) Vec<String>);

impl FromStr for AddressList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let addresses = text.split(',').map(str::trim).filter(|address| !address.is_empty());
        let read = |address: &str| {
            let example = "is not an address in lower case such as https://vote.example";
            let is_one = ballot::is_origin(address);
            is_one.then(|| address.to_owned()).ok_or_else(|| format!("{address:?} {example}"))
        };
        addresses.map(read).collect::<Result<_, _>>().map(Self)
    }
}
