//! A run's directory: everything needed to judge the run later.
//!
//! `run.json` (versions, hashes, verdict), `events.jsonl`, `timeline.txt`, `console.log`,
//! `dmesg.txt`, `again.sh` and the scenario, `qemu.args`, `qemu.stderr`; `trace.dat`, if it is wanted.

use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fs_err as fs;

use crate::facts::timeline::{Event, write_header, write_line};
use crate::record::files;

/// A run's directory.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes a new directory named `stem` in `parent`, or `stem-2`, `stem-3`, … if that exists.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create_in(parent: &Path, stem: &str) -> anyhow::Result<RunDir> {
        let nowhere = "there is no place for what is kept of the run; name another with --out DIR";
        fs::create_dir_all(parent).context(nowhere)?;
        for n in 1.. {
            let name = if n == 1 { stem.to_owned() } else { format!("{stem}-{n}") };
            let path = parent.join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(RunDir { path }),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).context(nowhere),
            }
        }
        unreachable!("there is always a free number")
    }

    /// Takes it away: nothing came of it.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(self) -> anyhow::Result<()> {
        Ok(fs::remove_dir_all(self.path)?)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new file in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&self, name: &str) -> anyhow::Result<std::fs::File> {
        Ok(fs::File::create(self.path.join(name))?.into())
    }

    /// Writes a whole file, or none.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        write_whole(&self.path.join(name), |out| out.write_all(text.as_bytes()))
    }

    /// The events as they come; [`RunDir::write_events`] puts the ordered ones in its place.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn live_events(&self) -> anyhow::Result<impl Write + Send + use<>> {
        let mut file = BufWriter::new(self.create(files::EVENTS)?);
        write_header(&mut file).context(files::EVENTS)?;
        Ok(file)
    }

    /// The events in their final order.
    ///
    /// # Errors
    /// They cannot be written; the file of the live ones then still stands.
    pub fn write_events(&self, events: &[Event]) -> anyhow::Result<()> {
        write_whole(&self.path.join(files::EVENTS), |out| {
            write_header(out)?;
            events.iter().try_for_each(|event| write_line(out, event))
        })
    }
}

/// Puts a file in its place when it has been written to its end: on a full disk there is none, or
/// the one that was there, and never a part.
///
/// # Errors
/// It cannot be written.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let parent = path.parent().context("a file has a directory")?;
    let written = || -> std::io::Result<()> {
        // Readable for whom other files are; a temporary file is its owner's alone.
        let mut file = tempfile::Builder::new()
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(parent)?;
        let mut out = BufWriter::new(&mut file);
        write(&mut out)?;
        out.flush()?;
        drop(out);
        file.persist(path)?;
        Ok(())
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

/// Where runs go if the user does not say: `$IWLBENCH_RUNS`, else `$XDG_STATE_HOME/iwlbench`,
/// else `~/.local/state/iwlbench`.
///
/// # Errors
/// None of the variables is set.
pub fn default_parent() -> anyhow::Result<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("IWLBENCH_RUNS")
        .or_else(|| var("XDG_STATE_HOME").map(|d| d.join("iwlbench/runs")))
        .or_else(|| var("HOME").map(|d| d.join(".local/state/iwlbench/runs")))
        .context("no place for the run's directory: set HOME, or give --out DIR")
}

/// The present time, UTC, as `20261122-220405`: sorts by time.
pub fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a full disk does it: a part is written, then no more.
    #[test]
    fn a_file_is_whole_or_not_there() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("run.json");
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let cut = |out: &mut dyn Write| out.write_all(&[b'x'; 1 << 16]).and(Err(full()));
        let error = write_whole(&path, cut).expect_err("it does not fit");
        assert!(format!("{error:#}").contains("run.json"), "{error:#}");
        write_whole(&path, |out| out.write_all(b"whole")).expect("written");
        write_whole(&path, cut).expect_err("it does not fit");
        assert!(fs::read(&path).expect("there") == b"whole", "the part replaced the whole");
        assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 1, "nothing else is left");
    }

    #[test]
    fn whoever_reads_other_files_reads_these() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (ours, other) = (dir.path().join("events.jsonl"), dir.path().join("other"));
        write_whole(&ours, |out| out.write_all(b"x")).expect("written");
        fs::write(&other, "x").expect("written");
        let mode = |path| fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode(ours), mode(other));
    }
}
