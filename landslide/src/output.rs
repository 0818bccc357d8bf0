//! What commands say on standard output.

use std::io::{self, ErrorKind, Write};

/// Writes the text. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let written = io::stdout().lock().write_all(text.as_bytes());
    written.or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}
