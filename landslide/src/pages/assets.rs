//! The files that pages load, embedded in the binary.

use std::sync::LazyLock;

/// A file as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asset {
    /// The body.
    pub(crate) bytes: &'static [u8],
    /// Its `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Its `Content-Encoding`, if it is stored compressed.
    pub(crate) content_encoding: Option<&'static str>,
    /// Its strong `ETag`, quotes included.
    pub(crate) etag: String,
}

impl Asset {
    pub(super) fn new(bytes: &'static [u8], content_type: &'static str) -> Self {
        let etag = format!("\"{}\"", &blake3::hash(bytes).to_hex()[..16]);
        Self { bytes, content_type, content_encoding: None, etag }
    }
}

/// `Cache-Control` of every asset. Short, because names carry no version: after an upgrade a page
/// may meet a script of the version before for that long, and its form works without any.
pub(crate) const ASSET_CACHE_CONTROL: &str = "public, max-age=300";

/// The file at `/assets/{path}`.
pub(crate) fn static_asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|(name, _)| *name == path).map(|(_, asset)| asset)
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        asset!($name, $content_type, concat!("../../pages/assets/", $name))
    };
    ($name:literal, $content_type:expr, $path:expr) => {
        ($name, Asset::new(include_bytes!($path), $content_type))
    };
}

static ASSETS: LazyLock<Vec<(&str, Asset)>> = LazyLock::new(|| {
    let voters = [
        asset!("style.css", CSS),
        asset!("icon.svg", SVG),
        asset!("vote.js", JAVASCRIPT),
        asset!("outbox.js", JAVASCRIPT),
        asset!("results.js", JAVASCRIPT),
        asset!("counts-table.js", JAVASCRIPT),
        asset!("times.js", JAVASCRIPT),
        asset!("docs.js", JAVASCRIPT),
    ];
    let console = [
        asset!("console.css", CSS),
        asset!("console.js", JAVASCRIPT),
        asset!("console-chart.js", JAVASCRIPT),
        asset!("console-choices.js", JAVASCRIPT),
        asset!("console-contest.js", JAVASCRIPT),
        asset!("console-contests.js", JAVASCRIPT),
        asset!("console-counts.js", JAVASCRIPT),
        asset!("console-edit.js", JAVASCRIPT),
        asset!("console-life.js", JAVASCRIPT),
        asset!("console-nodes.js", JAVASCRIPT),
        asset!("console-protocol.js", JAVASCRIPT),
        asset!("console-words.js", JAVASCRIPT),
        asset!("uplot-1.6.32.js", JAVASCRIPT, "../../pages/assets/vendor/uplot-1.6.32.js"),
        asset!("uplot-1.6.32.css", CSS, "../../pages/assets/vendor/uplot-1.6.32.css"),
    ];
    voters.into_iter().chain(console).collect()
});

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::*;

    #[test]
    fn every_file_is_served_and_nothing_else() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pages/assets");
        let names = |folder: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        let vendored = names(&folder.join("vendor")).into_iter();
        // Beside the files lies where they are from, under which licence.
        let vendored = vendored.filter(|name| name.ends_with("js") || name.ends_with("css"));
        let mut files: HashSet<String> = names(&folder).into_iter().collect();
        assert!(files.remove("vendor"));
        files.extend(vendored);
        let served: HashSet<String> = ASSETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, served);
        for path in ["", "/", "../assets/vote.js", "vote.js/", "VOTE.JS", "vote", "\0"] {
            assert_eq!(static_asset(path), None, "{path:?}");
        }
    }

    #[test]
    fn a_tag_is_quoted_and_of_the_content() {
        let etags: HashSet<&str> = ASSETS.iter().map(|(_, asset)| &*asset.etag).collect();
        assert_eq!(etags.len(), ASSETS.len());
        assert!(etags.iter().all(|etag| etag.len() == 18 && etag.starts_with('"')));
    }

    #[test]
    fn scripts_import_only_what_is_served_and_name_no_other_host() {
        for (name, asset) in ASSETS.iter().filter(|(name, _)| !name.starts_with("uplot-")) {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let module = line.split('"').nth(1).unwrap().strip_prefix("./").unwrap();
                assert!(static_asset(module).is_some(), "{name} imports {module}");
            }
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{name}");
        }
    }
}
