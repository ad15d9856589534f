//! How fast this machine is now. What a boot takes depends on that more than on anything: it may be
//! emulated itself, or have other work.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a kernel has from power-on to its agent, on a machine that is not slow. Measured: 4 to 9 s
/// under TCG on two cores.
pub const BOOT_WITHIN: Duration = Duration::from_secs(180);
use crate::record::digest::sha256_hex;

/// What is hashed for a measure, and how long that takes a machine of 2015 that is idle and has no
/// instruction for it.
const BYTES: usize = 1 << 20;
const NOMINAL: Duration = Duration::from_millis(4);
/// A slower machine than that is waited for no longer.
const SLOWEST: u32 = 20;

/// A deadline that is long enough for the nominal machine, made long enough for this one; measured
/// once.
pub fn scaled(deadline: Duration) -> Duration {
    static SLOWNESS: OnceLock<u32> = OnceLock::new();
    deadline * *SLOWNESS.get_or_init(|| slowness(measure()))
}

fn measure() -> Duration {
    let bytes = vec![0x5a; BYTES];
    let start = Instant::now();
    std::hint::black_box(sha256_hex(&bytes));
    start.elapsed()
}

/// How many times as long as the nominal machine this one takes.
fn slowness(took: Duration) -> u32 {
    let times = took.as_nanos().div_ceil(NOMINAL.as_nanos());
    u32::try_from(times).unwrap_or(SLOWEST).clamp(1, SLOWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_shorter_and_not_for_ever() {
        assert_eq!(slowness(Duration::from_micros(500)), 1);
        assert_eq!(slowness(NOMINAL), 1);
        assert_eq!(slowness(NOMINAL * 7), 7);
        assert_eq!(slowness(Duration::from_secs(3600)), SLOWEST);
        assert!(scaled(Duration::from_secs(15)) >= Duration::from_secs(15));
    }
}
