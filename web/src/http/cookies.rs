//! Cookies: reading them, and the one that keeps a voter's device.

use ballot::Device;
use hyper::{
    HeaderMap,
    header::{COOKIE, HeaderValue},
};

/// The values of all cookies of a name, in the order in which the browser sent them.
pub(crate) fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).map(str::trim);
    pairs.filter_map(move |pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The device in the cookie that an earlier reply has set.
pub(crate) fn device_of_cookie(headers: &HeaderMap) -> Option<Device> {
    cookies(headers, "device").find_map(Device::parse)
}

/// The cookie that keeps a derived device for a year. A page's script may read it, so that whoever
/// votes without script first and with it later is one device; nothing in it is secret. In another
/// site's frame a browser keeps it only if it is that site's own, which needs an encrypted connection.
pub(crate) fn cookie_of_device(device: Device, is_secure: bool, embedded: bool) -> HeaderValue {
    let attributes = crossing(is_secure, embedded);
    let cookie = format!("device={device}; Path=/; Max-Age=31536000; {attributes}");
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
