//! Knowing that every observer has caught up.

use guest_protocol::CommandError;

use super::marks::{self, Stream};
use super::{kmsg, trace, uevent};

/// Returns when every observer has told what it could know when this was called. A
/// stream that cannot be marked is not there to be watched.
pub(crate) fn settle() -> Result<(), CommandError> {
    let marked = [
        (Stream::KernelLog, kmsg::mark()),
        (Stream::Trace, trace::mark()),
        (Stream::Uevents, uevent::mark()),
    ];
    for (stream, mark) in marked {
        let Ok(mark) = mark else { continue };
        marks::await_mark(stream, mark)?;
    }
    Ok(())
}
