//! How fast this machine is now. What a boot takes depends on that more than on anything: it may be
//! emulated itself, or have other work.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use guest_kit::DEBUG_LOCALVERSION;

use crate::record::digest::sha256_hex;

/// How long a kernel has from power-on to its agent, on a machine that is not slow. Measured: 4 to 9 s
/// under TCG on two cores.
pub const BOOT_WITHIN: Duration = Duration::from_secs(180);

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

/// How many times as long everything takes in a debug kernel, with KASAN, lockdep and kmemleak. Measured: 5 to
/// 10 times the CPU of a stock kernel's run.
const DEBUG_SLOWNESS: u32 = 4;

/// The patience of a scenario, which is for a stock kernel, with the kernel of this release.
pub fn patience(patience: Duration, release: &str) -> Duration {
    if release.ends_with(DEBUG_LOCALVERSION) { patience * DEBUG_SLOWNESS } else { patience }
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

/// kHz of this machine's time-stamp counter, in whole MHz; nothing if it cannot be told. Measured once.
pub fn tsc_khz() -> Option<u32> {
    static KHZ: OnceLock<Option<u32>> = OnceLock::new();
    *KHZ.get_or_init(measure_tsc)
}

/// How long it is counted: an instant is known to a microsecond.
const COUNTED: Duration = Duration::from_millis(5);
/// No counter of an x86-64 machine goes slower, or faster.
const PLAUSIBLE_KHZ: std::ops::RangeInclusive<u128> = 500_000..=10_000_000;

fn measure_tsc() -> Option<u32> {
    let (begun, from) = count()?;
    std::thread::sleep(COUNTED);
    let (ended, to) = count()?;
    let khz = u128::from(to.checked_sub(from)?) * 1_000_000 / (ended - begun).as_nanos().max(1);
    let mhz = (khz + 500) / 1000;
    PLAUSIBLE_KHZ.contains(&khz).then(|| u32::try_from(mhz * 1000).ok()).flatten()
}

/// An instant and the counter at it, as near to each other as they come.
fn count() -> Option<(Instant, u64)> {
    let look = || {
        let before = Instant::now();
        let count = tsc();
        (before.elapsed(), before, count)
    };
    let (took, before, count) = (0..16).map(|_| look()).min_by_key(|(took, ..)| *took)?;
    Some((before + took / 2, count))
}

#[expect(unsafe_code, reason = "the counter is read by an instruction")]
fn tsc() -> u64 {
    // SAFETY: every x86-64 has it, and Linux lets programs use it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a number that is made up: two measures, a while apart, are of one counter.
    #[test]
    fn the_counter_has_a_pace() {
        let first = measure_tsc().expect("it has one");
        let second = measure_tsc().expect("it has one");
        assert!(first.abs_diff(second) <= first / 100, "{first} {second}");
        assert_eq!(first % 1000, 0);
    }

    #[test]
    fn a_deadline_is_never_shorter_and_not_for_ever() {
        assert_eq!(slowness(Duration::from_micros(500)), 1);
        assert_eq!(slowness(NOMINAL), 1);
        assert_eq!(slowness(NOMINAL * 7), 7);
        assert_eq!(slowness(Duration::from_secs(3600)), SLOWEST);
        assert!(scaled(Duration::from_secs(15)) >= Duration::from_secs(15));
        let within = Duration::from_secs(60);
        assert_eq!(patience(within, "7.3.4+deb13-amd64"), within);
        assert_eq!(patience(within, "7.3.4-debug"), within * DEBUG_SLOWNESS);
    }
}
