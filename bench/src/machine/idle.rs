//! Whether a guest has anything to do, as its QEMU shows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Whether a guest has anything to do: on a machine under load it says nothing for long, and has.
#[derive(Debug, Default)]
pub struct Idle(VecDeque<Look>);

/// For how long it had run by then, and for how long it had run or waited for a CPU.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    ran: Duration,
    busy: Duration,
}

impl Idle {
    /// It has run for so long in all, and run or wanted to for so long.
    pub fn look(&mut self, at: Instant, ran: Duration, busy: Duration) {
        self.0.push_back(Look { at, ran, busy });
    }

    /// Whether it was busy for less than half of its last so long: on a busy machine one that only ticks
    /// waits for its turns.
    pub fn through(&self, within: Duration) -> bool {
        self.last(within).is_some_and(|(wall, _, busy)| busy * 2 < wall)
    }

    /// Whether it has hardly run either: who boots for a third of it and is through has.
    pub fn at_rest(&self, within: Duration) -> bool {
        let hardly = |(wall, ran, _)| ran * 10 < wall;
        self.through(within) && self.last(within).is_some_and(hardly)
    }

    /// What it did within its last so long, and a little more, if that is known.
    fn last(&self, within: Duration) -> Option<(Duration, Duration, Duration)> {
        let now = self.0.back()?;
        let then = self.0.iter().rev().find(|then| now.at.duration_since(then.at) >= within)?;
        let (ran, busy) = (now.ran.saturating_sub(then.ran), now.busy.saturating_sub(then.busy));
        Some((now.at.duration_since(then.at), ran, busy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Twenty seconds, of each of which it runs and waits for a CPU for so many hundredths.
    fn of(hundredths: impl Fn(u32) -> (u32, u32)) -> Idle {
        let (mut idle, start) = (Idle::default(), Instant::now());
        let (mut ran, mut busy) = (0, 0);
        for n in 0..=20 {
            idle.look(start + SECOND * n, SECOND * ran / 100, SECOND * busy / 100);
            let (runs, waits) = hundredths(n);
            (ran, busy) = (ran + runs, busy + runs + waits);
        }
        idle
    }

    #[test]
    fn a_guest_that_is_held_up_is_not_idle() {
        assert!(of(|_| (5, 5)).through(SECOND * 10));
        assert!(!of(|_| (5, 85)).through(SECOND * 10));
        assert!(!of(|_| (5, 5)).through(SECOND * 30), "not known for so long");
    }

    #[test]
    fn a_guest_that_has_just_worked_is_not_at_rest() {
        assert!(of(|_| (5, 30)).at_rest(SECOND * 10));
        assert!(!of(|_| (5, 85)).at_rest(SECOND * 10));
        // A boot, which takes three seconds of the last ten.
        let boots = of(|n| if (11..14).contains(&n) { (100, 0) } else { (2, 0) });
        assert!(boots.through(SECOND * 10) && !boots.at_rest(SECOND * 10));
        assert!(boots.at_rest(SECOND * 6));
    }
}
