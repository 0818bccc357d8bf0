//! The few addresses in a definition that end in a browser's policy. Only plain ones are taken: what
//! stands in a header must not be able to end its directive.

use crate::limits;

/// Whether this is `https://host`, or `http://host`, each perhaps with a port; in lower case, as a
/// browser writes it.
pub fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or(text.strip_prefix("http://"));
    text.len() <= limits::ORIGIN_BYTES_MAX && host.is_some_and(is_authority)
}

/// Whether this is an `https` URL, or a path on the pages' own host.
pub(crate) fn is_picture(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !br#""'<>\^`{|}"#.contains(&byte);
    let is_path = text.starts_with('/') && !text.starts_with("//");
    text.len() <= limits::PICTURE_BYTES_MAX
        && text.bytes().all(plain)
        && (is_path || origin_of_url(text).is_some())
}

/// `https://host[:port]` of an `https` URL.
pub(crate) fn origin_of_url(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    is_authority(&rest[..end]).then(|| &url[.."https://".len() + end])
}

fn is_authority(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|n| n > 0 && n.to_string() == port);
    !host.is_empty() && host.bytes().all(letter) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_a_browser_writes_them() {
        for good in
            ["https://news.example", "http://127.0.0.1:8080", "https://xn--bcher-kva.example"]
        {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "https://",
            "news.example",
            "https://news.example/",
            "https://News.example",
            "https://*.example",
            "https://a.example;script-src",
            "https://a.example https://b",
            "https://a.example:0",
            "https://a.example:080",
            "https://a.example:99999",
            "null",
            "*",
            "ftp://a.example",
            "https://user@a.example",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    #[test]
    fn a_picture_is_here_or_on_https() {
        for (good, origin) in [
            ("/pictures/a.jpg", None),
            ("https://p.example/a%20b.jpg?w=1&h=2#x", Some("https://p.example")),
            ("https://p.example:8443", Some("https://p.example:8443")),
        ] {
            assert!(is_picture(good), "{good}");
            assert_eq!(origin_of_url(good), origin);
        }
        for bad in [
            "",
            "a.jpg",
            "//p.example/a",
            "http://p.example/a",
            "javascript:1",
            "data:image/png,x",
            "https://p.example/a b",
            "https://p.example;/a",
            "https://p.example/\"",
            "https:///a",
            "/\u{e9}",
            "/\\evil.example",
        ] {
            assert!(!is_picture(bad), "{bad}");
        }
        assert!(!is_picture(&format!("/{}", "a".repeat(limits::PICTURE_BYTES_MAX))));
    }
}
