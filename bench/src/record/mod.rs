//! What is kept of a run.

pub mod run;
pub mod rundir;
