//! Cookies: reading them, and the one that keeps a voter's device.

use ballot::Device;
use hyper::{
    HeaderMap,
    header::{COOKIE, HeaderValue},
};

/// Over plain HTTP.
const DEVICE_PLAIN: &str = "device";
/// Over TLS. By its name a browser takes it from this very host and over TLS alone: a sibling domain
/// that could set it would make its visitors one voter.
const DEVICE_SECURE: &str = "__Host-device";

/// The values of all cookies of a name, in the order in which the browser sent them.
pub(crate) fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The device in the cookie that an earlier reply has set; none, where there are two that differ: one
/// of them was set by somebody else, and nobody can say which.
pub(crate) fn device_of_cookie(headers: &HeaderMap, is_secure: bool) -> Option<Device> {
    let mut devices = cookies(headers, device_name(is_secure)).filter_map(Device::parse);
    let device = devices.next()?;
    devices.all(|other| other == device).then_some(device)
}

/// The cookie that keeps a derived device for a year. A page's script may read it, so that whoever
/// votes without script first and with it later is one device; nothing in it is secret. In another
/// site's frame a browser keeps it only if it is that site's own, which needs an encrypted connection.
pub(crate) fn cookie_of_device(device: Device, is_secure: bool, embedded: bool) -> HeaderValue {
    let attributes = crossing(is_secure, embedded);
    let name = device_name(is_secure);
    let cookie = format!("{name}={device}; Path=/; Max-Age=31536000; {attributes}");
    HeaderValue::try_from(cookie).expect("a UUID and ASCII attributes are a header value")
}

/// Where a voter's cookie goes along: in another site's frame only if it is that site's own.
pub(crate) fn crossing(is_secure: bool, embedded: bool) -> &'static str {
    match (is_secure, embedded) {
        (true, true) => "SameSite=None; Secure; Partitioned",
        (true, false) => "SameSite=Lax; Secure",
        (false, _) => "SameSite=Lax",
    }
}

const fn device_name(is_secure: bool) -> &'static str {
    if is_secure { DEVICE_SECURE } else { DEVICE_PLAIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0b8f4bb4-6c1e-4d5c-9a42-0c9b7f6f2a11";
    const B: &str = "1b8f4bb4-6c1e-4d5c-9a42-0c9b7f6f2a11";

    fn device(is_secure: bool, cookie: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())]);
        device_of_cookie(&headers, is_secure).map(|device| device.to_string())
    }

    #[test]
    fn each_kind_of_connection_has_its_own_name() {
        assert_eq!(device(false, &format!("x=y; device={A}")).as_deref(), Some(A));
        assert_eq!(device(true, &format!("x=y; __Host-device={A}")).as_deref(), Some(A));
        assert_eq!(device(true, &format!("device={A}")), None, "a sibling domain can set it");
        let both = format!("device={B}; __Host-device={A}");
        assert_eq!(device(true, &both).as_deref(), Some(A));
    }

    #[test]
    fn two_that_differ_are_none() {
        assert_eq!(device(false, &format!("device={A}; device={B}")), None);
        assert_eq!(device(false, &format!("device={A}; device={A}")).as_deref(), Some(A));
        assert_eq!(device(false, &format!("device=junk; device={A}")).as_deref(), Some(A));
    }

    #[test]
    fn the_name_says_what_its_attributes_must_be() {
        let set = |is_secure, embedded| {
            let cookie = cookie_of_device(Device::parse(A).unwrap(), is_secure, embedded);
            cookie.to_str().unwrap().to_owned()
        };
        for embedded in [false, true] {
            let cookie = set(true, embedded);
            assert!(
                cookie.starts_with("__Host-device=") && cookie.contains("; Path=/;"),
                "{cookie}"
            );
            assert!(cookie.contains("; Secure") && !cookie.contains("Domain"), "{cookie}");
            assert_eq!(cookie.contains("; Partitioned"), embedded, "{cookie}");
        }
        assert!(set(false, false).starts_with("device=") && !set(false, true).contains("Secure"));
    }
}
