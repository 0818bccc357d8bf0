//! Where the tables are: `dynamodb://region/prefix[?endpoint=url]`.

use std::str::FromStr;

use crate::ConnectError;

/// Bytes of the prefix, at most: with the longest suffix a table's name has 255 at most.
const PREFIX_BYTES_MAX: usize = 200;

/// Settings of a [`DynamoDbStore`](super::DynamoDbStore).
///
/// Credentials are not among them. They come from where every program of this cloud finds them:
/// the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), the
/// profile files, a web identity token, or the role of the container or of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamoDbSettings {
    /// The region of the tables, such as `eu-central-1`.
    pub region: String,
    /// What the names of the tables begin with.
    pub prefix: String,
    /// The URL of the server, if it is not the region's own: a private endpoint, or DynamoDB
    /// Local. Without it `AWS_ENDPOINT_URL_DYNAMODB` and `AWS_ENDPOINT_URL` count.
    pub endpoint: Option<String>,
}

impl DynamoDbSettings {
    pub(super) fn ballots_table(&self) -> String {
        format!("{}-ballots", self.prefix)
    }

    pub(super) fn control_table(&self) -> String {
        format!("{}-control", self.prefix)
    }
}

impl FromStr for DynamoDbSettings {
    type Err = ConnectError;

    fn from_str(text: &str) -> Result<Self, ConnectError> {
        let wrong = |why: &str| {
            let form = "dynamodb://region/prefix or dynamodb://region/prefix?endpoint=url";
            ConnectError::Address(format!("the store's address is {form}: {why}").into())
        };
        let rest = text
            .strip_prefix("dynamodb://")
            .ok_or_else(|| wrong("it does not begin with dynamodb://"))?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let (region, prefix) =
            path.split_once('/').ok_or_else(|| wrong("it has no '/' after the region"))?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || !region.bytes().all(plain) {
            return Err(wrong("the region is of a-z, 0-9 and '-', such as eu-central-1"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=PREFIX_BYTES_MAX).contains(&prefix.len()) || !prefix.bytes().all(plain) {
            return Err(wrong("the prefix is 1 to 200 of a-z, A-Z, 0-9, '.', '_' and '-'"));
        }
        let endpoint = match query.map(|query| query.strip_prefix("endpoint=")) {
            None => None,
            Some(None) => return Err(wrong("nothing but endpoint=url may follow the '?'")),
            Some(Some(url)) if is_http(url) => Some(url.to_owned()),
            Some(Some(_)) => {
                return Err(wrong("the endpoint is a URL such as http://127.0.0.1:8000"));
            }
        };
        Ok(Self { region: region.to_owned(), prefix: prefix.to_owned(), endpoint })
    }
}

/// Whether it is a URL of a server, and nothing after.
fn is_http(url: &str) -> bool {
    let server = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let server = server.map(|server| server.strip_suffix('/').unwrap_or(server));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]_".contains(&byte);
    server.is_some_and(|server| !server.is_empty() && server.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        let settings: DynamoDbSettings = "dynamodb://eu-central-1/landslide".parse().unwrap();
        let expected = DynamoDbSettings {
            region: "eu-central-1".into(),
            prefix: "landslide".into(),
            endpoint: None,
        };
        assert_eq!(settings, expected);
        assert_eq!(settings.ballots_table(), "landslide-ballots");
        for url in ["http://127.0.0.1:8000", "https://[::1]:8000", "https://db.example.org/"] {
            let address = format!("dynamodb://eu-central-1/landslide?endpoint={url}");
            let endpoint = Some(url.to_owned());
            let expected = DynamoDbSettings { endpoint, ..expected.clone() };
            assert_eq!(address.parse::<DynamoDbSettings>().unwrap(), expected);
        }
    }

    #[test]
    fn refuses_what_is_no_address_and_says_why() {
        let long = format!("dynamodb://r/{}", "x".repeat(201));
        for (text, why) in [
            ("", "begin"),
            ("cql://eu-central-1/landslide", "begin"),
            ("dynamodb://eu-central-1", "'/'"),
            ("dynamodb:///landslide", "region"),
            ("dynamodb://EU/landslide", "region"),
            ("dynamodb://user@host/landslide", "region"),
            ("dynamodb://eu-central-1/", "prefix"),
            ("dynamodb://eu-central-1/a/b", "prefix"),
            (long.as_str(), "prefix"),
            ("dynamodb://eu-central-1/a?", "endpoint"),
            ("dynamodb://eu-central-1/a?end=http://b", "endpoint"),
            ("dynamodb://eu-central-1/a?endpoint=b", "http://"),
            ("dynamodb://eu-central-1/a?endpoint=http://", "http://"),
            ("dynamodb://eu-central-1/a?endpoint=http://b/c", "http://"),
        ] {
            let error = text.parse::<DynamoDbSettings>().unwrap_err();
            let ConnectError::Address(sentence) = &error else { panic!("{text}: {error}") };
            assert!(sentence.contains("dynamodb://region/prefix"), "{text}: {sentence}");
            let reason = sentence.rsplit_once("=url: ").unwrap().1;
            assert!(reason.contains(why), "{text}: {sentence}");
        }
    }
}
