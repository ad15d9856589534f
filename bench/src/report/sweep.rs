//! A sweep as text, CSV and JUnit.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::look::Look;
use crate::record::sweep::{Difference, Key, Sweep, Swept, split};

fn key((device, subsystem, hw_rev, rf_id): Key) -> String {
    let rf_id = if rf_id == 0 { String::new() } else { format!(" rf {rf_id:x}") };
    format!("{device:04x}:{subsystem:04x} rev {hw_rev:x}{rf_id}")
}

/// `iwlwifi-cc-a0-77..72`: the first name, and the number of the last.
fn asked(part: &Swept) -> String {
    match (part.asked.first(), part.asked.last()) {
        (Some(first), Some(last)) => {
            let (stem, from) = split(first);
            let (_, to) = split(last);
            let to = if from == to { String::new() } else { format!("..{to}") };
            format!("{stem}-{from}{to}")
        }
        _ => "-".to_owned(),
    }
}

/// A row for each part, and what is amiss with it.
pub fn table(sweep: &Sweep, look: Look) -> String {
    let head = ["part", "name", "firmware", "opmode", "amiss"];
    let rows: Vec<[String; 5]> = sweep
        .parts
        .iter()
        .map(|part| {
            let mut amiss = part.amiss().join(", ");
            if let Some(why) = part.trouble.as_ref().or(part.said.as_ref()) {
                amiss = format!("{amiss}: {why}");
            }
            let name = part.name.as_deref().unwrap_or("-").replace("(R)", "");
            let opmode = part.opmode.clone().unwrap_or_else(|| "-".to_owned());
            [key(part.key()), name, asked(part), opmode, amiss]
        })
        .collect();
    let width = |at: usize| {
        let widest = rows.iter().map(|row| row[at].len()).max().unwrap_or(0);
        widest.max(head[at].len())
    };
    let widths: [usize; 4] = [0, 1, 2, 3].map(width);
    let line = |cells: [&str; 5]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line
    };
    let head = look.wrapped(&format!("{}{}", line(head), head[4]), 4);
    let mut text = format!("{}\n", look.bold(&head));
    for row in &rows {
        let cells = [0, 1, 2, 3, 4].map(|at| row[at].as_str());
        let end = if row[4].is_empty() { "ok" } else { &row[4] };
        let whole = look.wrapped(&format!("{}{end}", line(cells)), 4);
        text.push_str(&match whole.strip_suffix(end) {
            Some(before) if row[4].is_empty() => format!("{before}{}", look.good(end)),
            Some(before) => format!("{before}{}", look.warning(end)),
            // It is too long for one line.
            None => whole,
        });
        text.push('\n');
    }
    text.push_str(&look.wrapped(&totals(sweep), 2));
    text.push('\n');
    text
}

/// How many there are, and of what is amiss.
fn totals(sweep: &Sweep) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for what in sweep.parts.iter().flat_map(Swept::amiss) {
        *counts.entry(what).or_default() += 1;
    }
    let amiss: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let amiss = if amiss.is_empty() { "nothing amiss".to_owned() } else { amiss.join(", ") };
    let per_minute = sweep.parts.len() as f64 * 60.0 / sweep.seconds.max(0.001);
    format!(
        "kernel {}: {} parts of {} ids and {} rows, {amiss}; {} in {:.1} s, {per_minute:.0} a minute",
        sweep.kernel,
        sweep.parts.len(),
        sweep.ids,
        sweep.rows,
        sweep.package,
        sweep.seconds,
    )
}

/// What differs between two kernels.
pub fn difference(difference: &Difference, look: Look) -> String {
    let Difference { before, after, changes } = difference;
    let mut text = format!("{}\n", look.bold(&format!("{before} → {after}")));
    if changes.is_empty() {
        text.push_str("no part differs\n");
    }
    for change in changes {
        let what = match change.what {
            "gained" => format!("new: {}", change.after),
            "lost" => format!("gone: {}", change.before),
            "numbers" => format!("{} → {}", change.before, change.after),
            _ => format!("{} → {}", change.before, change.after),
        };
        let parts =
            if change.parts == 1 { "1 part".to_owned() } else { format!("{} parts", change.parts) };
        let line = format!("{:8}  {what}  ({parts}, as {})", change.what, key(change.example));
        text += &format!("{}\n", look.wrapped(&line, 10));
    }
    text
}

/// A line for each part of each kernel.
///
/// # Errors
/// It cannot be written.
pub fn csv(sweeps: &[Sweep]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "kernel",
        "device",
        "subsystem",
        "hw_rev",
        "rf_id",
        "name",
        "first",
        "last",
        "given",
        "declared",
        "opmode",
        "module",
        "amiss",
        "said",
    ])?;
    let hex = |id: u16| format!("{id:#06x}");
    let maybe = |text: &Option<String>| text.clone().unwrap_or_default();
    for (sweep, part) in sweeps.iter().flat_map(|sweep| sweep.parts.iter().map(move |p| (sweep, p)))
    {
        writer.write_record([
            sweep.kernel.clone(),
            hex(part.device),
            hex(part.subsystem),
            format!("{:#x}", part.hw_rev),
            format!("{:#x}", part.rf_id),
            maybe(&part.name),
            part.asked.first().cloned().unwrap_or_default(),
            part.asked.last().cloned().unwrap_or_default(),
            maybe(&part.given),
            part.declared.to_string(),
            maybe(&part.opmode),
            part.module.map(|is| is.to_string()).unwrap_or_default(),
            part.amiss().join("; "),
            maybe(if part.trouble.is_some() { &part.trouble } else { &part.said }),
        ])?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A suite for each kernel, a case for each part; what is amiss is a failure.
///
/// # Errors
/// The XML cannot be put together.
pub fn junit(sweeps: &[Sweep]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("iwlbench");
    for sweep in sweeps {
        let mut suite = TestSuite::new(format!("sweep {}", sweep.kernel));
        let each = Duration::from_secs_f64(sweep.seconds / sweep.parts.len().max(1) as f64);
        for part in &sweep.parts {
            let amiss = part.amiss();
            let status = if amiss.is_empty() {
                TestCaseStatus::success()
            } else {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let said = part.trouble.as_deref().or(part.said.as_deref()).unwrap_or_default();
                status.set_type(amiss[0]).set_message(
                    format!("{}: {} {said}", amiss.join(", "), asked(part)).trim().to_owned(),
                );
                status
            };
            let mut case = TestCase::new(key(part.key()), status);
            case.set_classname(format!("sweep.{}", sweep.kernel)).set_time(each);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::sweep::tests::{part, sweep};

    fn two() -> Sweep {
        let mut missing =
            part(0x272b, &["iwlwifi-gl-c0-fm-c0-c107.ucode", "iwlwifi-gl-c0-fm-c0-c106.ucode"]);
        (missing.given, missing.opmode, missing.module) = (None, None, None);
        missing.said = Some("no suitable firmware found!".to_owned());
        sweep("7.3.4", vec![part(0x2725, &["iwlwifi-ty-a0-gf-a0-89.ucode"]), missing])
    }

    #[test]
    fn story() {
        expect_test::expect![[r#"
            part                         name                         firmware                        opmode  amiss
            2725:0020 rev 420 rf 10d000  Intel Wi-Fi 6E AX210 160MHz  iwlwifi-ty-a0-gf-a0-89          iwlmvm  ok
            272b:0020 rev 420 rf 10d000  Intel Wi-Fi 6E AX210 160MHz  iwlwifi-gl-c0-fm-c0-c107..c106  -       not in the package: no suitable firmware found!
            kernel 7.3.4: 2 parts of 453 ids and 226 rows, 1 not in the package; firmware-iwlwifi 20250410-2 in 60.0 s, 2 a minute
        "#]]
        .assert_eq(&table(&two(), Look::FILE));
    }

    #[test]
    fn csv_has_a_line_each() {
        let text = csv(&[two()]).expect("written");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("7.3.4,0x2725,0x0020,0x420,0x10d000,Intel(R) Wi-Fi 6E"));
        assert!(lines[2].ends_with(",,,not in the package,no suitable firmware found!"));
    }

    #[test]
    fn junit_fails_what_is_amiss() {
        let text = junit(&[two()]).expect("written");
        assert!(text.contains(r#"tests="2" skipped="0" errors="0" failures="1""#), "{text}");
        assert!(text.contains("not in the package"), "{text}");
    }

    #[test]
    fn differences_are_lines() {
        let before = sweep("6.12", vec![part(0x2725, &["iwlwifi-ty-a0-gf-a0-72.ucode"])]);
        let text = difference(&Difference::of(&before, &two()), Look::FILE);
        expect_test::expect![[r#"
            6.12 → 7.3.4
            gained    new: iwlwifi-gl-c0-fm-c0  (1 part, as 272b:0020 rev 420 rf 10d000)
            numbers   iwlwifi-ty-a0-gf-a0 72..72 → 89..89  (1 part, as 2725:0020 rev 420 rf 10d000)
        "#]]
        .assert_eq(&text);
    }
}
