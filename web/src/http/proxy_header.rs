//! The PROXY header that a balancer in TCP mode writes before everything else, also before TLS: whom it
//! connects. Version 2, and 1 of older balancers.

use std::net::SocketAddr;

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// As many bytes as tell the versions apart.
const BEGIN: usize = 8;
/// Version 2: signature, command, family, and the length of the rest.
const FIXED: usize = 16;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// A version 1 header, with its line's end.
const LINE_BYTES_MAX: usize = 107;
/// A version 2 header. Addresses take 36 bytes, and what balancers add some hundred; up to 64 KiB would
/// be allowed.
const HEADER_BYTES_MAX: usize = 4_096;

/// Reads the header, and nothing of what comes after it. `None`: the balancer connects for itself, to
/// see whether this node lives.
pub(crate) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
) -> Result<Option<SocketAddr>, String> {
    let mut header = vec![0; BEGIN];
    fill(stream, &mut header).await?;
    if header.starts_with(b"PROXY ") {
        read_line(stream, &mut header).await?;
    } else if SIGNATURE.starts_with(&header) {
        header.resize(FIXED, 0);
        fill(stream, &mut header[BEGIN..]).await?;
        let rest = usize::from(u16::from_be_bytes([header[FIXED - 2], header[FIXED - 1]]));
        if FIXED + rest > HEADER_BYTES_MAX {
            return Err(format!("a PROXY header of {} bytes", FIXED + rest));
        }
        header.resize(FIXED + rest, 0);
        fill(stream, &mut header[FIXED..]).await?;
    } else {
        return Err("no PROXY header".into());
    }
    let parsed = ProxyHeader::parse(&header, ParseConfig::default());
    let (parsed, bytes) = parsed.map_err(|error| format!("a bad PROXY header: {error}"))?;
    if bytes != header.len() {
        return Err("a bad PROXY header".into());
    }
    Ok(parsed.proxied_address().map(|address| address.source))
}

async fn fill<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut [u8]) -> Result<(), String> {
    let read = stream.read_exact(bytes).await;
    read.map(|_| ()).map_err(|error| format!("no whole PROXY header: {error}"))
}

/// The rest of a line, byte by byte: what follows it is not ours.
async fn read_line<S: AsyncRead + Unpin>(
    stream: &mut S,
    header: &mut Vec<u8>,
) -> Result<(), String> {
    while !header.ends_with(b"\r\n") {
        if header.len() == LINE_BYTES_MAX {
            return Err("a PROXY header without an end".into());
        }
        header.push(0);
        let last = header.len() - 1;
        fill(stream, &mut header[last..]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2 with this command, family and rest.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn v4_addresses() -> Vec<u8> {
        vec![203, 0, 113, 7, 10, 0, 0, 1, 0x30, 0x39, 0x01, 0xbb]
    }

    /// What is read of it, and what is left for TLS.
    async fn read_of(bytes: &[u8]) -> (Result<Option<SocketAddr>, String>, Vec<u8>) {
        let mut rest = bytes;
        let read = read(&mut rest).await;
        (read, rest.to_vec())
    }

    #[tokio::test]
    async fn the_header_is_read_to_its_end_and_no_further() {
        let v6 = [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[9], &[0; 16], &[0x30, 0x39, 1, 0xbb]];
        let padded = [v4_addresses(), vec![4, 0x0f, 0]].concat();
        let huge = [v4_addresses(), vec![7; HEADER_BYTES_MAX - FIXED - 12]].concat();
        for (header, client) in [
            (v2(0x21, 0x11, &v4_addresses()), Some("203.0.113.7:12345")),
            (v2(0x21, 0x21, &v6.concat()), Some("[2001:db8::9]:12345")),
            (v2(0x21, 0x11, &[padded, vec![0; 0x0f00]].concat()), Some("203.0.113.7:12345")),
            (v2(0x21, 0x11, &huge), Some("203.0.113.7:12345")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &v4_addresses()), None),
            (v2(0x21, 0x00, &[]), None),
            (v2(0x21, 0x31, &[1; 216]), None),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n".to_vec(), Some("203.0.113.7:12345")),
            (b"PROXY TCP6 2001:db8::9 ::1 12345 443\r\n".to_vec(), Some("[2001:db8::9]:12345")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
        ] {
            let (read, rest) = read_of(&[&header[..], b"\x16\x03\x01"].concat()).await;
            assert_eq!(read, Ok(client.map(|client| client.parse().unwrap())), "{header:?}");
            assert_eq!(rest, b"\x16\x03\x01", "{header:?}");
            // Cut off anywhere it is none.
            for end in 0..header.len().min(64) {
                assert!(read_of(&header[..end]).await.0.is_err(), "{:?}", &header[..end]);
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\0".to_vec(),
            b"PROXY TCP4 203.0.113.700 10.0.0.1 12345 443\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7\r\n10.0.0.1 12345 443\r\n".to_vec(),
            long,
            // Of another version, command, family; too short for its family.
            v2(0x31, 0x11, &v4_addresses()),
            v2(0x22, 0x11, &v4_addresses()),
            v2(0x21, 0x51, &v4_addresses()),
            v2(0x21, 0x21, &v4_addresses()),
            v2(0x21, 0x11, &vec![0; HEADER_BYTES_MAX]),
            [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat(),
        ] {
            assert!(read_of(&bytes).await.0.is_err(), "{bytes:?}");
        }
    }
}
