//! A plan for people, as wide as their terminal.

use crate::{
    answer::Plan,
    digits::four_digits,
    figures::{Figure, Figures, Prices},
    inputs::{Connections, Engine},
    uses::Use,
};

/// Less room than this for a text, and it goes on a line of its own.
const TEXT_MIN: usize = 24;

/// Draws the plan in lines of at most `width`.
pub fn draw(plan: &Plan, figures: &Figures, prices: &Prices, width: usize) -> String {
    let mut page = Page { text: String::new(), width };
    asked(&mut page, plan);
    machines(&mut page, plan, prices);
    flows(&mut page, plan);
    full(&mut page, plan);
    bill(&mut page, plan);
    assumptions(&mut page, plan, figures, prices);
    page.text
}

fn asked(page: &mut Page, plan: &Plan) {
    let inputs = &plan.inputs;
    let engine = match inputs.engine {
        Engine::Embedded => "the embedded store",
        Engine::Cassandra => "Cassandra",
        Engine::Dynamodb => "DynamoDB",
    };
    let copies = match inputs.replicas {
        1 => "one copy".to_owned(),
        n => format!("{n} copies"),
    };
    let regions = match inputs.regions {
        1 => String::new(),
        n => format!(" in {n} regions"),
    };
    page.wrapped(
        0,
        &format!(
            "{} votes/s at the peak, {} ballots of {} voters in {} h, on {engine}{regions}, {copies}",
            number(inputs.peak),
            number(plan.ballots as f64),
            number(inputs.voters),
            number(inputs.hours),
        ),
    );
}

fn machines(page: &mut Page, plan: &Plan, prices: &Prices) {
    let fleet = &plan.fleet;
    page.heading("machines");
    let mut rows = Vec::new();
    let mut add = |what: &str, nodes: u64, cores: u64, why: &str| {
        if nodes > 0 {
            let cores = format!("{cores} cores");
            rows.push(vec![what.to_owned(), nodes.to_string(), cores, why.to_owned()]);
        }
    };
    if plan.inputs.engine == Engine::Embedded {
        add("machine", 1, fleet.cores, "everything; while it is down nobody votes");
    } else {
        add(
            "balancers",
            fleet.balancers,
            fleet.cores,
            "TLS ends here; one more than needed a region",
        );
        add("intakes", fleet.intakes, fleet.cores, "one more than needed a region");
        add("stores", fleet.stores, fleet.cores, &prices.local_disk.what);
        let memory = format!("{} GB each; one counts, one stands by", fleet.tally_memory_gb);
        add("tallies", fleet.tallies, fleet.tally_cores, &memory);
    }
    page.table(&rows, "lrrl");
    page.wrapped(2, &format!("shards of the contest: {}", plan.shards));
}

fn flows(page: &mut Page, plan: &Plan) {
    page.heading("at the peak, over all machines");
    let (batches, network) = (&plan.batches, &plan.network);
    let gbit = |value: f64| format!("{} Gbit/s", number(value));
    let mut rows = vec![
        ["batches".into(), format!("{}/s", number(batches.per_second))],
        [
            "a batch".into(),
            format!("{} ballots, {} bytes", number(batches.ballots), number(batches.bytes)),
        ],
        ["TLS handshakes".into(), format!("{}/s", number(network.handshakes_per_second))],
        ["connections".into(), number(network.connections)],
        ["from voters".into(), gbit(network.voters_in_gbit)],
        ["to voters".into(), gbit(network.voters_out_gbit)],
    ];
    if plan.inputs.engine != Engine::Embedded {
        rows.push(["store writes, all copies".into(), gbit(network.store_writes_gbit)]);
        rows.push(["tally reads".into(), gbit(network.tally_reads_gbit)]);
    }
    rows.push(["stored at the end".into(), stored(plan)]);
    rows.push(["final row".into(), final_row(plan)]);
    let rows: Vec<_> = rows.into_iter().map(Vec::from).collect();
    page.table(&rows, "ll");
}

fn final_row(plan: &Plan) -> String {
    let row = &plan.final_row;
    let rescan_s = row.fold_s.max(row.network_s).max(row.store_s);
    format!(
        "{} s after the close: {} until the last batch is settled, {} rescan, {} list of batches",
        number(row.total_s),
        number(row.wait_s),
        number(rescan_s),
        number(row.list_s),
    )
}

fn stored(plan: &Plan) -> String {
    let (one, all) = (plan.storage.ballots_gb, plan.storage.all_copies_gb);
    format!("{} GB of ballots, {} GB with all copies and indexes", number(one), number(all))
}

fn full(page: &mut Page, plan: &Plan) {
    page.heading("what breaks first, when the vote grows and the machines do not");
    let rows: Vec<_> = plan
        .uses
        .iter()
        .map(|one| {
            vec![
                one.what.clone(),
                format!("{}%", number(one.share * 100.0)),
                format!("{}/s{}", number(one.breaks_at), if one.hard { " *" } else { "  " }),
            ]
        })
        .collect();
    page.table(&rows, "lrr");
    page.wrapped(
        2,
        "Share of it in use at the peak, and the votes a second that fill it. * No \
                     number of machines helps, only larger ones or several contests.",
    );
    let broken = |one: &Use| one.hard && one.share > 1.0;
    for one in &plan.uses {
        let first = if one.what == plan.breaks_first {
            "First: "
        } else if one.what == plan.hard_limit {
            "First that more machines do not cure: "
        } else {
            ""
        };
        if broken(one) || !first.is_empty() {
            let alarm = if broken(one) { "BREAKS BEFORE THE PEAK. " } else { "" };
            let times = number(one.breaks_at / plan.inputs.peak);
            let (what, cure) = (&one.what, &one.cure);
            let text = format!("{alarm}{first}{what}, at {times} times the peak. Cure: {cure}.");
            page.wrapped(2, &text);
        }
    }
}

fn bill(page: &mut Page, plan: &Plan) {
    let bill = &plan.price;
    page.heading(&format!("price, {}, list prices of {}", bill.currency, bill.date));
    let mut rows: Vec<_> = bill
        .items
        .iter()
        .map(|item| {
            let quantity = format!("{} {}", number(item.quantity), item.unit);
            vec![item.what.clone(), quantity, format!("x {}", item.price), number(item.sum)]
        })
        .collect();
    rows.push(vec!["in all".into(), String::new(), String::new(), number(bill.total)]);
    page.table(&rows, "lrlr");
    if let Some(both) = &bill.dynamodb {
        page.wrapped(
            2,
            &format!(
                "Writes alone: {} million units and {} {} in batches; {} million and {} {} with a \
                 row a vote, {} times as much.",
                number(both.batch_units),
                number(both.batch_sum),
                bill.currency,
                number(both.row_units),
                number(both.row_sum),
                bill.currency,
                number(both.row_units / both.batch_units),
            ),
        );
    }
}

fn assumptions(page: &mut Page, plan: &Plan, figures: &Figures, prices: &Prices) {
    page.heading("what this rests on");
    let text = format!(
        "Prices: {}, {}. Check them before you rely on a sum.",
        prices.source, prices.region
    );
    page.wrapped(2, &text);
    for line in model_says(plan) {
        page.wrapped(2, line);
    }
    page.wrapped(2, "Measured:");
    for (name, figure) in figures.measured.all() {
        let from = figure.from.as_deref().unwrap_or_default();
        page.wrapped(4, &format!("{}; {from}", says(name, figure)));
    }
    page.wrapped(2, "Assumed, measured by nobody here:");
    for (name, figure) in figures.assumed.all() {
        page.wrapped(4, &says(name, figure));
    }
}

fn model_says(plan: &Plan) -> Vec<&'static str> {
    let mut says = vec!["A machine of n cores does n times what one core did. Nobody has tried."];
    says.push(match plan.inputs.connections {
        Connections::New => "Every vote comes over a new connection (--connections new).",
        Connections::Kept => "Every voter holds one connection to the end (--connections kept).",
    });
    if plan.inputs.regions > 1 {
        says.push(match plan.inputs.engine {
            Engine::Cassandra => {
                "A ballot is in every region, and a quorum of all copies holds it before it is \
                 acknowledged. With two regions, one that is lost stops the voting; with three it \
                 does not."
            }
            _ => "The table is in one region; the intakes of the others write to it from afar.",
        });
    }
    if plan.inputs.engine == Engine::Dynamodb {
        says.push("A new on-demand table bears much less than its quota: warm it up before.");
    }
    says
}

fn says(name: &str, figure: &Figure) -> String {
    let name = name.replace('_', " ");
    let note = figure.note.as_deref().map_or_else(String::new, |note| format!(": {note}"));
    format!("{name}, {} {}{note}", number(figure.value), figure.unit)
}

/// Three digits, with commas, as a person would say it.
pub(crate) fn number(value: f64) -> String {
    let value = four_digits(value);
    let text = match value.abs() {
        v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        v if v >= 1e-3 => format!("{value:.3}"),
        _ => return format!("{value:.1e}"),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && whole.as_bytes()[at - 1] != b'-' {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}

/// Lines of a width.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        self.line("");
        self.wrapped(0, heading);
    }

    fn wrapped(&mut self, indent: usize, text: &str) {
        // The second and later lines stand two further in.
        let (mut line, mut empty) = (" ".repeat(indent), true);
        for word in text.split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > self.width {
                self.line(&line);
                (line, empty) = (" ".repeat(indent + 2), true);
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.line(&line);
    }

    /// A table whose columns are aligned left or right; what does not fit goes on a line of its
    /// own.
    fn table(&mut self, rows: &[Vec<String>], align: &str) {
        let chars = |text: &String| text.chars().count();
        let widths: Vec<usize> = (0..align.len())
            .map(|at| rows.iter().map(|row| chars(&row[at])).max().unwrap_or(0))
            .collect();
        let last = align.len() - 1;
        let before: usize = 2 + widths[..last].iter().map(|width| width + 2).sum::<usize>();
        for row in rows {
            let mut line = "  ".to_owned();
            for ((cell, width), align) in row.iter().zip(&widths).zip(align.chars()).take(last) {
                match align {
                    'r' => line.push_str(&format!("{cell:>width$}  ")),
                    _ => line.push_str(&format!("{cell:<width$}  ")),
                }
            }
            let cell = &row[last];
            let wide = if align.ends_with('r') { widths[last] } else { chars(cell) };
            if before + wide <= self.width {
                let cell =
                    if align.ends_with('r') { format!("{cell:>wide$}") } else { cell.clone() };
                self.line(&(line + &cell));
            } else if before + TEXT_MIN <= self.width && align.ends_with('l') {
                let mut inner = Self { text: String::new(), width: self.width - before };
                inner.wrapped(0, cell);
                for (at, part) in inner.text.lines().enumerate() {
                    let part = part.trim_start();
                    let head = if at == 0 { line.clone() } else { " ".repeat(before) };
                    self.line(&(head + part));
                }
            } else {
                self.wrapped(2, &line);
                self.wrapped(6, cell);
            }
        }
    }
}
