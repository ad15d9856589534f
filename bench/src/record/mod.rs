//! What is kept of a run, and under which names.

pub mod cite;
pub mod digest;
pub mod files;
pub mod matrix;
pub mod run;
pub mod rundir;
pub mod sweep;
pub mod tracedat;
