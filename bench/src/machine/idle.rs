//! Whether a guest has anything to do, as its QEMU shows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Whether a guest has anything to do: on a machine under load it says nothing for long, and has.
#[derive(Debug, Default)]
pub struct Idle(VecDeque<(Instant, Duration)>);

impl Idle {
    /// It has been busy for so long in all.
    pub fn look(&mut self, at: Instant, busy: Duration) {
        self.0.push_back((at, busy));
    }

    /// Whether it was busy for less than half of its last so long.
    pub fn through(&self, within: Duration) -> bool {
        let Some((now, busy)) = self.0.back() else { return false };
        let before = self.0.iter().rev().find(|(at, _)| now.duration_since(*at) >= within);
        before.is_some_and(|(at, then)| busy.saturating_sub(*then) * 2 < now.duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_is_held_up_is_not_idle() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let idle = |share: u32| {
            let mut idle = Idle::default();
            (0..=20).for_each(|n| idle.look(start + second * n, second * n * share / 100));
            idle
        };
        assert!(idle(10).through(second * 10));
        assert!(!idle(90).through(second * 10));
        assert!(!idle(10).through(second * 30), "not known for so long");
    }
}
