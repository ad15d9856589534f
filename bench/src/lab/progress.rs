//! What a lab tells of itself while it works, to whoever shows it.

use crate::facts::milestone::Reached;

/// Of a lab.
pub trait LabProgress: Sync {
    /// A line that is no failure.
    fn note(&self, line: &str);

    /// What somebody has to have before anything goes on, however quiet it is.
    fn waits(&self, line: &str);
}

/// Of a run.
pub trait RunProgress {
    /// Something that takes long begins.
    fn phase(&self, phase: &str);

    /// The guest is there: what took longest is over.
    fn up(&self);

    /// Somebody else writes to the terminal from now on.
    fn leave_the_terminal(&self);

    /// The run got this far.
    fn milestone(&self, reached: &Reached);
}
