//! What a terminal of 80 columns shows.

use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use guest_kit::Kernel;
use guest_protocol::GuestEvent;
use iwl_card::{RegName, Space};

use super::look::{self, Look};
use super::render;
use crate::facts::accel::Accel;
use crate::facts::driver::STOCK;
use crate::facts::errno::Errno;
use crate::facts::milestone::{Milestone, Reached};
use crate::facts::phases::Phase;
use crate::facts::timeline::{BenchEvent, Event, Source, What};
use crate::facts::verdict::{Outcome, Verdict};
use crate::record::cite::{Cited, Program};
use crate::record::matrix::{Attempt, Cell};
use crate::record::run::{Began, Record};
use crate::script::expect::{Failure, Judged};
use crate::script::scenario::Vars;

const AT_80: Look = Look { colour: false, width: look::WIDTH };

fn record(passed: bool) -> Record {
    let line =
        "iwlwifi 0000:01:00.0: Failed to start RT ucode: -110, after which the driver gives up";
    let log = GuestEvent::KernelLog { seq: 1, level: Some(3), text: line.to_owned() };
    let whats = [
        (Source::Bench, What::Bench(BenchEvent::GuestStarted)),
        (Source::KernelLog, What::Guest(log)),
    ];
    let event = |(n, (source, what)): (usize, (Source, What))| {
        let t_ns = n as u64 * 500_000_000;
        Event { seq: n as u64, t_ns, source, guest_ns: Some(t_ns + 1_000_000), what }
    };
    let section = |name: &str, present| Milestone::NvmRead {
        card: "7260".into(),
        section: format!("NVM_SECTION_TYPE_{name}"),
        present,
    };
    let milestones = [
        Milestone::FirmwareRefused { name: "iwlwifi-7260-17.ucode".into(), errno: Errno(2) },
        section("HW", true),
        section("SW", true),
        section("MAC_OVERRIDE", false),
        Milestone::NetdevRegistered { interface: "wlan0".into(), card: "7260".into() },
    ];
    let milestones = milestones.into_iter().enumerate().map(|(n, milestone)| Reached {
        milestone,
        seq: 1,
        t_ns: 600_000_000 + n as u64 * 1_000_000,
    });
    let failure = Failure {
        what: "expected: netdev-registered name=wlan0, after opmode-loaded module=iwlmvm, in this \
               order\nbut: it did not come"
            .into(),
        near: Some(1),
    };
    let stub = |reg: u32| iwl_card::Unmodelled {
        space: Space::Csr,
        reg: RegName::Owned(format!("FH_TCSR_CHNL_TX_BUF_STS_REG({reg})")),
        outcome: iwl_card::Outcome::Stub,
        reads: 2,
        writes: 1,
    };
    Record {
        format: 1,
        scenario: "opmode-load".into(),
        driver: STOCK,
        seen: crate::facts::seen::Seen::Loaded,
        cited: Cited {
            date: "2026-11-28T00:40:00Z".into(),
            iwlbench: Program { version: "0.1.0", commit: Some("0123456789ab") },
            command: "iwlbench run".into(),
            again: Some("iwlbench run opmode-load --card 7260 --kernel 7.3.4 --accel tcg --fault never-alive --repeat 1".into()),
            scenario_text: String::new(),
            kernel_command_line: String::new(),
        },
        identity: iwl_card::Identity::default(),
        vars: Vars { firmware: String::new(), walk_down: Vec::new(), ..Vars::sample() },
        faults: Vec::new(),
        verdict: if passed {
            Verdict::new(Outcome::Passed, "all 2 expectations held")
        } else {
            Verdict::new(Outcome::Failed, "no ALIVE after the RT ucode was released, three times; iwlmvm gave up (-110)")
        },
        expectations: vec![
            Judged { that: "the hand-over takes its steps in order, up to the interface, and no step comes twice".into(), failure: None },
            Judged { that: "an interface is registered".into(), failure: (!passed).then_some(failure) },
        ],
        milestones: milestones.collect(),
        unmet: Vec::new(),
        kernel: Kernel {
            release: "7.3.4+deb13-amd64".into(),
            package_version: None,
            bzimage: PathBuf::new(),
            modules: PathBuf::new(),
            config: None,
            packages: Vec::new(),
        },
        kernel_sha256: String::new(),
        qemu: "11.1.3".into(),
        accel: Accel::Tcg,
        accel_why: "KVM does not run this kernel: its console is silent".into(),
        began: Began::Restored,
        snapshot: None,
        image_sha256: String::new(),
        modules: Vec::new(),
        firmware: Vec::new(),
        guest: None,
        card: Some(iwl_card::Summary {
            reads: 413,
            writes: 724,
            unmodelled: (0..7).map(|n| stub(0x1c04 + 4 * n)).collect(),
            unmodelled_left_out: 0,
        }),
        seconds: 1.6,
        phases: ["preparation", "QEMU starts", "restore", "clock", "card seen", "opmode asked for"]
            .map(|name| Phase { name: name.into(), seconds: 0.25 })
            .to_vec(),
        directory: "/runs/20261128-004000-opmode-load-7260".into(),
        events: whats.into_iter().enumerate().map(event).collect(),
    }
}

/// As it is, and within the columns; paths are not broken.
fn shows(text: &str, as_expected: &Expect) {
    for line in text.lines().filter(|line| !line.starts_with("run: ")) {
        assert!(line.chars().count() <= look::WIDTH, "{line}");
    }
    as_expected.assert_eq(text);
}

#[test]
fn a_run_that_passed() {
    shows(
        &render::text(&record(true), false, AT_80),
        &expect![[r#"
        opmode-load · 7260 → iwlmvm
        kernel 7.3.4+deb13-amd64 · QEMU 11.1.3 · tcg
            0.600  kmsg     firmware refused: iwlwifi-7260-17.ucode, ENOENT
            0.601  kmsg     NVM read: HW, SW; 1 absent
            0.604  kmsg     wlan0 registered
          ✓ the hand-over takes its steps in order, up to the interface, and no step
            comes twice
          ✓ an interface is registered
        card: 413 register reads, 724 writes; 7 registers without a model (-v names
          them)
        seconds: preparation 0.25 · QEMU starts 0.25 · restore 0.25 · clock 0.25 · card
          seen 0.25 · opmode asked for 0.25
        PASSED opmode-load 7260 in 1.6 s: all 2 expectations held
        run: /runs/20261128-004000-opmode-load-7260

    "#]],
    );
}

#[test]
fn a_run_that_failed_says_so_once() {
    let text = render::text(&record(false), false, AT_80);
    assert_eq!(text.matches("FAILED").count(), 1);
    shows(
        &text,
        &expect![[r#"
            opmode-load · 7260 → iwlmvm
            kernel 7.3.4+deb13-amd64 · QEMU 11.1.3 · tcg
                0.600  kmsg     firmware refused: iwlwifi-7260-17.ucode, ENOENT
                0.601  kmsg     NVM read: HW, SW; 1 absent
                0.604  kmsg     wlan0 registered
              ✓ the hand-over takes its steps in order, up to the interface, and no step
                comes twice
              ✗ an interface is registered
                  expected: netdev-registered name=wlan0, after opmode-loaded module=iwlmvm,
                    in this order
                  but: it did not come
                      0.000  bench    guest starts
                 >    0.500  kmsg     <3> iwlwifi 0000:01:00.0: Failed to start RT ucode:
                                      -110, after which the driver gives up
              the guest's kernel log ends:
                      0.500  kmsg     <3> iwlwifi 0000:01:00.0: Failed to start RT ucode:
                                      -110, after which the driver gives up
            card: 413 register reads, 724 writes; without a model (kept as plain storage),
              with the number of accesses:
              FH_TCSR_CHNL_TX_BUF_STS_REG(7172) 3, FH_TCSR_CHNL_TX_BUF_STS_REG(7176) 3,
              FH_TCSR_CHNL_TX_BUF_STS_REG(7180) 3, FH_TCSR_CHNL_TX_BUF_STS_REG(7184) 3,
              FH_TCSR_CHNL_TX_BUF_STS_REG(7188) 3, FH_TCSR_CHNL_TX_BUF_STS_REG(7192) 3,
              FH_TCSR_CHNL_TX_BUF_STS_REG(7196) 3
            seconds: preparation 0.25 · QEMU starts 0.25 · restore 0.25 · clock 0.25 · card
              seen 0.25 · opmode asked for 0.25
            FAILED opmode-load 7260 in 1.6 s: no ALIVE after the RT ucode was released,
              three times; iwlmvm gave up (-110)
            again: iwlbench run opmode-load --card 7260 --kernel 7.3.4 --accel tcg \
              --fault never-alive --repeat 1
            run: /runs/20261128-004000-opmode-load-7260

        "#]],
    );
}

#[test]
fn register_accesses_are_of_a_card() {
    let mut record = record(true);
    assert!(render::text(&record, false, AT_80).contains("\ncard: 413 register reads"));
    let milestone = Milestone::Vanished { card: "7260-2".into() };
    record.milestones.push(Reached { milestone, seq: 1, t_ns: 0 });
    let text = render::text(&record, false, AT_80);
    assert!(text.contains("\ncard 7260: 413 register reads"), "{text}");
}

/// Nor what was expected of a guest that did not come so far.
#[test]
fn what_could_not_be_run_has_no_expectations() {
    for outcome in [Outcome::NotBooted, Outcome::Interrupted, Outcome::QemuDied] {
        let mut record = record(false);
        record.verdict.outcome = outcome;
        let text = render::text(&record, false, AT_80);
        assert!(!text.contains('✓') && !text.contains('✗'), "{text}");
    }
}

#[test]
fn what_is_kept_is_not_wrapped() {
    let text = render::full(&record(false));
    assert!(
        text.contains("after which the driver gives up\n")
            && text.contains("its console is silent"),
        "{text}"
    );
    assert_eq!(
        render::dmesg(&record(true).events),
        "[    0.501000] iwlwifi 0000:01:00.0: Failed to start RT ucode: -110, after which the driver gives up\n"
    );
}

#[test]
fn success_has_no_colour_of_a_warning() {
    let look = Look { colour: true, ..AT_80 };
    let mut record = record(true);
    record.milestones.remove(0);
    let text = render::text(&record, false, look);
    assert!(
        text.contains("\u{1b}[32mPASSED")
            && !text.contains("\u{1b}[33m")
            && !text.contains("\u{1b}[31m"),
        "{text}"
    );
    assert!(render::text(&self::record(true), false, look).contains("\u{1b}[33mfirmware refused"));
}

/// Nor has a step that has to fail, and does.
#[test]
fn a_failure_that_is_wanted_has_no_colour_of_a_warning() {
    let look = Look { colour: true, ..AT_80 };
    let told = |wanted| {
        let mut record = record(true);
        record.milestones.clear();
        let step = "rmmod".to_owned();
        let milestone = Milestone::StepEnded { step, ok: false, wanted };
        record.milestones.push(Reached { milestone, seq: 1, t_ns: 0 });
        render::text(&record, false, look)
    };
    assert!(told(true).contains("step rmmod: failed, as it has to"), "{}", told(true));
    assert!(!told(true).contains("\u{1b}[33m") && told(false).contains("\u{1b}[33mstep rmmod"));
}

fn cell(scenario: &str, kernel: &str, outcomes: &[Outcome]) -> Cell {
    let attempt = |outcome: &Outcome| Attempt {
        outcome: *outcome,
        line: "no ALIVE after the RT ucode was released, three times; iwlmvm gave up (-110)".into(),
        seconds: 2.5,
        directory: Some(format!("20261128-004000-{scenario}-7260")),
        began: None,
        seen: None,
    };
    Cell {
        scenario: scenario.into(),
        card: "7260".into(),
        kernel: kernel.into(),
        kernel_version: kernel.into(),
        driver: STOCK,
        known: None,
        attempts: outcomes.iter().map(attempt).collect(),
        flaky: outcomes.len() > 1 && outcomes.last() == Some(&Outcome::Passed),
    }
}

#[test]
fn a_matrix_ends_with_what_to_look_at() {
    use Outcome::{Failed, Passed};
    let long = "the-longest-name-of-a-scenario-by-far";
    let cells = [
        cell("opmode-load", "7.3.4+deb13-amd64", &[Passed]),
        cell(long, "7.3.4+deb13-amd64", &[Failed, Failed]),
        cell("opmode-load", "6.12.43+deb13-amd64", &[Failed, Passed]),
    ];
    let directory = Path::new("/runs/20261128-004000-matrix");
    let text = render::matrix(&cells, 3, 60.0, AT_80) + &render::failures(&cells, directory, AT_80);
    let within = text.lines().filter(|line| !line.starts_with("  /runs/"));
    shows(
        &within.map(|line| format!("{line}\n")).collect::<String>(),
        &expect![[r#"
        kernel 6.12.43+deb13-amd64
          opmode-load                            7260      2.5 s  passed (flaky)
        kernel 7.3.4+deb13-amd64
          opmode-load                            7260      2.5 s  passed
          the-longest-name-of-a-scenario-by-far  7260      2.5 s  failed
        2 of 3 passed, 1 of them only when tried again (flaky); 60.0 s, 3 verdicts a
          minute
        3 verdicts: 1 at the first try, 2 failed or flaky
        the-longest-name-of-a-scenario-by-far 7260 7.3.4+deb13-amd64: failed (2 times)
          no ALIVE after the RT ucode was released, three times; iwlmvm gave up (-110)
        opmode-load 7260 6.12.43+deb13-amd64: failed (flaky: it passed when tried again)
          no ALIVE after the RT ucode was released, three times; iwlmvm gave up (-110)
    "#]],
    );
    assert_eq!(text.matches("/runs/20261128-004000-matrix/20261128-004000-").count(), 3, "{text}");
    let lines: Vec<_> = render::failures_in_lines(&cells, directory).collect();
    assert_eq!(lines.len(), 2, "one that failed twice alike, and one that is flaky: {lines:?}");
    let named =
        |line: &String| line.contains("; run: /runs/20261128-004000-matrix/20261128-004000-");
    assert!(lines.iter().all(named), "{lines:?}");
}

#[test]
fn several_runs_have_a_table() {
    let text = render::totals(&[record(true), record(false)], AT_80);
    shows(
        &text,
        &expect![[r#"
        passed            opmode-load  7260       1.6 s
        failed            opmode-load  7260       1.6 s
        opmode-load 7260: 2 runs: 1 failed, 1 passed
        1 of 2 passed
    "#]],
    );
}
