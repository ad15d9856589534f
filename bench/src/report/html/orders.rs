//! The page of an exploration: each order with what it came to, and the timeline of its run.

use std::fmt::Write;

use super::dialog::{self, Pictures, Play, Shown, address};
use super::page::{self, escape, page, program};
use crate::report::exploration::{Exploration, Order};
use crate::report::fields;
use crate::report::run::Run;

/// The exploration as a page. `run` is one of its runs, for what all were played with; the pages of
/// the runs are found from this one at `base`, empty or ending in a slash.
///
/// # Errors
/// The JSON cannot be put together.
pub fn report(
    exploration: &Exploration,
    run: Option<&Run>,
    pictures: &Pictures,
    base: &str,
) -> serde_json::Result<String> {
    let runs: Vec<_> = exploration.orders.iter().map(Order::run).collect();
    let mut body = String::new();
    head(&mut body, exploration);
    ends(&mut body, &exploration.orders);
    table(&mut body, &exploration.orders, base);
    gone(&mut body, exploration);
    environment(&mut body, exploration, run);
    body.push_str(dialog::BODY);
    let shown = exploration.orders.iter().zip(&runs).map(|(order, run)| Shown {
        title: format!("{} · {} · order {}", exploration.scenario, exploration.card, order.number),
        plays: vec![Play {
            class: class(order),
            outcome: order.class.as_ref().unwrap_or(&order.verdict.outcome),
            line: order.problems.first().map_or(&order.verdict.line, |problem| &problem.what),
            seconds: order.seconds,
            again: false,
            run: run.as_deref(),
            page: run.as_ref().map(|run| address(base, run)),
        }],
    });
    let title = format!("{} · {} · orders", exploration.scenario, exploration.card);
    page(&title, &body, &pictures.beside(shown.collect()), dialog::SCRIPT)
}

/// The style of what it came to.
fn class(order: &Order) -> &'static str {
    if order.is_fine() {
        "passed"
    } else if order.known.is_some() {
        "known"
    } else if order.class.is_some() {
        "failed"
    } else {
        "not-run"
    }
}

fn head(out: &mut String, exploration: &Exploration) {
    let Exploration { orders, left, bound, .. } = exploration;
    let count = |wanted: &str| orders.iter().filter(|order| class(order) == wanted).count();
    let (bad, known, unplayed) = (count("failed"), count("known"), count("not-run"));
    let (class, word) = match (bad + exploration.gone.len(), unplayed) {
        (1.., _) => ("failed", "failed"),
        (0, 1..) => ("not-run", "incomplete"),
        (0, 0) if known > 0 => ("flaky", "as known"),
        (0, 0) => ("passed", "fine"),
    };
    let of = |n: usize| if n == 1 { "order" } else { "orders" };
    let mut line = match left {
        0 => format!("all {} {} played", orders.len(), of(orders.len())),
        left => format!("{} {} played, {left} or more are left", orders.len(), of(orders.len())),
    };
    // A String takes any write.
    for (n, what) in [(bad, "bad"), (known, "bad as known"), (unplayed, "could not be played")] {
        if n > 0 {
            let _ = write!(line, ", {n} {what}");
        }
    }
    let driver = match exploration.driver.as_str() {
        "" | "stock" => String::new(),
        driver => format!(" / driver {driver}"),
    };
    let _ = write!(
        out,
        "<header class=\"{class}\">\n<h1>{} · {}</h1>\n\
         <p class=\"sub\">every order, at most {bound} / {}{} / {:.0} s</p>\n\
         <p class=\"verdict\"><strong>{word}</strong> {line}</p>\n</header>\n",
        escape(&exploration.scenario),
        escape(&exploration.card),
        escape(&exploration.kernel),
        escape(&driver),
        exploration.seconds,
    );
}

/// What the guests looked like in the end, the most frequent first.
fn ends(out: &mut String, orders: &[Order]) {
    let mut ends: Vec<(&str, Vec<usize>)> = Vec::new();
    for order in orders {
        let end = order.end.as_deref().unwrap_or("the guest did not get to its end");
        match ends.iter_mut().find(|(known, _)| *known == end) {
            Some((_, all)) => all.push(order.number),
            None => ends.push((end, vec![order.number])),
        }
    }
    ends.sort_by_key(|(_, orders)| std::cmp::Reverse(orders.len()));
    out.push_str("<section>\n<h2>Ends</h2>\n<ul class=\"ends\">\n");
    for (end, orders) in ends {
        let numbers: Vec<_> = orders.iter().map(ToString::to_string).collect();
        let of = if orders.len() == 1 { "order" } else { "orders" };
        let _ = writeln!(
            out,
            "<li><span class=\"n\">{}×</span> {} <span class=\"sub\">{of} {}</span></li>",
            orders.len(),
            escape(end),
            numbers.join(", ")
        );
    }
    out.push_str("</ul>\n</section>\n");
}

/// A row for each order. What it shares with the order before it is faint: the two differ from there
/// on.
fn table(out: &mut String, orders: &[Order], base: &str) {
    out.push_str(
        "<section>\n<h2>Orders</h2>\n<p class=\"tools\" id=\"filters\" data-only=\"only what is not fine\"></p>\n\
         <p class=\"sub note\"><i class=\"step\"></i>a step of the scenario \
         <i class=\"gate\"></i>a request that is let go; faint: as in the order above</p>\n\
         <div class=\"table orders\">\n<table>\n<tbody>\n",
    );
    for (index, order) in orders.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &orders[before].points[..]);
        let shared = order.points.iter().zip(before.unwrap_or_default());
        let shared = shared.take_while(|(a, b)| a == b).count();
        row(out, index, order, shared, base);
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

fn row(out: &mut String, index: usize, order: &Order, shared: usize, base: &str) {
    let class = class(order);
    let mark = match class {
        "passed" => "✓",
        "known" => "≈",
        "failed" => "✗",
        _ => "!",
    };
    let address = order.run().map_or("#".to_owned(), |run| address(base, &run));
    let good = if order.is_fine() { "good" } else { "bad" };
    let _ = write!(
        out,
        "<tr class=\"{good}\"><th scope=\"row\">{}</th>\
         <td><a class=\"{class}\" href=\"{}\" data-place=\"{index}\">\
         <span class=\"mark\">{mark}</span> {}</a></td>\n<td class=\"text\"><ol class=\"points\">",
        order.number,
        escape(&address),
        escape(&order.word()),
    );
    for (n, point) in order.points.iter().enumerate() {
        let kind = if point.is_step() { "step" } else { "gate" };
        let faint = if n < shared { " shared" } else { "" };
        let _ = write!(out, "<li class=\"{kind}{faint}\">{}</li>", escape(&point.word()));
    }
    out.push_str("</ol>");
    let mut under = |class: &str, text: &str| {
        let _ = write!(out, "<p class=\"{class}\">{}</p>", escape(text));
    };
    for problem in &order.problems {
        under("bad", &format!("{}: {}", problem.class.replace('-', " "), problem.what));
    }
    if order.class.is_none() {
        under("bad", &order.verdict.line);
    }
    if let Some(known) = &order.known {
        under("sub", &format!("known: {} ({})", known.reason, known.at));
    }
    for failed in &order.failed_steps {
        under("sub", &format!("refused: {failed}"));
    }
    if let Some(alike) = order.alike {
        under("sub", &format!("went like order {alike}"));
    }
    match order.replays {
        Some(false) => {
            under("sub", "its replay ended otherwise: this order does not decide it alone");
        }
        Some(true) => under("sub", "its replay ended the same"),
        None => {}
    }
    if let Some(file) = &order.file {
        under("sub", &format!("again: iwlbench run {}", file.display()));
    }
    out.push_str("</td></tr>\n");
}

/// Known failures that did not come.
fn gone(out: &mut String, exploration: &Exploration) {
    if exploration.gone.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Known failures</h2>\n<ul>\n");
    for known in &exploration.gone {
        let _ = writeln!(
            out,
            "<li class=\"bad\"><span class=\"what\">{} does not come any more: take it out of {}\
             </span></li>",
            escape(&known.reason),
            escape(&known.at)
        );
    }
    out.push_str("</ul>\n</section>\n");
}

fn environment(out: &mut String, exploration: &Exploration, run: Option<&Run>) {
    let record = run.and_then(|run| run.record.as_ref());
    let text = |path: &str| {
        let fact = record.and_then(|record| record.facts_at(path));
        fact.map(fields::plain).unwrap_or_default()
    };
    let accel = record.map(|record| record.accel.clone()).unwrap_or_default();
    let facts = [
        ("date", exploration.date.clone()),
        ("iwlbench", program(&exploration.iwlbench)),
        ("command", exploration.command.clone()),
        (
            "kernel",
            [&*exploration.kernel, &*text("/kernel/package_version")].join(" ").trim().to_owned(),
        ),
        ("kernel SHA-256", text("/kernel_sha256")),
        ("QEMU", text("/qemu")),
        ("acceleration", accel),
        ("directory", exploration.place.display().to_string()),
    ];
    page::environment(out, facts, &text("/scenario_text"));
}
