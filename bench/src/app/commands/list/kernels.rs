//! `iwlbench list kernels`: what can be had, what is here, and what differs for the driver.

use std::fmt::Write;
use std::process::ExitCode;

use guest_kit::{Flavour, KnownKernel};
use iwl_ucode::stub::Kernel;
use serde_json::json;

use crate::app::cli::ListArgs;
use crate::app::{commands, ui::Ui};
use crate::facts::driver::{self, Request};
use crate::lab;
use crate::report::look::{Look, NO_BREAK};

/// What the driver of a kernel does otherwise than that of another.
struct Differs {
    /// Whether it waits for modprobe when it asks for the opmode.
    waits: bool,
    opmodes: Vec<&'static str>,
    /// By card that it knows, the file names that it tries, in order.
    firmware: Vec<(&'static str, Vec<String>)>,
}

impl Differs {
    fn of(release: &str) -> anyhow::Result<Differs> {
        let kernel: Kernel = release.parse()?;
        let mut firmware = Vec::new();
        for card in iwl_card::cards() {
            let stub = lab::stub_of(card)?;
            // One that its driver does not know it asks nothing for.
            if stub.ranges[0].since <= kernel {
                firmware.push((card.name, stub.names_tried(kernel).collect()));
            }
        }
        let stock = driver::stock(kernel);
        let opmodes = stock.opmodes_in(kernel).collect();
        Ok(Differs { waits: stock.request == Request::Waits, opmodes, firmware })
    }

    fn waits(&self) -> &'static str {
        match self.waits {
            true => "waits for modprobe",
            false => "does not wait for modprobe",
        }
    }

    /// `iwlwifi-8265-36 to -22` of one card of each generation.
    fn firmware(&self, look: Look) -> String {
        let stem = |name: &String| name.trim_end_matches(".ucode").to_owned();
        let shown = |card: &str| iwl_card::one_of_each_generation().any(|of| of.name == card);
        let ranges =
            self.firmware.iter().filter(|(card, _)| shown(card)).filter_map(|(_, names)| {
                let (first, last) = (stem(names.first()?), stem(names.last()?));
                let api = last.rsplit('-').next().unwrap_or_default();
                // A name and its range stay together.
                let range = if first == last { first } else { format!("{first} to -{api}") };
                Some(range.replace(' ', NO_BREAK))
            });
        let ranges = format!("      {}", ranges.collect::<Vec<_>>().join(", "));
        look.wrapped(&ranges, 6)
    }
}

/// Prints the kernels: of each series the newest, or as JSON all.
pub(super) fn list(args: &ListArgs, ui: &Ui) -> anyhow::Result<ExitCode> {
    let kernels = commands::kit(&args.fetch, ui)?.kernels()?;
    if args.json {
        let rows = kernels.iter().map(|kernel| {
            let differs = Differs::of(&kernel.release)?;
            let mut row = serde_json::to_value(kernel)?;
            let names: serde_json::Map<String, serde_json::Value> = differs
                .firmware
                .iter()
                .map(|(card, names)| ((*card).into(), json!(names)))
                .collect();
            row["waits-for-modprobe"] = json!(differs.waits);
            row["opmodes"] = json!(differs.opmodes);
            row["firmware"] = names.into();
            Ok(row)
        });
        let rows = rows.collect::<anyhow::Result<Vec<_>>>()?;
        let document = json!({ "format": 1, "kernels": rows });
        commands::json(&document)?;
    } else {
        commands::print(&text(&kernels, ui.look)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The newest of each series, with what differs for the driver below.
fn text(kernels: &[KnownKernel], look: Look) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut before = None;
    for kernels in kernels.chunk_by(|a, b| a.series() == b.series()) {
        let plain: Vec<_> = kernels.iter().filter(|k| k.flavour == Flavour::Plain).collect();
        let Some(newest) = plain.first().copied().or(kernels.first()) else { continue };
        let suite = newest.suite.as_deref().unwrap_or("in the cache");
        // A String takes any write.
        let _ = write!(out, "{:<6}{:<22}{suite}", newest.series(), newest.release);
        let older = plain.len().saturating_sub(1);
        if older > 0 {
            let _ = write!(out, ", {older} older");
        }
        if kernels.iter().any(|kernel| kernel.flavour == Flavour::Rt) {
            let _ = write!(out, ", also {}-rt", newest.series());
        }
        out.push('\n');
        let cached: Vec<_> =
            kernels.iter().filter(|kernel| kernel.cached).map(|kernel| &*kernel.release).collect();
        if !cached.is_empty() {
            let here = format!("      here: {}", cached.join(", "));
            let _ = writeln!(out, "{}", look.wrapped(&here, 8));
        }
        let differs = Differs::of(&newest.release)?;
        let (waits, opmodes) = (differs.waits(), differs.opmodes.join(", "));
        let said = format!("      {waits}; {opmodes};\n{}", differs.firmware(look));
        if before.as_ref() == Some(&said) {
            out.push_str("      for the driver as above\n");
        } else {
            let _ = writeln!(out, "{said}");
        }
        before = Some(said);
    }
    out.push_str(
        "\n--kernel takes a series (6.12), a version (6.12.117), a release; each with -rt.\n",
    );
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::look;

    fn kernel(release: &str, flavour: Flavour, cached: bool) -> KnownKernel {
        KnownKernel {
            release: release.to_owned(),
            package_version: "1".to_owned(),
            flavour,
            suite: Some("trixie".to_owned()),
            cached,
        }
    }

    #[test]
    fn each_series_has_its_newest_and_what_differs() {
        let kernels = [
            kernel("6.18.15+deb13-amd64", Flavour::Plain, false),
            kernel("6.18.15+deb13-rt-amd64", Flavour::Rt, false),
            kernel("6.18.9+deb13-amd64", Flavour::Plain, true),
            kernel("6.1.0-50-amd64", Flavour::Plain, false),
        ];
        let look = Look { colour: false, width: look::WIDTH };
        let text = text(&kernels, look).expect("known to the stubs");
        for line in text.lines() {
            assert!(line.chars().count() <= look::WIDTH, "{line}");
        }
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "6.18  6.18.15+deb13-amd64   trixie, 1 older, also 6.18-rt");
        assert_eq!(lines[1], "      here: 6.18.9+deb13-amd64");
        assert_eq!(lines[2], "      does not wait for modprobe; iwldvm, iwlmvm, iwlmld;");
        assert!(lines[3].contains("iwlwifi-7260-17"), "{text}");
        let next =
            ["6.1   6.1.0-50-amd64        trixie", "      waits for modprobe; iwldvm, iwlmvm;"];
        assert!(lines.windows(2).any(|two| two == next), "{text}");
        // Wi-Fi 7 came later.
        let (newer, older) = text.split_once(next[0]).expect("two series");
        assert!(newer.contains("iwlwifi-gl-") && !older.contains("iwlwifi-gl-"), "{text}");
    }
}
