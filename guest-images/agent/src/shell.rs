//! The guest's `/bin/sh`, `/bin/true` and `/bin/false`.
//!
//! modprobe runs the commands of `install` and `remove` lines through `system(3)`, which
//! starts `/bin/sh -c COMMAND`. This shell knows one simple command: words without
//! quotes, variables or operators. That is what `install iwlmvm /bin/true` needs; what
//! is more fails as a shell fails, instead of doing something else.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Links to the agent, made where the image has no such program.
const PROGRAMS: [&str; 3] = ["/bin/sh", "/bin/true", "/bin/false"];

/// All small programs in one.
pub(crate) const BUSYBOX: &str = "/usr/bin/busybox";

/// As a shell reports a program that it did not find.
const NOT_FOUND: u8 = 127;
/// As a shell reports a syntax that it does not know.
const SYNTAX: u8 = 2;

/// Puts the programs where they are missing.
pub(crate) fn install(own: &Path) -> std::io::Result<()> {
    // A whole one, in an image for people.
    let busybox = Path::new(BUSYBOX);
    if busybox.exists() && !Path::new(PROGRAMS[0]).exists() {
        symlink(busybox, PROGRAMS[0])?;
    }
    for program in PROGRAMS.map(Path::new).into_iter().filter(|program| !program.exists()) {
        symlink(own, program)?;
    }
    Ok(())
}

/// `sh -c COMMAND`.
pub(crate) fn run(args: impl Iterator<Item = String>) -> u8 {
    let args: Vec<String> = args.collect();
    // glibc's system() passes `--` since 2.38.
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (["-c", command] | ["-c", "--", command]) = args[..] else {
        eprintln!("sh: only `sh -c COMMAND` is known, not {args:?}");
        return SYNTAX;
    };
    match words(command) {
        Some(words) => {
            let error = Command::new(words[0]).args(&words[1..]).exec();
            eprintln!("sh: {}: {error}", words[0]);
            NOT_FOUND
        }
        None => {
            eprintln!("sh: only a simple command is known, not `{command}`");
            SYNTAX
        }
    }
}

/// The words of a simple command.
fn words(command: &str) -> Option<Vec<&str>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@% ".contains(c);
    let words: Vec<_> = command.split(' ').filter(|word| !word.is_empty()).collect();
    (command.chars().all(plain) && !words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_simple_command() {
        assert_eq!(words("/bin/true"), Some(vec!["/bin/true"]));
        assert_eq!(words(" modprobe  -q iwlmvm "), Some(vec!["modprobe", "-q", "iwlmvm"]));
        for more in ["", " ", "a && b", "a; b", "a $B", "a \"b\"", "a > b", "a\nb"] {
            assert_eq!(words(more), None, "{more:?}");
        }
    }
}
