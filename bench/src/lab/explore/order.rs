//! Which orders there are, and which to play next: a search without guests.
//!
//! What is enabled shows only while an order is played. So an order is played by following a
//! prefix of points and then always the first that is enabled; each point beside the way that
//! could have been next makes a prefix of its own. No order is met twice: two of them differ in
//! the first point that they do not share, and each prefix ends in such a point.

use std::fmt;

use serde::Serialize;

/// Something that the host decides to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "point", rename_all = "kebab-case")]
pub enum Point {
    /// It lets the oldest request by this name go.
    Release {
        /// Module or file.
        name: String,
        /// Of the requests by this name in this order, 1-based.
        nth: usize,
    },
    /// It takes the next step of the scenario.
    Step {
        /// Of the steps that are points, 0-based.
        index: usize,
        /// Its name.
        step: String,
    },
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Release { name, nth: 1 } => f.write_str(name),
            Point::Release { name, nth } => write!(f, "{name} ({nth})"),
            Point::Step { step, .. } => f.write_str(step),
        }
    }
}

/// What could have come next, and what did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Not empty.
    pub enabled: Vec<Point>,
    /// Index into it.
    pub taken: usize,
}

impl Choice {
    /// What came next.
    pub fn point(&self) -> &Point {
        &self.enabled[self.taken]
    }
}

/// A depth-first search of the orders.
#[derive(Debug)]
pub struct Search {
    /// Prefixes that nobody has followed yet; the last is the deepest.
    open: Vec<Vec<Point>>,
    begun: usize,
    bound: usize,
}

impl Search {
    /// Of at most so many orders.
    pub fn new(bound: usize) -> Search {
        Search { open: vec![Vec::new()], begun: 0, bound }
    }

    /// The prefix of the next order to be played; none if the bound is reached, or if nothing is
    /// known to be left. More may be known when an order that is being played has ended.
    pub fn next(&mut self) -> Option<Vec<Point>> {
        if self.begun == self.bound {
            return None;
        }
        let prefix = self.open.pop()?;
        self.begun += 1;
        Some(prefix)
    }

    /// An order was played, of which the first `followed` points were its prefix.
    pub fn played(&mut self, followed: usize, choices: &[Choice]) {
        for (at, choice) in choices.iter().enumerate().skip(followed) {
            let way = || choices[..at].iter().map(|before| before.point().clone());
            let others = choice.enabled.iter().enumerate().filter(|(i, _)| *i != choice.taken);
            // The first of them is the first to be played.
            self.open.extend(others.rev().map(|(_, other)| way().chain([other.clone()]).collect()));
        }
    }

    /// Orders whose play has begun.
    pub fn begun(&self) -> usize {
        self.begun
    }

    /// Orders that are known to be left, each of which may turn out to be several.
    pub fn left(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A guest that is made up: each step and each release lets some requests come.
    struct Model {
        steps: &'static [(&'static str, &'static [&'static str])],
        requests: &'static [(&'static str, &'static [&'static str])],
    }

    impl Model {
        fn play(&self, prefix: &[Point]) -> Vec<Choice> {
            let (mut held, mut next_step) = (Vec::<&str>::new(), 0);
            let mut choices: Vec<Choice> = Vec::new();
            loop {
                let nth = |name: &str| {
                    let same = |c: &&Choice| matches!(c.point(), Point::Release { name: n, .. } if n == name);
                    choices.iter().filter(same).count() + 1
                };
                let mut names = held.clone();
                names.dedup();
                let mut enabled: Vec<_> = names
                    .iter()
                    .map(|name| Point::Release { name: (*name).to_owned(), nth: nth(name) })
                    .collect();
                if let Some((step, _)) = self.steps.get(next_step) {
                    enabled.push(Point::Step { index: next_step, step: (*step).to_owned() });
                }
                if enabled.is_empty() {
                    return choices;
                }
                let taken = match prefix.get(choices.len()) {
                    Some(point) => enabled.iter().position(|e| e == point).expect("reproducible"),
                    None => 0,
                };
                let comes = match &enabled[taken] {
                    Point::Step { .. } => {
                        next_step += 1;
                        self.steps[next_step - 1].1
                    }
                    Point::Release { name, .. } => {
                        held.remove(held.iter().position(|held| held == name).expect("held"));
                        self.requests.iter().find(|(n, _)| n == name).map_or(&[][..], |r| r.1)
                    }
                };
                held.extend(comes);
                choices.push(Choice { enabled, taken });
            }
        }

        /// All orders that a search plays, as text, in its order; and what it leaves.
        fn explore(&self, bound: usize) -> (Vec<String>, usize) {
            let mut search = Search::new(bound);
            let mut orders = Vec::new();
            while let Some(prefix) = search.next() {
                let choices = self.play(&prefix);
                search.played(prefix.len(), &choices);
                let points: Vec<_> = choices.iter().map(|c| c.point().to_string()).collect();
                orders.push(points.join(" "));
            }
            assert_eq!(search.begun(), orders.len());
            (orders, search.left())
        }
    }

    /// Unbinding a device while firmware and opmode are on their way.
    const UNBIND: Model = Model {
        steps: &[("coldplug", &["fw"]), ("unbind", &[])],
        requests: &[("fw", &["opmode"])],
    };

    #[test]
    fn every_order_is_played_once_the_deepest_first() {
        let (orders, left) = UNBIND.explore(100);
        let want =
            ["coldplug fw opmode unbind", "coldplug fw unbind opmode", "coldplug unbind fw opmode"];
        assert_eq!(orders, want);
        assert_eq!(left, 0);
    }

    /// Counted by hand: n chains of two points each interleave in (2n)!/2^n ways.
    #[test]
    fn the_orders_of_independent_chains() {
        const CARDS: Model = Model {
            steps: &[("coldplug", &["fw1", "fw2", "fw3"])],
            requests: &[("fw1", &["op1"]), ("fw2", &["op2"]), ("fw3", &["op3"])],
        };
        let (orders, left) = CARDS.explore(1000);
        assert_eq!((orders.len(), left), (90, 0));
        assert_eq!(orders.iter().collect::<HashSet<_>>().len(), 90, "none twice");
    }

    #[test]
    fn the_same_name_asked_for_again_is_another_point() {
        const AGAIN: Model =
            Model { steps: &[("a", &["fw"]), ("b", &["fw"])], requests: &[("fw", &[])] };
        let (orders, _) = AGAIN.explore(100);
        assert_eq!(orders, ["a fw b fw (2)", "a b fw fw (2)"]);
    }

    #[test]
    fn the_bound_is_kept_and_what_is_left_is_told() {
        let (orders, left) = UNBIND.explore(2);
        assert_eq!((orders.len(), left), (2, 1));
        assert_eq!(UNBIND.explore(3).1, 0);
        assert_eq!(UNBIND.explore(1).1, 2);
    }

    /// Several orders are played at a time: nothing is lost and nothing played twice.
    #[test]
    fn orders_played_at_the_same_time() {
        let mut search = Search::new(100);
        let mut orders = HashSet::new();
        let mut on_their_way: Vec<Vec<Point>> = Vec::new();
        loop {
            while on_their_way.len() < 2
                && let Some(prefix) = search.next()
            {
                on_their_way.push(prefix);
            }
            if on_their_way.is_empty() {
                break;
            }
            let prefix = on_their_way.remove(0);
            let choices = UNBIND.play(&prefix);
            search.played(prefix.len(), &choices);
            let path: Vec<_> = choices.iter().map(|choice| choice.taken).collect();
            assert!(orders.insert(path), "twice");
        }
        assert_eq!(orders.len(), 3);
    }
}
