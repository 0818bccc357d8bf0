//! The image that other sites show with a link to a vote: its title, the site, how many choices,
//! the hours. Never a count.
//!
//! Drawn once a text, one at a time, and kept; so a crowd of crawlers costs one drawing, and made-up
//! ones cost a processor at most for as many texts as there are contests and languages.

use std::{
    fmt::Write as _,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{self, FontResolver, Node, Options, Tree, fontdb::Database},
};

/// As link previews want it: 1.91 to 1.
const WIDTH: u32 = 1_200;
const HEIGHT: u32 = 630;
/// Blank at both sides.
const MARGIN: f32 = 80.0;
/// The title is as large as it can be in so many lines.
const TITLE_SIZES: [(f32, usize); 5] = [(92.0, 2), (76.0, 3), (62.0, 4), (52.0, 4), (42.0, 5)];
/// Where the title stands: under the site's name, over the last line.
const TITLE_TOP: f32 = 160.0;
const TITLE_BOTTOM: f32 = 490.0;
/// Between two words, in parts of the size.
const SPACE: f32 = 0.26;
/// Cards kept in memory, some 40 KB each.
const CARDS_MAX: usize = 128;

/// What stands on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CardText {
    pub(crate) site: String,
    pub(crate) title: String,
    pub(crate) choices: String,
    pub(crate) hours: String,
    /// Whether the page's language runs from right to left.
    pub(crate) is_rtl: bool,
}

/// Why there is no card.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CardError {
    /// Others are being drawn.
    #[error("other cards are being drawn")]
    Busy,
    /// A mistake of ours.
    #[error("{0}")]
    NotDrawn(String),
}

/// The cards of a node, the last one asked for at the end.
#[derive(Debug)]
pub(crate) struct Cards {
    fonts: LazyLock<Arc<Database>, Box<dyn FnOnce() -> Arc<Database> + Send + Sync>>,
    drawn: Mutex<Vec<(CardText, Bytes)>>,
    /// Held while a card is drawn: whoever asks for the same meanwhile finds it drawn.
    drawing: tokio::sync::Mutex<()>,
}

impl Cards {
    /// Cards whose titles may have letters of one more font.
    pub(crate) fn new(font: Option<Vec<u8>>) -> Self {
        let fonts: Box<dyn FnOnce() -> Arc<Database> + Send + Sync> =
            Box::new(move || Arc::new(database(font)));
        Self { fonts: LazyLock::new(fonts), drawn: Mutex::default(), drawing: Default::default() }
    }

    /// The card as PNG.
    pub(crate) async fn get(&self, text: CardText) -> Result<Bytes, CardError> {
        if let Some(png) = self.known(&text) {
            return Ok(png);
        }
        let _drawing = self.drawing.lock().await;
        if let Some(png) = self.known(&text) {
            return Ok(png);
        }
        let (fonts, to_draw) = (Arc::clone(&self.fonts), text.clone());
        let drawn = tokio::task::spawn_blocking(move || draw(&to_draw, &fonts)).await;
        let png = drawn.map_err(|error| CardError::NotDrawn(error.to_string()))??;
        let mut drawn = self.drawn.lock();
        if drawn.len() >= CARDS_MAX {
            drawn.remove(0);
        }
        drawn.push((text, png.clone()));
        Ok(png)
    }

    fn known(&self, text: &CardText) -> Option<Bytes> {
        let mut drawn = self.drawn.lock();
        let at = drawn.iter().position(|(known, _)| known == text)?;
        let found = drawn.remove(at);
        let png = found.1.clone();
        drawn.push(found);
        Some(png)
    }
}

/// Noto Sans in the letters that most titles have; others need the operator's font.
fn database(font: Option<Vec<u8>>) -> Database {
    let mut fonts = Database::new();
    fonts.load_font_data(include_bytes!("../fonts/NotoSans-Bold.ttf").to_vec());
    fonts.load_font_data(include_bytes!("../fonts/NotoSansArabic-Bold.ttf").to_vec());
    fonts.load_font_data(include_bytes!("../fonts/NotoSansHebrew-Bold.ttf").to_vec());
    if let Some(font) = font {
        fonts.load_font_data(font);
    }
    fonts
}

fn draw(text: &CardText, fonts: &Arc<Database>) -> Result<Bytes, CardError> {
    let not_drawn = |error: &dyn std::fmt::Display| CardError::NotDrawn(error.to_string());
    let lines = lines(&text.title, fonts).map_err(|error| not_drawn(&error))?;
    let is_missing = AtomicBool::new(false);
    let options = options(fonts, &is_missing);
    let tree = Tree::from_str(&svg(text, &lines), &options).map_err(|error| not_drawn(&error))?;
    let mut pixmap = Pixmap::new(WIDTH, HEIGHT).ok_or_else(|| not_drawn(&"no room"))?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    pixmap.encode_png().map(Bytes::from).map_err(|error| not_drawn(&error))
}

fn options<'a>(fonts: &Arc<Database>, is_missing: &'a AtomicBool) -> Options<'a> {
    let select_fallback = FontResolver::default_fallback_selector();
    Options {
        font_family: "Noto Sans".into(),
        fontdb: Arc::clone(fonts),
        font_resolver: FontResolver {
            select_fallback: Box::new(move |letter, used, fonts| {
                let found = select_fallback(letter, used, fonts);
                if found.is_none() {
                    is_missing.store(true, Ordering::Relaxed);
                }
                found
            }),
            ..FontResolver::default()
        },
        ..Options::default()
    }
}

/// A title set in lines.
#[derive(Debug, Default)]
struct Lines {
    size: f32,
    lines: Vec<String>,
}

/// The title in lines; none where a letter is in no font, for empty boxes are worse than nothing.
fn lines(title: &str, fonts: &Arc<Database>) -> Result<Lines, usvg::Error> {
    let pieces = pieces(title);
    let Some(widths) = widths(&pieces, fonts)? else { return Ok(Lines::default()) };
    let mut set = Lines::default();
    for (size, lines_max) in TITLE_SIZES {
        set = Lines { size, lines: broken(&pieces, &widths, (WIDTH as f32 - 2.0 * MARGIN) / size) };
        if set.lines.len() <= lines_max {
            return Ok(set);
        }
    }
    let (_, lines_max) = TITLE_SIZES[TITLE_SIZES.len() - 1];
    set.lines.truncate(lines_max);
    if let Some(last) = set.lines.last_mut() {
        last.push('\u{2026}');
    }
    Ok(set)
}

/// What is never broken, and whether a space goes before it.
#[derive(Debug, PartialEq)]
struct Piece {
    text: String,
    spaced: bool,
}

/// Letters of a word that stay together; a longer word is broken somewhere.
const PIECE_CHARS_MAX: usize = 20;

/// Words; and single letters of scripts that have no spaces between words.
fn pieces(title: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    // What XML cannot have is nothing to see either.
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for word in title.split_whitespace() {
        let mut spaced = true;
        let mut length = 0;
        for letter in word.chars() {
            let stands_alone = ('\u{2e80}'..='\u{d7ff}').contains(&letter);
            if spaced || stands_alone || length >= PIECE_CHARS_MAX {
                pieces.push(Piece { text: String::new(), spaced });
                (spaced, length) = (false, 0);
            }
            if let Some(piece) = pieces.last_mut() {
                piece.text.push(letter);
            }
            length += 1;
        }
    }
    pieces
}

/// How wide each piece is, in parts of the size; `None` if a letter is in no font.
fn widths(pieces: &[Piece], fonts: &Arc<Database>) -> Result<Option<Vec<f32>>, usvg::Error> {
    const SIZE: f32 = 100.0;
    let mut svg =
        String::from("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\">");
    for (n, piece) in pieces.iter().enumerate() {
        let text = escaped(&piece.text);
        // Writing into a `String` cannot fail.
        let _ =
            write!(svg, "<text id=\"w{n}\" font-weight=\"700\" font-size=\"{SIZE}\">{text}</text>");
    }
    svg.push_str("</svg>");
    let is_missing = AtomicBool::new(false);
    let tree = Tree::from_str(&svg, &options(fonts, &is_missing))?;
    let mut widths = vec![0.0; pieces.len()];
    for node in tree.root().children() {
        if let Node::Text(text) = node
            && let Some(n) = text.id().strip_prefix('w').and_then(|n| n.parse::<usize>().ok())
            && let Some(width) = widths.get_mut(n)
        {
            *width = text.bounding_box().width() / SIZE;
        }
    }
    Ok((!is_missing.load(Ordering::Relaxed)).then_some(widths))
}

/// Lines of at most that width.
fn broken(pieces: &[Piece], widths: &[f32], width_max: f32) -> Vec<String> {
    let mut lines: Vec<(String, f32)> = Vec::new();
    for (piece, width) in pieces.iter().zip(widths) {
        let space = if piece.spaced { SPACE } else { 0.0 };
        match lines.last_mut() {
            Some((line, used)) if *used + space + width <= width_max => {
                if piece.spaced {
                    line.push(' ');
                }
                line.push_str(&piece.text);
                *used += space + width;
            }
            _ => lines.push((piece.text.clone(), *width)),
        }
    }
    lines.into_iter().map(|(line, _)| line).collect()
}

/// The card as a drawing. Everything starts at the side where the text begins.
fn svg(text: &CardText, title: &Lines) -> String {
    let is_rtl = title.lines.first().map_or(text.is_rtl, |line| starts_rtl(line, text.is_rtl));
    let (near, far) = (MARGIN, WIDTH as f32 - MARGIN);
    let side = |is_rtl: bool| if is_rtl { (far, "end") } else { (near, "start") };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"Noto Sans\" font-weight=\"700\">\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#14161a\"/>\
         <rect width=\"{WIDTH}\" height=\"14\" fill=\"#1f4fd8\"/>"
    );
    let (site_x, icon_x) = if text.is_rtl { (far - 76.0, far - 52.0) } else { (near + 76.0, near) };
    let (_, anchor) = side(text.is_rtl);
    let _ = write!(
        svg,
        "<g transform=\"translate({icon_x} 66) scale(1.625)\"><rect width=\"32\" height=\"32\" rx=\"7\" \
         fill=\"#1f4fd8\"/><path d=\"M8 17l6 6 10-14\" fill=\"none\" stroke=\"#fff\" \
         stroke-width=\"4\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/></g>\
         <text x=\"{site_x}\" y=\"103\" text-anchor=\"{anchor}\" font-size=\"32\" \
         fill=\"#eceef2\">{}</text>",
        escaped(&text.site)
    );
    let height = title.size * 1.22;
    let block = height * title.lines.len() as f32;
    let top = TITLE_TOP + (TITLE_BOTTOM - TITLE_TOP - block) / 2.0 + title.size * 0.95;
    let (x, anchor) = side(is_rtl);
    for (n, line) in title.lines.iter().enumerate() {
        let y = top + height * n as f32;
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{}\" \
             fill=\"#fff\">{}</text>",
            title.size,
            escaped(&isolated(line, is_rtl))
        );
    }
    let (x, anchor) = side(text.is_rtl);
    for (y, fill, line) in [(536, "#8fb0ff", &text.choices), (580, "#a8aebb", &text.hours)] {
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"30\" \
             fill=\"{fill}\">{}</text>",
            escaped(&isolated(line, text.is_rtl))
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Whether a line runs from right to left: as its first letter does, else as the page.
fn starts_rtl(line: &str, otherwise: bool) -> bool {
    let rtl = |c: char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}');
    line.chars().find(|c| c.is_alphabetic()).map_or(otherwise, rtl)
}

/// Drawings are set from left to right; a line of the other kind says so by itself.
fn isolated(line: &str, is_rtl: bool) -> String {
    if is_rtl { format!("\u{2067}{line}\u{2069}") } else { line.to_owned() }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // No letters, and not for XML.
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(title: &str) -> CardText {
        CardText {
            site: "vote.example".into(),
            title: title.into(),
            choices: "Choices: 10".into(),
            hours: "23 November 2026, 20:00 UTC".into(),
            is_rtl: false,
        }
    }

    fn set(title: &str) -> Vec<String> {
        lines(title, &Arc::new(database(None))).unwrap().lines
    }

    #[test]
    fn a_title_is_set_in_few_lines_and_loses_nothing() {
        for title in
            ["Tea?", "Your favourite TV series of all time", "Zażółć gęślą jaźń, Ελλάδα, Москва"]
        {
            assert_eq!(set(title).join(" "), title);
        }
        assert_eq!(set("Tea?").len(), 1);
        let long = "word ".repeat(40);
        assert!((3..=5).contains(&set(&long).len()));
        assert!(set(&"W".repeat(200)).len() <= 5);
        assert!(set(&"M".repeat(200)).last().unwrap().ends_with('\u{2026}'));
        assert_eq!(set(" \u{0} \n ").len(), 0);
    }

    #[test]
    fn a_title_that_the_fonts_do_not_have_is_left_out() {
        assert_eq!(set("مسلسلك المفضل 2026").len(), 1);
        assert_eq!(set("הסדרה האהובה").len(), 1);
        assert_eq!(set("好きなテレビ番組").len(), 0);
        assert_eq!(set("Best series 🎬").len(), 0);
    }

    #[test]
    fn scripts_without_spaces_break_between_letters() {
        let text = |piece: &Piece| piece.text.clone();
        assert_eq!(pieces("最高 TV").iter().map(text).collect::<Vec<_>>(), ["最", "高", "TV"]);
        assert!(!pieces("最高")[1].spaced);
    }

    #[tokio::test]
    async fn a_card_is_drawn_once_and_hostile_titles_are_only_text() {
        let cards = Cards::new(None);
        let hostile = text("</text><image href=\"file:///etc/passwd\"/>&#0;\u{1}\u{fffe}]]>");
        let (first, second) = tokio::join!(cards.get(hostile.clone()), cards.get(hostile));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(first.starts_with(b"\x89PNG"));
        assert_eq!(first.as_ptr(), second.as_ptr(), "the same drawing");
        for n in 0..CARDS_MAX + 5 {
            cards.drawn.lock().push((text(&n.to_string()), Bytes::new()));
        }
        cards.get(text("one more")).await.unwrap();
        assert!(cards.drawn.lock().len() <= 2 * CARDS_MAX);
    }
}
