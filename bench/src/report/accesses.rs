//! Accesses of a card's registers, short enough to be compared: what the hardware makes a driver do for each of
//! them is left out, what it does again and again is folded.

use std::collections::BTreeMap;
use std::fmt;

use iwl_hw::csr::{GpCntrl, GpCntrlBz};
use serde::Serialize;

use super::run::{Event, Run};
use super::words;

/// A line of a run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    /// When.
    pub(super) t_ns: u64,
    /// As it is shown.
    #[serde(rename = "text")]
    pub(super) shown: String,
    /// As it is compared.
    #[serde(skip)]
    pub(super) same: String,
    /// How often in a row.
    pub(super) times: usize,
}

/// How often a driver reads and writes a register.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) reads: usize,
    pub(super) writes: usize,
}

/// Registers by their names.
pub(super) type Registers = BTreeMap<String, Counts>;

/// What a driver did with a card's registers.
#[derive(Debug, Default)]
pub(super) struct Accesses {
    /// In order.
    pub(super) lines: Vec<Line>,
    /// By their names.
    pub(super) counts: Registers,
    /// How often it had the MAC kept awake for what is behind it.
    pub(super) woken: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reads, self.writes) {
            (reads, 0) => write!(f, "R{reads}"),
            (0, writes) => write!(f, "W{writes}"),
            (reads, writes) => write!(f, "R{reads} W{writes}"),
        }
    }
}

/// The longest loop that is folded, in accesses, and how often it has to be gone through.
const LOOP: usize = 12;
const ROUNDS: usize = 3;
/// What a driver tells the card of its own memory.
const ADDRESSES: [&str; 8] = [
    "FH_RSCSR_CHNL0_RBDCB_BASE_REG",
    "FH_RSCSR_CHNL0_STTS_WPTR_REG",
    "FH_KW_MEM_ADDR_REG",
    "FH_MEM_CBBC_QUEUE",
    "FH_TFDIB_CTRL0_REG",
    "SCD_DRAM_BASE_ADDR",
    "CSR_CTXT_INFO_BA",
    "CSR_DRAM_INT_TBL_REG",
];
/// As many of a loop's registers are named.
const NAMED: usize = 4;

/// One access.
#[derive(Debug, Clone)]
struct Access {
    t_ns: u64,
    /// `W`, `R`, or both of a register whose bits are changed.
    how: &'static str,
    space: String,
    reg: String,
    value: u64,
    shown: String,
}

impl Access {
    fn of(event: &Event) -> Access {
        let [space, reg] = ["space", "reg"].map(|field| event.str(field).to_owned());
        let how = if event.kind == "reg-write" { "W" } else { "R" };
        let value = event.u64("value").unwrap_or_default();
        let shown = match event.kind.as_str() {
            "reg-read" | "reg-write" => words::access(event),
            _ => event.text(),
        };
        Access { t_ns: event.t_ns, how, space, reg, value, shown }
    }

    fn is(&self, how: &str, reg: &str) -> bool {
        self.how == how && self.reg == reg
    }

    /// What is compared: of a read, not what came of it, a clock or a counter; nor where the guest has its
    /// memory.
    fn same(&self) -> String {
        let is_address = || ADDRESSES.iter().any(|name| self.reg.starts_with(name));
        match self.how {
            how if how == "R" || is_address() => {
                self.shown.split(" = ").next().unwrap_or(&self.shown).to_owned()
            }
            _ => self.shown.clone(),
        }
    }

    /// The same whatever the value; device memory is one place.
    fn shape(&self) -> String {
        match self.space.as_str() {
            "mem" => format!("{} device memory", self.how),
            "" => self.same(),
            _ => format!("{} {}", self.how, self.reg),
        }
    }

    fn line(&self) -> Line {
        Line { t_ns: self.t_ns, shown: self.shown.clone(), same: self.same(), times: 1 }
    }
}

/// All of them, configuration space aside.
fn all(run: &Run) -> Vec<Access> {
    let events = run.events.iter().filter(|event| event.is_access());
    events.map(Access::of).filter(|access| access.space != "config").collect()
}

/// Each access, those that are repeated counted.
pub(super) fn whole(run: &Run) -> Vec<Line> {
    let lines = repeated(all(run)).into_iter();
    lines.map(|(access, times)| Line { times, ..access.line() }).collect()
}

/// Accesses, and how often each is made in a row.
fn repeated(accesses: Vec<Access>) -> Vec<(Access, usize)> {
    let mut counted: Vec<(Access, usize)> = Vec::new();
    for access in accesses {
        match counted.last_mut().filter(|(last, _)| last.same() == access.same()) {
            Some((_, times)) => *times += 1,
            None => counted.push((access, 1)),
        }
    }
    counted
}

/// In short.
pub(super) fn condensed(run: &Run) -> Accesses {
    let accesses = without_windows(all(run));
    let (accesses, woken) = without_waking(accesses);
    let mut counts = Registers::new();
    for access in accesses.iter().filter(|access| access.space != "mem" && !access.reg.is_empty()) {
        let counts = counts.entry(access.reg.clone()).or_default();
        match access.how {
            "R" => counts.reads += 1,
            _ => counts.writes += 1,
        }
    }
    Accesses { lines: folded(changes(accesses)), counts, woken }
}

/// The address of a register behind the MAC, where the access that follows names it.
fn without_windows(accesses: Vec<Access>) -> Vec<Access> {
    let mut kept: Vec<Access> = Vec::new();
    for access in accesses {
        let behind = ["prph", "mem"].contains(&access.space.as_str());
        let is_window = |of: &mut Access| {
            of.how == "W" && of.reg.starts_with("HBUS_TARG_") && of.reg.ends_with("ADDR")
        };
        if behind {
            kept.pop_if(is_window);
        }
        kept.push(access);
    }
    kept
}

/// Without having the MAC kept awake, and let sleep again; says how often.
fn without_waking(accesses: Vec<Access>) -> (Vec<Access>, usize) {
    const REGISTER: &str = "CSR_GP_CNTRL";
    let requests = u64::from(GpCntrl::MAC_ACCESS_REQ.bits() | GpCntrlBz::BZ_MAC_ACCESS_REQ.bits());
    let mut kept: Vec<Access> = Vec::new();
    let (mut woken, mut polls) = (0, false);
    for access in accesses {
        if polls && access.is("R", REGISTER) {
            continue;
        }
        polls = false;
        if access.is("W", REGISTER)
            && let Some(before) = kept.last().filter(|last| last.is("R", REGISTER))
        {
            let changed = before.value ^ access.value;
            if changed != 0 && changed & !requests == 0 {
                kept.pop();
                polls = access.value & changed != 0;
                woken += usize::from(polls);
                continue;
            }
        }
        kept.push(access);
    }
    (kept, woken)
}

/// What is read to be written with some bits changed, as one. Where what is read was asked for by a write, as of
/// the EEPROM, it is not.
fn changes(accesses: Vec<Access>) -> Vec<Access> {
    let mut kept: Vec<Access> = Vec::new();
    for mut access in accesses {
        let is = |of: &Access, how| of.is(how, &access.reg) && !access.reg.is_empty();
        let before = kept.iter().rev().find(|of| !is(of, "R"));
        let asked = before.is_some_and(|before| is(before, "W"));
        if kept.last().is_some_and(|last| is(last, "R"))
            && !asked
            && access.how == "W"
            && let Some(read) = kept.pop()
        {
            access.how = "RW";
            access.t_ns = read.t_ns;
            access.shown = format!("R{}", access.shown);
        }
        kept.push(access);
    }
    kept
}

/// With what is gone through again and again told once; how long each round polls is no matter.
fn folded(accesses: Vec<Access>) -> Vec<Line> {
    let accesses = repeated(accesses);
    let shapes: Vec<_> = accesses.iter().map(|(access, _)| access.shape()).collect();
    let rounds = |at: usize, length: usize| {
        let round = &shapes[at..at + length];
        shapes[at..].chunks_exact(length).take_while(|chunk| *chunk == round).count()
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut at = 0;
    while at < accesses.len() {
        let lengths = 1..=LOOP.min(accesses.len() - at);
        let found = lengths.map(|length| (length, rounds(at, length)));
        let found = found.filter(|(_, rounds)| *rounds >= ROUNDS);
        // The shortest of those that cover as much.
        let best = found.max_by_key(|(length, rounds)| (length * rounds, LOOP - length));
        let (first, times) = &accesses[at];
        let line = match best {
            None => Line { times: *times, ..first.line() },
            Some((length, times)) => {
                let mut named = shapes[at..at + length.min(NAMED)].join(", ");
                if length > NAMED {
                    named += &format!(" and {} more", length - NAMED);
                }
                Line { t_ns: first.t_ns, shown: named.clone(), same: named, times }
            }
        };
        at += best.map_or(1, |(length, rounds)| length * rounds);
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(text: &str) -> Access {
        let (how, rest) = text.split_once(' ').expect("how");
        let (reg, value) = rest.split_once('=').expect("a value");
        let space = if reg.contains("PRPH_") { "prph" } else { "csr" };
        Access {
            t_ns: 0,
            how: if how == "R" { "R" } else { "W" },
            space: space.to_owned(),
            reg: reg.to_owned(),
            value: u64::from_str_radix(value, 16).expect("hexadecimal"),
            shown: format!("{how} {reg} = {value}"),
        }
    }

    fn told(texts: &[&str]) -> (Vec<String>, usize) {
        let accesses = texts.iter().map(|text| access(text)).collect();
        let (accesses, woken) = without_waking(without_windows(accesses));
        let lines = folded(changes(accesses)).into_iter();
        (lines.map(|line| format!("{} x{}", line.shown, line.times)).collect(), woken)
    }

    /// Of what iwlwifi does for one register behind the MAC that register is left.
    #[test]
    fn what_the_hardware_wants_for_an_access_is_left_out() {
        let wake = ["R CSR_GP_CNTRL=5", "W CSR_GP_CNTRL=d", "R CSR_GP_CNTRL=d", "R CSR_GP_CNTRL=d"];
        let inner = ["W HBUS_TARG_PRPH_RADDR=3004068", "R PRPH_A=0"];
        let sleep = ["R CSR_GP_CNTRL=d", "W CSR_GP_CNTRL=5"];
        let all = [&wake[..], &inner, &sleep, &["R CSR_INT=1"]].concat();
        assert_eq!(told(&all), (vec!["R PRPH_A = 0 x1".into(), "R CSR_INT = 1 x1".into()], 1));
        // Another bit of it is told.
        let init = ["R CSR_GP_CNTRL=0", "W CSR_GP_CNTRL=4", "R CSR_GP_CNTRL=5"];
        let (lines, woken) = told(&init);
        assert_eq!(lines, ["RW CSR_GP_CNTRL = 4 x1", "R CSR_GP_CNTRL = 5 x1"]);
        assert_eq!(woken, 0);
        // Where the guest has its memory is no difference.
        let ring = |at: &str| access(&format!("W FH_RSCSR_CHNL0_RBDCB_BASE_REG={at}")).same();
        assert_eq!(ring("1"), ring("2"));
        // An address that nothing follows stands for itself.
        assert_eq!(told(&["W HBUS_TARG_PRPH_RADDR=1", "R CSR_INT=0"]).0.len(), 2);
    }

    #[test]
    fn a_loop_is_told_once() {
        let word = |n: u32| [format!("W EEPROM={n:x}"), format!("R EEPROM={n:x}1")];
        let words: Vec<_> = (0..512).flat_map(word).collect();
        let mut texts: Vec<_> = words.iter().map(String::as_str).collect();
        texts.insert(0, "R CSR_INT=0");
        texts.push("W CSR_RESET=80");
        let lines = told(&texts).0;
        assert_eq!(lines, ["R CSR_INT = 0 x1", "W EEPROM, R EEPROM x512", "W CSR_RESET = 80 x1"]);
        let polled = ["W EEPROM=0", "R EEPROM=0", "R EEPROM=1", "W EEPROM=4"];
        assert_eq!(told(&polled).0.last().map(String::as_str), Some("W EEPROM = 4 x1"));
        let twice = ["W A=1", "W B=1", "W A=2", "W B=2"];
        assert_eq!(told(&twice).0.len(), 4, "that is no loop");
        assert_eq!(told(&["R A=1", "R A=2", "R A=3"]).0, ["R A = 1 x3"]);
    }
}
