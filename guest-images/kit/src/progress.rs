//! What a person sees while the kit works.

/// Told what the kit is doing. The bench draws it.
pub trait Progress: Send + Sync {
    /// A step begins; `what` is a short phrase such as "fetching QEMU".
    fn step(&self, what: &str);
    /// The present step has got `done` of `total` bytes.
    fn bytes(&self, done: u64, total: u64);
    /// Something worth a line of its own that is no failure.
    fn note(&self, line: &str);
    /// The present step has ended.
    fn finish(&self);
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _what: &str) {}
    fn bytes(&self, _done: u64, _total: u64) {}
    fn note(&self, _line: &str) {}
    fn finish(&self) {}
}
