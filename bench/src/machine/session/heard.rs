//! What an ungated guest says: its serial console is all there is, and carries the kernel's log, the
//! events that the kernel traces onto it (`tp_printk`), and the words of whoever runs as init.

use guest_protocol::GuestEvent;
use strip_ansi_escapes::strip_str;

use crate::facts::timeline::Nanos;

/// A line is cut there; a kernel's has a thousand characters.
pub(super) const LONGEST: usize = 4096;

/// How far the console of an ungated guest has come.
#[derive(Debug, Default)]
pub struct Heard {
    /// What is of no whole line yet.
    pub(super) part: Vec<u8>,
    /// Lines of the kernel's log.
    pub(super) records: u64,
    /// The kernel has begun to run init.
    pub init: bool,
    /// The first line that a kernel ends with.
    pub panic: Option<String>,
    /// An initrd that gives up has said so, or asks for a command.
    pub prompt: Option<String>,
    /// When the kernel's log, or a card, has last said anything.
    pub last: Nanos,
}

/// What a guest has said in a line.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// The kernel, at this time of its own.
    Kernel(u64, String),
    /// Anybody else.
    Init(String),
}

/// Of one line the parts: what stands before the kernel's stamp is no word of the kernel's.
pub(super) fn parts(text: &str) -> Vec<Line> {
    let text: String = strip_str(text).chars().filter(|c| !c.is_control() || *c == '\t').collect();
    let mut parts = Vec::new();
    let (before, kernel) =
        match text.match_indices('[').find_map(|(at, _)| stamped(&text[at..]).map(|k| (at, k))) {
            Some((at, kernel)) => (&text[..at], Some(kernel)),
            None => (text.as_str(), None),
        };
    if !before.trim().is_empty() {
        parts.push(Line::Init(before.trim().to_owned()));
    }
    parts.extend(kernel.map(|(at, text)| Line::Kernel(at, text.to_owned())));
    parts
}

/// The kernel's time and words: `[   12.345678] words`, with `[    T1]` between where it tells its
/// callers.
fn stamped(text: &str) -> Option<(u64, &str)> {
    let (stamp, rest) = text.strip_prefix('[')?.split_once("] ")?;
    let (stamp, _caller) = stamp.split_once("][").unwrap_or((stamp, ""));
    let (seconds, micros) = stamp.trim_start().split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let seconds: u64 = seconds.parse().ok()?;
    let micros: u64 = micros.parse().ok()?;
    let ns = seconds.checked_mul(1_000_000_000)?.checked_add(micros * 1000)?;
    Some((ns, rest.trim_end()))
}

/// The event that a line of the kernel's log is, if it is one of tracing.
pub(super) fn traced(text: &str) -> Option<GuestEvent> {
    if let Some(rest) = text.strip_prefix("module_load: ") {
        return Some(GuestEvent::ModuleLoad { module: rest.split_whitespace().next()?.to_owned() });
    }
    let rest = text.strip_prefix("module_request: ")?;
    let (module, rest) = rest.split_once(" wait=")?;
    let (wait, call_site) = rest.split_once(" call_site=")?;
    let (module, call_site) = (module.to_owned(), call_site.to_owned());
    Some(GuestEvent::ModuleRequest { module, wait: wait == "1", call_site })
}

/// A kernel ends so whose init has ended, and an initrd's that finds no root file system may.
pub(super) fn is_end_of_init(text: &str) -> bool {
    ["Attempted to kill init!", "Unable to mount root fs", "No working init found"]
        .iter()
        .any(|words| text.contains(words))
}

/// Words of an initrd that has given up: initramfs-tools', dracut's, systemd's, mkinitcpio's.
pub(super) fn gives_up(text: &str) -> bool {
    const BEGIN: [&str; 6] = [
        "(initramfs)",
        "dracut:/#",
        "[rootfs ",
        "Press Enter for maintenance",
        "Give root password for maintenance",
        "Cannot open access to console, the root account is locked",
    ];
    BEGIN.iter().any(|words| text.starts_with(words))
        || text.contains("Dropping to a shell!")
        || text.contains("Generating \"/run/initramfs/rdsosreport.txt\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(ns: u64, text: &str) -> Line {
        Line::Kernel(ns, text.to_owned())
    }
    fn init(text: &str) -> Line {
        Line::Init(text.to_owned())
    }

    #[test]
    fn who_has_said_a_line() {
        let first = kernel(12_185_817_000, "module_load: libarc4");
        assert_eq!(
            parts("Begin: Loading essential drivers ... [   12.185817] module_load: libarc4 \r"),
            [init("Begin: Loading essential drivers ..."), first]
        );
        assert_eq!(parts("[    0.100000][    T1] x: [y]"), [kernel(100_000_000, "x: [y]")]);
        assert_eq!(parts("\u{1b}[0;32m[  OK  ] Reached target"), [init("[  OK  ] Reached target")]);
        assert_eq!(parts("\r\n"), []);
        assert_eq!(
            parts("[99999999999999999999.000000] x"),
            [init("[99999999999999999999.000000] x")]
        );
        assert_eq!(parts("[    1.5] x"), [init("[    1.5] x")]);
    }

    #[test]
    fn what_the_kernel_traces_onto_its_console() {
        let request = "module_request: iwlmvm wait=0 call_site=iwl_req_fw_callback [iwlwifi]";
        let call_site = "iwl_req_fw_callback [iwlwifi]".to_owned();
        assert_eq!(
            traced(request),
            Some(GuestEvent::ModuleRequest { module: "iwlmvm".into(), wait: false, call_site })
        );
        let load = GuestEvent::ModuleLoad { module: "iwlmvm".into() };
        assert_eq!(traced("module_load: iwlmvm OE"), Some(load));
        for other in ["module_load: ", "module_request: x", "iwlwifi: module_load: x"] {
            assert_eq!(traced(other), None, "{other}");
        }
    }

    #[test]
    fn an_initrd_that_has_given_up() {
        for prompt in [
            "(initramfs) ",
            "dracut:/# ",
            "ALERT!  /dev/none does not exist.  Dropping to a shell!",
            "[rootfs ~]# ",
        ] {
            assert!(gives_up(prompt), "{prompt}");
        }
        assert!(!gives_up("Begin: Waiting for root file system ..."));
    }
}
