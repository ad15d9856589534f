//! An exploration for the terminal.

use std::fmt::Write;

use super::{Class, Exploration, Order};
use crate::record::{cite, files};
use crate::report::look::{Look, NO_BREAK};

/// The orders with their ends, the ends with their orders, and what was not played.
pub fn table(exploration: &Exploration, lab: &str, look: Look) -> String {
    let mut out = String::new();
    let Exploration { scenario, card, bound, .. } = exploration;
    let head = format!("{scenario} · {card} · every order, at most {bound} (--bound)");
    line(&mut out, &look.bold(&look.wrapped(&head, 2)));
    line(&mut out, &look.faint(&look.wrapped(lab, 2)));
    line(&mut out, &look.faint(&look.wrapped(POINTS, 2)));
    for order in &exploration.orders {
        row(&mut out, order, look);
    }
    line(&mut out, "");
    for (end, orders) in ends(&exploration.orders) {
        let numbers: Vec<_> = orders.iter().map(|order| order.number.to_string()).collect();
        let of = if orders.len() == 1 { "order" } else { "orders" };
        let odd = orders.iter().any(|order| {
            order.problems.iter().any(|problem| problem.class == Class::UnexpectedState)
        });
        let end = format!("{:>4} × {end} ({of} {})", orders.len(), numbers.join(", "));
        let end = look.wrapped(&end, 7);
        line(&mut out, &if odd { look.bad(&end) } else { end });
    }
    let again: Vec<_> = exploration.orders.iter().filter_map(|order| order.file.as_ref()).collect();
    for file in &again {
        let again = format!("iwlbench run {}", cite::words([file.display().to_string()]));
        line(&mut out, &look.command("again: ", &again));
    }
    for gone in &exploration.gone {
        let told = format!("{scenario} {card} {}", gone.told(""));
        line(&mut out, &look.bad(&look.wrapped(&told, 2)));
    }
    line(&mut out, &look.wrapped(&last(exploration, again.len(), look), 2));
    let page = exploration.directory.join(files::PAGE);
    line(&mut out, &look.faint(&format!("page: {}", page.display())));
    line(&mut out, "");
    out
}

/// What the rows are made of.
const POINTS: &str =
    "each row: what was done, step or request let go, in this order; (2) is the second of its name";

/// Where the text of a row begins.
const TEXT_AT: usize = 22;

fn row(out: &mut String, order: &Order, look: Look) {
    let points: Vec<_> = order.points.iter().map(ToString::to_string).collect();
    let word = order.class.map_or(order.outcome.word(), Class::word);
    let head = format!("{:>4} {word:<16} ", order.number);
    let alike = order.alike.map(|n| format!("(went like {n})")).unwrap_or_default();
    let together = alike.replace(' ', NO_BREAK);
    let whole = format!("{head}{}  {together}", points.join(" · "));
    let whole = look.wrapped(whole.trim_end(), TEXT_AT);
    let text = whole.strip_prefix(&head).and_then(|text| text.strip_suffix(&alike));
    let word = match order.class {
        Some(Class::Fine) => look.good(&format!("{word:<16}")),
        _ if order.known.is_some() => look.warning(&format!("{word:<16}")),
        _ => look.bad(&format!("{word:<16}")),
    };
    let alike = if alike.is_empty() { alike } else { look.faint(&alike) };
    line(out, &format!("{:>4} {word} {}{alike}", order.number, text.unwrap_or_default()));
    let under = |out: &mut String, text: &str, style: fn(Look, &str) -> String| {
        line(out, &style(look, &look.wrapped(&format!("{:TEXT_AT$}{text}", ""), TEXT_AT + 2)));
    };
    let plain = |_: Look, text: &str| text.to_owned();
    for problem in &order.problems {
        under(out, &problem.to_string(), Look::bad);
    }
    if order.class.is_none() {
        under(out, &order.line, plain);
    }
    if let Some(known) = &order.known {
        under(out, &known.told(order.outcome.word()), Look::warning);
    }
    for failed in &order.failed_steps {
        under(out, &format!("refused: {failed}"), Look::faint);
    }
    match order.replays {
        Some(false) => {
            under(out, "its replay ended otherwise: this order does not decide it alone", plain);
        }
        Some(true) => under(out, "its replay ended the same", Look::faint),
        None => {}
    }
}

/// The ends with the orders that have them, the most frequent first.
fn ends(orders: &[Order]) -> Vec<(&str, Vec<&Order>)> {
    let mut ends: Vec<(&str, Vec<&Order>)> = Vec::new();
    for order in orders {
        let end = order.end.as_deref().unwrap_or("the guest did not get to its end");
        match ends.iter_mut().find(|(known, _)| *known == end) {
            Some((_, all)) => all.push(order),
            None => ends.push((end, vec![order])),
        }
    }
    ends.sort_by_key(|(_, orders)| std::cmp::Reverse(orders.len()));
    ends
}

fn last(exploration: &Exploration, bad: usize, look: Look) -> String {
    let Exploration { orders, left, bound, .. } = exploration;
    let played = match (left, orders.len()) {
        (0, all) => format!("played {all} of {all} orders"),
        (left, played) if played >= *bound => {
            format!("the bound of {bound} orders was reached, {left} or more are left")
        }
        (left, 1) => format!("stopped: played 1 order, {left} or more are left"),
        (left, played) => format!("stopped: played {played} orders, {left} or more are left"),
    };
    let unplayed = orders.iter().filter(|order| order.class.is_none()).count();
    let unplayed = match unplayed {
        0 => String::new(),
        n => format!(", {n} could not be played"),
    };
    match bad {
        0 if unplayed.is_empty() => {
            let which = if *left == 0 { "all fine" } else { "the played ones are all fine" };
            format!("{played}: {}", look.good(which))
        }
        0 => format!("{played}{unplayed}"),
        bad => {
            let known = orders.iter().filter(|order| order.known.is_some()).count();
            match bad - known.min(bad) {
                0 => {
                    format!("{played}{unplayed}: {}", look.warning(&format!("{bad} bad, as known")))
                }
                _ if known > 0 => {
                    let told = format!("{bad} bad, {known} of them as known");
                    format!("{played}{unplayed}: {}", look.bad(&told))
                }
                _ => format!("{played}{unplayed}: {}", look.bad(&format!("{bad} bad"))),
            }
        }
    }
}

/// A bad order in a line.
pub fn failure(order: &Order) -> String {
    let what = order.problems.first().map_or_else(|| order.line.clone(), ToString::to_string);
    let remedy = match &order.file {
        Some(file) => format!("; again: iwlbench run {}", file.display()),
        None => format!("; see {}", order.directory.display()),
    };
    format!("order {}: {what}{remedy}", order.number)
}

fn line(out: &mut String, text: &str) {
    // A String takes any write.
    let _ = writeln!(out, "{text}");
}
