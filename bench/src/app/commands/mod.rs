//! The commands, a file each.

pub mod check;
pub mod device;
pub mod explore;
pub mod image;
pub mod list;
pub mod manual;
pub mod matrix;
pub mod report;
pub mod run;
pub mod setup;
pub mod ucode;

use iwl_card::CardSpec;

use crate::BadUsage;

/// The card of that name.
///
/// # Errors
/// There is none.
pub fn card(name: &str) -> Result<&'static CardSpec, BadUsage> {
    iwl_card::card(name).ok_or_else(|| {
        let known: Vec<_> = iwl_card::cards().iter().map(|c| c.name).collect();
        BadUsage(format!("there is no card `{name}`; there are: {}", known.join(", ")))
    })
}

/// Guests at once: as many as the user wants, else half as many again as there are CPUs: often
/// one waits for a driver's timeout and leaves its CPU to another.
pub fn jobs(wanted: Option<usize>) -> usize {
    wanted.unwrap_or_else(|| {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        cpus + cpus.div_ceil(2)
    })
}

/// Writes to standard output; a reader that has gone (`| head`) is no error.
///
/// # Errors
/// Any other failure to write.
pub fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
