//! A QR code as a drawing, for screens and paper.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Blank modules around the code: what the standard asks for, so that a camera finds it.
const QUIET: usize = 4;

/// The code of a text as SVG, black on white whatever is around it; `None` if the text is too long.
/// A third of a hand over it does no harm: error correction level M.
pub(crate) fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let mut path = String::new();
    for (y, row) in colors.chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let run = row[x..].iter().take_while(|color| **color == row[x]).count();
            if row[x] == Color::Dark {
                // Writing into a `String` cannot fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run;
        }
    }
    let size = width + 2 * QUIET;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" \
         shape-rendering=\"crispEdges\"><rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/>\
         <path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finders_stand_in_three_corners_behind_the_quiet_zone() {
        let svg = svg("https://vote.example/c/tv").unwrap();
        let size: usize =
            svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert_eq!((size - 2 * QUIET - 21) % 4, 0, "a size that there is");
        for (x, y) in [(QUIET, QUIET), (size - QUIET - 7, QUIET), (QUIET, size - QUIET - 7)] {
            assert!(svg.contains(&format!("M{x} {y}h7v1h-7z")), "a finder at {x} {y}");
        }
        assert!(!svg.contains("M0 ") && !svg.contains("M3 "), "the quiet zone is blank");
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        assert!(svg(&"a".repeat(5_000)).is_none());
    }
}
