//! Counts and time series as tables, to be taken away.
//!
//! CSV by RFC 4180, in UTF-8 and without a byte order mark; or as Excel opens it by a double click
//! wherever a comma is in numbers. A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for
//! a formula, and a title is whatever somebody typed: such a cell gets an apostrophe in front, which
//! spreadsheets know as "this is text". Where `;` separates, a comma does not, and the other way: a
//! program that goes by the wrong one would find a cell's beginning after either, so that counts as
//! one in both forms. JSON has it unchanged.

use ballot::Counts;
use serde::Serialize;

use contests::series::Series;

use crate::{
    pages::words,
    shares::{Share, shares},
};

/// A table of the time series; JSON and CSV are written from the same cells.
#[derive(Debug, Serialize)]
pub(crate) struct SeriesTable {
    pub(crate) contest: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<serde_json::Value>>,
}

impl SeriesTable {
    /// The points for which `is_wanted` holds.
    pub(crate) fn new(
        contest: &str,
        series: &Series,
        is_wanted: impl Fn(ballot::Timestamp) -> bool,
    ) -> Self {
        let fixed = [
            "counted_through",
            "recorded",
            "counted",
            "duplicate",
            "late",
            "void",
            "votes_per_second",
        ];
        let channels = series.channels.iter().map(|channel| format!("channel:{channel}"));
        let columns = fixed.map(str::to_owned).into_iter().chain(channels).collect();
        let row = |(n, point): (usize, &contests::series::Point)| {
            let ballots = point.ballots;
            let numbers =
                [ballots.recorded, ballots.counted, ballots.duplicate, ballots.late, ballots.void];
            let mut row = vec![serde_json::json!(point.counted_through)];
            row.extend(numbers.map(serde_json::Value::from));
            row.push(serde_json::json!(series.votes_per_second(n)));
            row.extend(point.channels.iter().map(|votes| serde_json::Value::from(*votes)));
            row
        };
        let points = series.points.iter().enumerate();
        let rows = points.filter(|(_, point)| is_wanted(point.counted_through)).map(row).collect();
        Self { contest: contest.to_owned(), columns, rows }
    }

    /// As CSV, with a header line.
    pub(crate) fn csv(&self, form: CsvForm) -> Vec<u8> {
        let rows = self.rows.iter().map(|row| row.iter().map(|value| cell(value, form)).collect());
        csv(std::iter::once(self.columns.clone()).chain(rows), form)
    }
}

/// Who reads a file of CSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CsvForm {
    /// A program: RFC 4180.
    #[default]
    Plain,
    /// Excel, in the countries that write a comma in numbers: a byte order mark, `;` between cells, a
    /// comma in numbers.
    Excel,
}

impl CsvForm {
    fn fraction(self, number: String) -> String {
        match self {
            Self::Plain => number,
            Self::Excel => number.replace('.', ","),
        }
    }
}

/// Nothing, a number or a time.
fn cell(value: &serde_json::Value, form: CsvForm) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        number => form.fraction(number.to_string()),
    }
}

/// A counts row as CSV: one line for each number, and every line says what it is of.
pub(crate) fn counts_csv(counts: &Counts, form: CsvForm) -> Vec<u8> {
    let header = [
        "contest",
        "status",
        "generation",
        "counted_through",
        "part",
        "name",
        "title",
        "number",
        "share_percent",
    ];
    let line = |part: &str, name: &str, title: &str, number: u64, share: Option<Share>| {
        vec![
            counts.contest.to_string(),
            words::status_name(counts.status).to_owned(),
            counts.generation.to_string(),
            counts.counted_through.to_string(),
            part.to_owned(),
            name.to_owned(),
            as_text(title),
            number.to_string(),
            share.map_or_else(String::new, |share| form.fraction(share.to_string())),
        ]
    };
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    let votes = counts.choices.iter().map(|choice| choice.votes);
    for (choice, share) in counts.choices.iter().zip(shares(votes)) {
        let (name, title) = (choice.choice.as_str(), &choice.title);
        lines.push(line("choice", name, title, choice.votes, Some(share)));
    }
    let votes = counts.channels.values().copied();
    for ((channel, votes), share) in counts.channels.iter().zip(shares(votes)) {
        lines.push(line("channel", channel, "", *votes, Some(share)));
    }
    for (name, number) in words::ballots(&counts.ballots) {
        lines.push(line("ballots", name, "", number, None));
    }
    if let Some(set) = &counts.batch_set {
        lines.push(line("batch_set", &set.digest, "", set.batches, None));
    }
    csv(lines.into_iter(), form)
}

/// A cell that no spreadsheet takes for a formula.
fn as_text(text: &str) -> String {
    let is_formula = |c| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    // Some look past what cannot be seen.
    let begins = |part: &str| {
        let first = part.chars().find(|c| !c.is_whitespace() && !c.is_control());
        first.is_some_and(is_formula)
    };
    let hidden = text.starts_with(['\t', '\r', '\n']);
    if hidden || begins(text) {
        return format!("'{text}");
    }
    // Quotes do not hold a cell together for a program that splits at another character.
    let mut safe = String::with_capacity(text.len());
    for part in text.split_inclusive([';', ',', '\t', '\n', '\r']) {
        if !safe.is_empty() && begins(part) {
            safe.push('\'');
        }
        safe.push_str(part);
    }
    safe
}

fn csv(lines: impl Iterator<Item = Vec<String>>, form: CsvForm) -> Vec<u8> {
    let (begin, delimiter) = match form {
        CsvForm::Plain => (Vec::new(), b','),
        CsvForm::Excel => ("\u{feff}".as_bytes().to_vec(), b';'),
    };
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .delimiter(delimiter)
        .from_writer(begin);
    for line in lines {
        writer.write_record(line).expect("lines of one length, into memory");
    }
    writer.into_inner().expect("memory does not fail")
}

#[cfg(test)]
mod tests {
    use ballot::{BallotCounts, ChoiceVotes, CountsStatus, Timestamp};

    use super::*;

    #[test]
    fn a_title_is_never_a_formula_and_survives_quoting() {
        for (title, cell) in [
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("\t=1", "'\t=1"),
            ("\u{200b}", "\u{200b}"),
            ("＝1", "'＝1"),
            ("Breaking Bad", "Breaking Bad"),
            ("a, \"b\"\r\nc", "a, \"b\"\r\nc"),
            ("a;=1+1", "a;'=1+1"),
            ("a; -1, +2", "a;' -1,' +2"),
            ("a\n@b", "a\n'@b"),
            ("1 = 1", "1 = 1"),
            ("'t Hooft", "'t Hooft"),
            ("", ""),
        ] {
            assert_eq!(as_text(title), cell, "{title:?}");
            let counts = Counts {
                contest: "tv".parse().unwrap(),
                status: CountsStatus::Final,
                generation: 7,
                counted_through: Timestamp::from_micros(1_795_464_000_000_000),
                closed_at: None,
                total: 3,
                choices: [("a", title, 1), ("b", "The other", 2)]
                    .map(|(choice, title, votes)| ChoiceVotes {
                        choice: choice.parse().unwrap(),
                        title: title.to_owned(),
                        votes,
                    })
                    .into(),
                ballots: BallotCounts { recorded: 4, counted: 3, late: 1, ..Default::default() },
                channels: [("web".to_owned(), 3)].into(),
                batch_set: None,
            };
            let bytes = counts_csv(&counts, CsvForm::Plain);
            assert!(bytes.ends_with(b"\r\n"));
            let mut reader = csv::Reader::from_reader(&*bytes);
            let lines: Vec<_> = reader.records().map(Result::unwrap).collect();
            let first =
                ["tv", "final", "7", "2026-11-23T20:00:00Z", "choice", "a", cell, "1", "33.3"];
            assert_eq!(lines[0], first[..]);
            assert_eq!(lines.len(), 2 + 1 + 5);
            let bytes = counts_csv(&counts, CsvForm::Excel);
            let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap();
            let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(bytes);
            let line = reader.records().next().unwrap().unwrap();
            assert_eq!((&line[6], &line[7], &line[8]), (cell, "1", "33,3"));
        }
    }

    #[test]
    fn a_series_is_the_same_in_both_forms() {
        let point = |seconds: i64, recorded: u64| contests::series::Point {
            counted_through: Timestamp::from_micros(seconds * 1_000_000),
            ballots: BallotCounts { recorded, counted: recorded, ..Default::default() },
            channels: vec![recorded],
        };
        let series =
            Series { channels: vec!["web".into()], points: vec![point(0, 1), point(2, 4)] };
        let table = SeriesTable::new("tv", &series, |_| true);
        let text = String::from_utf8(table.csv(CsvForm::Plain)).unwrap();
        let expected = "counted_through,recorded,counted,duplicate,late,void,votes_per_second,\
                        channel:web\r\n1970-01-01T00:00:00Z,1,1,0,0,0,,1\r\n\
                        1970-01-01T00:00:02Z,4,4,0,0,0,1.5,4\r\n";
        assert_eq!(text, expected);
        let excel = String::from_utf8(table.csv(CsvForm::Excel)).unwrap();
        assert!(excel.ends_with("1970-01-01T00:00:02Z;4;4;0;0;0;1,5;4\r\n"), "{excel}");
        // The rate is of the stretch before, also where that is left out.
        let late = SeriesTable::new("tv", &series, |time| time.as_micros() > 0);
        assert_eq!(late.rows, table.rows[1..]);
    }
}
