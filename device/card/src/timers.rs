//! What is due, and when.

use std::collections::BTreeMap;

use crate::world::Nanos;

/// Most that can be due at once: commands make timers, and a guest makes commands.
pub(crate) const LIMIT: usize = 64;

/// As much is due as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// A queue, by time; what is due at one time comes in the order it was scheduled.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    queue: BTreeMap<(Nanos, u64), T>,
    scheduled: u64,
}

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Self { queue: BTreeMap::new(), scheduled: 0 }
    }

    /// Something is due at `at`, which may be past.
    pub(crate) fn schedule(&mut self, at: Nanos, what: T) -> Result<(), Full> {
        if self.queue.len() >= LIMIT {
            return Err(Full);
        }
        self.queue.insert((at, self.scheduled), what);
        self.scheduled += 1;
        Ok(())
    }

    /// When the next is due.
    pub(crate) fn next(&self) -> Option<Nanos> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next that is due by now, with its time.
    pub(crate) fn take(&mut self, now: Nanos) -> Option<(Nanos, T)> {
        self.next().filter(|at| *at <= now)?;
        self.queue.pop_first().map(|((at, _), what)| (at, what))
    }

    /// Calls off whatever is `off`.
    pub(crate) fn cancel(&mut self, off: impl Fn(&T) -> bool) {
        self.queue.retain(|_, what| !off(what));
    }

    /// Calls off everything.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(timers: &mut Timers<char>, now: Nanos) -> String {
        std::iter::from_fn(|| timers.take(now)).map(|(_, what)| what).collect()
    }

    #[test]
    fn time_goes_before_order_and_order_counts_within_a_time() {
        let mut timers = Timers::new();
        for (at, what) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b'), (9, 'e')] {
            assert_eq!(timers.schedule(at, what), Ok(()));
        }
        assert_eq!(timers.next(), Some(3));
        assert_eq!(take_all(&mut timers, 2), "");
        assert_eq!(take_all(&mut timers, 5), "abcd");
        assert_eq!(timers.next(), Some(9));
    }

    #[test]
    fn any_can_be_called_off() {
        let mut timers = Timers::new();
        for (at, what) in [(1, 'a'), (2, 'b'), (3, 'a')] {
            assert_eq!(timers.schedule(at, what), Ok(()));
        }
        timers.cancel(|what| *what == 'a');
        assert_eq!(take_all(&mut timers, 9), "b");
    }

    #[test]
    fn there_are_only_so_many() {
        let mut timers = Timers::new();
        for _ in 0..LIMIT {
            assert_eq!(timers.schedule(0, 'a'), Ok(()));
        }
        assert_eq!(timers.schedule(0, 'b'), Err(Full));
        assert!(timers.take(0).is_some());
        assert_eq!(timers.schedule(0, 'b'), Ok(()), "one has gone");
    }
}
