//! The files that pages load, embedded in the binary.
//!
//! They are served under a version, `/assets/{version}/{name}`, which is a hash over all of them: a
//! browser keeps them for ever, modules that import each other are always of one version, and a
//! new program never meets an old script. Without a version they are served too, for a short time.

use std::{io::Write as _, sync::LazyLock};

use data_encoding::BASE64;
use flate2::{Compression, write::GzEncoder};

/// A file as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asset {
    /// The body.
    pub(crate) bytes: &'static [u8],
    /// The same compressed by gzip, unless that makes it longer.
    pub(crate) gzip: Option<Vec<u8>>,
    /// Its `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Its `Content-Encoding`, if `bytes` are compressed already.
    pub(crate) content_encoding: Option<&'static str>,
    /// Its strong `ETag`, quotes included.
    pub(crate) etag: String,
}

impl Asset {
    pub(super) fn new(bytes: &'static [u8], content_type: &'static str) -> Self {
        let etag = format!("\"{}\"", hash(bytes));
        Self { bytes, gzip: None, content_type, content_encoding: None, etag }
    }

    fn compressed(bytes: &'static [u8], content_type: &'static str) -> Self {
        let gzip = Some(gzip(bytes)).filter(|gzip| gzip.len() < bytes.len());
        Self { gzip, ..Self::new(bytes, content_type) }
    }
}

/// Compressed, as small as it gets.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a Vec takes what is written")
}

/// The file at `/assets/{path}`, and how long it may be kept.
pub(crate) fn static_asset(path: &str) -> Option<(&'static Asset, &'static str)> {
    let (kept, name) = match path.split_once('/') {
        None => ("public, max-age=300", path),
        Some((version, name)) if version == *VERSION => {
            ("public, max-age=31536000, immutable", name)
        }
        // While a new version is being rolled out, a page of one node may ask another.
        Some((version, name)) if is_version(version) => ("public, max-age=60", name),
        Some(_) => return None,
    };
    ASSETS.iter().find(|(known, _)| *known == name).map(|(_, asset)| (asset, kept))
}

/// Where a page finds that file: `/assets/{version}/{name}`.
pub(crate) fn asset_url(name: &str) -> String {
    debug_assert!(ASSETS.iter().any(|(known, _)| *known == name), "there is no {name}");
    format!("/assets/{}/{name}", *VERSION)
}

/// A style that stands in the page itself, so that the first paint waits for no second request.
#[derive(Debug)]
pub(crate) struct InlineStyle {
    /// The rules.
    pub(crate) text: String,
    /// The source that a content security policy names it by.
    pub(crate) csp_source: String,
}

/// What the voters' pages look like.
pub(crate) static VOTER_STYLE: LazyLock<InlineStyle> = LazyLock::new(|| {
    let rules =
        [include_str!("../../pages/assets/style.css"), include_str!("../../pages/voter.css")];
    let text: String = rules.iter().map(|rules| shortened(rules)).collect();
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let csp_source = format!("'sha256-{}'", BASE64.encode(digest.as_ref()));
    InlineStyle { text, csp_source }
});

/// Rules without comments and indents.
fn shortened(rules: &str) -> String {
    let mut text = String::with_capacity(rules.len());
    let mut rest = rules;
    while let Some((before, after)) = rest.split_once("/*") {
        text.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Our own scripts without their comments, which are a third of what a phone would load.
fn served(source: &'static str, path: &str, content_type: &str) -> &'static [u8] {
    // What others made stays as it is, its licence with it.
    if content_type != JAVASCRIPT || path.contains("/vendor/") {
        return source.as_bytes();
    }
    without_comments(source).leak().as_bytes()
}

/// A script without indents and without the comments that begin a line. Those within a line stay:
/// telling them from a text takes a parser. No template may span lines, which a test sees to.
fn without_comments(script: &str) -> String {
    let mut text = String::with_capacity(script.len());
    let mut in_comment = false;
    for line in script.lines() {
        let mut rest = line.trim();
        while !rest.is_empty() {
            if in_comment {
                let after = rest.split_once("*/");
                in_comment = after.is_none();
                rest = after.map_or("", |(_, after)| after.trim_start());
            } else if rest.starts_with("//") {
                rest = "";
            } else if let Some(after) = rest.strip_prefix("/*") {
                in_comment = true;
                rest = after;
            } else {
                text.push_str(rest);
                text.push('\n');
                break;
            }
        }
    }
    text
}

/// The version of all files together.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (name, asset) in ASSETS.iter() {
        hasher.update(name.as_bytes()).update(asset.etag.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
});

fn is_version(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($name:literal, $content_type:expr) => {
        asset!($name, $content_type, concat!("../../pages/assets/", $name))
    };
    ($name:literal, $content_type:expr, $path:expr) => {
        ($name, Asset::compressed(served(include_str!($path), $path, $content_type), $content_type))
    };
}

static ASSETS: LazyLock<Vec<(&str, Asset)>> = LazyLock::new(|| {
    let voters = [
        asset!("style.css", CSS),
        asset!("icon.svg", SVG),
        asset!("vote.js", JAVASCRIPT),
        // The published client, as it is.
        asset!("outbox.js", JAVASCRIPT, "../../../clients/js/outbox.js"),
        asset!("landslide-vote.js", JAVASCRIPT, "../../../clients/js/element.js"),
        asset!("follow.js", JAVASCRIPT),
        asset!("correct.js", JAVASCRIPT),
        asset!("order.js", JAVASCRIPT),
        asset!("search.js", JAVASCRIPT),
        asset!("embed.js", JAVASCRIPT),
        asset!("results.js", JAVASCRIPT),
        asset!("results.css", CSS),
        asset!("results-feed.js", JAVASCRIPT),
        asset!("results-page.js", JAVASCRIPT),
        asset!("calm-order.js", JAVASCRIPT),
        asset!("wall.css", CSS),
        asset!("wall.js", JAVASCRIPT),
        asset!("counts-table.js", JAVASCRIPT),
        asset!("shares.js", JAVASCRIPT),
        asset!("times.js", JAVASCRIPT),
        asset!("words.js", JAVASCRIPT),
        asset!("docs.js", JAVASCRIPT),
    ];
    let console = [
        asset!("console.css", CSS),
        asset!("docs.css", CSS),
        asset!("console.js", JAVASCRIPT),
        asset!("console-chart.js", JAVASCRIPT),
        asset!("console-choices.js", JAVASCRIPT),
        asset!("console-contest.js", JAVASCRIPT),
        asset!("console-contests.js", JAVASCRIPT),
        asset!("console-counts.js", JAVASCRIPT),
        asset!("console-edit.js", JAVASCRIPT),
        asset!("console-life.js", JAVASCRIPT),
        asset!("console-nodes.js", JAVASCRIPT),
        asset!("console-points.js", JAVASCRIPT),
        asset!("console-protocol.js", JAVASCRIPT),
        asset!("console-words.js", JAVASCRIPT),
        asset!("uplot-1.6.32.js", JAVASCRIPT, "../../pages/assets/vendor/uplot-1.6.32.js"),
        asset!("uplot-1.6.32.css", CSS, "../../pages/assets/vendor/uplot-1.6.32.css"),
    ];
    voters.into_iter().chain(console).collect()
});

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, io::Read as _, path::Path};

    use super::*;

    /// Files of the published client that pages load.
    const OF_THE_CLIENT: [&str; 2] = ["outbox.js", "landslide-vote.js"];

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
        files.extend(OF_THE_CLIENT.map(str::to_owned));
        let served: HashSet<String> = ASSETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, served);
        for path in ["", "/", "../assets/vote.js", "vote.js/", "VOTE.JS", "vote", "\0", "x/vote.js"]
        {
            assert_eq!(static_asset(path), None, "{path:?}");
        }
    }

    #[test]
    fn only_the_present_version_is_kept_for_ever() {
        let path = asset_url("vote.js");
        let (asset, kept) = static_asset(path.strip_prefix("/assets/").unwrap()).unwrap();
        assert!(kept.contains("immutable"));
        let (same, short) = static_asset("vote.js").unwrap();
        assert_eq!((same, short), (asset, "public, max-age=300"));
        let (_, short) = static_asset("0123456789abcdef/vote.js").unwrap();
        assert!(!short.contains("immutable"));
    }

    #[test]
    fn what_is_compressed_is_the_same_file() {
        for (name, asset) in ASSETS.iter() {
            let Some(gzip) = &asset.gzip else { continue };
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut read).unwrap();
            assert_eq!(read, asset.bytes, "{name}");
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
            for rest in text.split("from \"./").skip(1).chain(text.split("import(\"./").skip(1)) {
                let module = rest.split('"').next().unwrap();
                assert!(static_asset(module).is_some(), "{name} imports {module}");
            }
            let text = text.replace("http://www.w3.org/2000/svg", "");
            let text = text.replace("https://vote.example", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{name}");
        }
    }

    #[test]
    fn scripts_lose_only_comments_and_indents() {
        let script =
            "// a\n\nf(\"//\"); // b\n  /** c\n   * d */ g(`/*`);\n/** @type {X} */ (h)\n/*e*/\n";
        assert_eq!(without_comments(script), "f(\"//\"); // b\ng(`/*`);\n(h)\n");
        for (name, asset) in ASSETS.iter().filter(|(_, asset)| asset.content_type == JAVASCRIPT) {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            if name.starts_with("uplot-") {
                assert!(text.starts_with("/*!"), "{name} says where it is from");
                continue;
            }
            // Of a template over two lines each line would have one of its marks.
            let is_whole = |line: &str| line.matches('`').count().is_multiple_of(2);
            assert!(text.lines().all(is_whole), "{name}: a template spans lines");
            assert!(!text.contains("\n//") && !text.contains("\n/*"), "{name}");
        }
    }

    #[test]
    fn rules_lose_only_comments_and_indents() {
        assert_eq!(
            shortened("/* a */\n:root {\n  --x: 1; /* b\n c */\n}\n"),
            ":root {\n--x: 1;\n}"
        );
        assert!(!VOTER_STYLE.text.contains("/*") && !VOTER_STYLE.text.contains('<'));
    }
}
