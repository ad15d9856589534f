//! What the bench has said to the agent, for the case that the kernel loses it: a suspend drops what
//! lies in the port.

use std::collections::VecDeque;

use guest_protocol::{MAX_LINE, ToGuest};

/// How many lines are kept, and how many bytes of them. What is lost is what was said while the
/// kernel suspended: a few answers.
const LINES: usize = 256;
const BYTES: usize = 2 * MAX_LINE;

/// The last lines, each with its number.
#[derive(Debug, Default)]
pub(super) struct Said {
    kept: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines said so far; the last one kept has this number.
    count: u64,
}

/// A message as it goes over the line.
pub(super) fn line_of(message: &ToGuest) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("plain data");
    line.push(b'\n');
    line
}

impl Said {
    pub(super) fn keep(&mut self, line: Vec<u8>) {
        self.count += 1;
        self.bytes += line.len();
        self.kept.push_back(line);
        while self.kept.len() > LINES || self.bytes > BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }

    /// The lines after the first `received`, and how many of those are not kept.
    pub(super) fn after(&self, received: u64) -> (impl Iterator<Item = &Vec<u8>>, u64) {
        let missing = self.count.saturating_sub(received);
        let kept = usize::try_from(missing).unwrap_or(usize::MAX).min(self.kept.len());
        (self.kept.iter().skip(self.kept.len() - kept), missing - kept as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(said: &Said, received: u64) -> (Vec<u8>, u64) {
        let (lines, for_good) = said.after(received);
        (lines.flatten().copied().collect(), for_good)
    }

    #[test]
    fn what_was_not_received_is_said_again() {
        let mut said = Said::default();
        assert_eq!(after(&said, 0), (vec![], 0));
        for byte in 1..=3 {
            said.keep(vec![byte]);
        }
        assert_eq!(after(&said, 3), (vec![], 0));
        assert_eq!(after(&said, 1), (vec![2, 3], 0));
        // An agent that claims more than was said is owed nothing.
        assert_eq!(after(&said, 9), (vec![], 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut said = Said::default();
        for _ in 0..LINES + 5 {
            said.keep(vec![1]);
        }
        let (lines, for_good) = after(&said, 0);
        assert_eq!((lines.len(), for_good), (LINES, 5));
        for _ in 0..3 {
            said.keep(vec![0; MAX_LINE]);
        }
        assert_eq!((said.kept.len(), said.bytes), (2, BYTES));
    }
}
