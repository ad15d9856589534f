//! What the firmware files can bring that a scenario's cards are given: the cards' own stubs. What is in
//! a file of the user's, or a broken one, only a run tells.

use std::collections::BTreeSet;

use iwl_card::{CardSpec, Image};
use iwl_ucode::Ucode;
use iwl_ucode::names::IWL_UCODE_TLV_CAPA_UMAC_SCAN;
use iwl_ucode::reader::{ImageKind, SectionRole};
use iwl_ucode::stub::{self, Api, ApiRange, PnvmDef, StubDef};
use toml::{Spanned, Value};

use crate::facts::driver::IWLWIFI;
use crate::script::scenario::{Pattern, Scenario, When};

/// The kernels whose drivers ask for different names.
pub(super) const KERNELS: [&str; 3] = ["7.3", "6.12", "6.1"];

/// The files.
pub(super) struct Supplied {
    images: Vec<Uploaded>,
    /// Bytes of each whole file.
    sizes: BTreeSet<u64>,
    /// The numbers in their names.
    apis: BTreeSet<Api>,
    /// By which processor's commands the cards can be had to scan.
    scans: BTreeSet<Mac>,
}

/// A processor of a card's that scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mac {
    Lower,
    Upper,
}

/// An image that a card's driver can upload.
struct Uploaded {
    image: Image,
    /// It is the first that its card is given.
    first: bool,
    /// Bytes of each of its sections.
    sections: Vec<u32>,
}

impl Supplied {
    /// What these cards are given, where that is known: no rule gives something else, or breaks or packs
    /// it.
    pub(super) fn of(scenario: &Scenario, models: &[&'static CardSpec]) -> Option<Supplied> {
        let mut rules = scenario.firmware.iter().map(Spanned::get_ref);
        let changes = rules
            .any(|rule| rule.give.is_some() || !rule.corrupt.is_empty() || rule.compress.is_some());
        if changes || scenario.has_another_part() {
            return None;
        }
        let mut supplied = Supplied {
            images: Vec::new(),
            sizes: BTreeSet::new(),
            apis: BTreeSet::new(),
            scans: BTreeSet::new(),
        };
        for card in models {
            let stub = stub::for_card(card.name)?;
            let size = |file: Vec<u8>| file.len() as u64;
            supplied.sizes.extend(stub.pnvm.as_ref().map(PnvmDef::build).map(size));
            for (api, file) in files(stub) {
                supplied.images.extend(uploaded(card, &file)?);
                supplied.apis.insert(api);
                let by_upper = Ucode::parse(&file).ok()?.has_capa(IWL_UCODE_TLV_CAPA_UMAC_SCAN);
                let opmodes =
                    stub.ranges.iter().map(|range| IWLWIFI.opmode_with(card, range.since));
                supplied.scans.extend(opmodes.filter_map(|opmode| match opmode? {
                    "iwlmvm" if !by_upper => Some(Mac::Lower),
                    "iwlmvm" | "iwlmld" => Some(Mac::Upper),
                    _ => None,
                }));
                supplied.sizes.insert(size(file));
            }
        }
        Some(supplied)
    }

    /// Whether a driver that is given them has this processor scan.
    pub(super) fn scans(&self, mac: Mac) -> bool {
        self.scans.contains(&mac)
    }

    /// Why no file has this number in its name.
    pub(super) fn lacks_api(&self, api: u16) -> Option<String> {
        let api = Api(u32::from(api));
        (!self.apis.contains(&api)).then(|| {
            format!(
                "these cards' drivers ask for no file of API {api}, but of {}\na [[firmware]] rule can give \
                 another, or `--firmware`",
                spans(&self.apis)
            )
        })
    }

    /// Why no event of the pattern's kind has this number in this field.
    pub(super) fn lack(&self, pattern: &Pattern, field: &str, value: &Value) -> Option<String> {
        let number = value.as_integer()?;
        let meant = |uploaded: &&Uploaded| match pattern.fields.get("image") {
            Some(Value::String(image)) if image == "$image" => uploaded.first,
            Some(Value::String(image)) => uploaded.image.word() == image,
            _ => true,
        };
        let images = || self.images.iter().filter(meant);
        // An image that none of them has is no image's own matter.
        let most = images().map(|image| image.sections.len() as u64).max()?;
        let known: BTreeSet<u64> = match (pattern.milestone.as_str(), field) {
            ("section-uploaded" | "section-wrong", "index") => (0..most).collect(),
            ("cpu-released", "sections") => (0..=most).collect(),
            ("section-uploaded", "bytes") => {
                images().flat_map(|image| &image.sections).copied().map(u64::from).collect()
            }
            ("firmware-given", "bytes") => self.sizes.clone(),
            ("iml-loaded" | "pnvm-loaded", "bytes") if number >= 0 => {
                let largest = self.sizes.last().copied()?;
                return (number.unsigned_abs() > largest).then(|| {
                    format!("no file of these cards' has more than {largest} bytes{ELSE}")
                });
            }
            _ => return None,
        };
        let there = u64::try_from(number).is_ok_and(|number| known.contains(&number));
        (!there).then(|| {
            let known: Vec<_> = known.iter().map(u64::to_string).collect();
            let known = known.join(", ");
            format!("with these cards' stubs `{field}` is never {number}, but {known}{ELSE}")
        })
    }
}

/// What lets other values come.
pub(super) const ELSE: &str =
    "\na [[firmware]] rule can give another file, and a twin show that this can come";

/// Whether this is for runs with this card, with one of the kernels: what its firmware leads to is not the
/// same with each.
pub(super) fn concerns(when: &When, card: &CardSpec) -> bool {
    let of_kernels = || kernels().filter_map(|kernel| IWLWIFI.opmode_with(card, kernel));
    let leads_to = |opmode: &str| of_kernels().any(|own| own == opmode);
    let any = When { opmode: None, ..when.clone() };
    any.meets(card)
        && when.opmode.as_ref().is_none_or(|of| of.iter().any(|opmode| leads_to(opmode)))
}

/// The models that play, in any machine.
pub(super) fn models(scenario: &Scenario) -> Vec<&'static CardSpec> {
    let first = scenario.cards.iter().filter_map(|card| iwl_card::card(card.get_ref()));
    first.flat_map(|card| scenario.machine(card)).map(|card| card.spec).collect()
}

/// The names that the drivers of known kernels ask for with these cards.
pub(super) fn names_asked(models: &[&'static CardSpec]) -> Vec<String> {
    let stubs = models.iter().filter_map(|card| stub::for_card(card.name));
    let of = |stub: &'static StubDef| kernels().flat_map(|kernel| stub.names_asked(kernel));
    let asked: BTreeSet<String> = stubs.flat_map(of).collect();
    asked.into_iter().collect()
}

/// Those that are known.
pub(super) fn kernels() -> impl Iterator<Item = stub::Kernel> {
    KERNELS.iter().filter_map(|kernel| kernel.parse().ok())
}

/// The stub files that any kernel's driver is given.
fn files(stub: &'static StubDef) -> impl Iterator<Item = (Api, Vec<u8>)> {
    let of = |range: &'static ApiRange| stub.names_tried(range.since);
    let names: BTreeSet<String> = stub.ranges.iter().flat_map(of).collect();
    names.into_iter().filter_map(|name| stub.api_of(&name)).map(|api| (api, stub.build(api)))
}

/// Numbers that follow each other, in a few words: `39 to 59, 77`.
fn spans(apis: &BTreeSet<Api>) -> String {
    let apis: Vec<Api> = apis.iter().copied().collect();
    let spans = apis.chunk_by(|a, b| a.0 + 1 == b.0).map(|span| match span {
        [one] => one.to_string(),
        [first, .., last] => format!("{first} to {last}"),
        [] => String::new(),
    });
    spans.collect::<Vec<_>>().join(", ")
}

/// The images in a file of a card's that its driver uploads.
fn uploaded(card: &CardSpec, file: &[u8]) -> Option<Vec<Uploaded>> {
    let ucode = Ucode::parse(file).ok()?;
    let of = |(image, kind)| {
        let sections = ucode.image(kind).sections.iter().flatten();
        let real = |role| !matches!(role, SectionRole::CpuSeparator | SectionRole::PagingSeparator);
        let sections = sections.filter(|section| real(section.role)).map(|section| section.size);
        Uploaded { image, first: image == card.first_image(), sections: sections.collect() }
    };
    let images = [(Image::Init, ImageKind::Init), (Image::Runtime, ImageKind::Regular)];
    Some(images.map(of).into_iter().filter(|image| !image.sections.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::read::parse;

    /// What is said to come is what the runs of the set have.
    #[test]
    fn the_stubs_say_what_is_uploaded() {
        let text = "about = \"t\"\ncards = [\"7260\", \"ax200\"]\n[[step]]\ndo = \"bind\"\n";
        let scenario = parse("t", "t.toml", text).expect("good");
        let supplied = Supplied::of(&scenario, &models(&scenario)).expect("stubs alone");
        let lack = |pattern: &str, field: &str| {
            let pattern: Pattern =
                toml::from_str(&format!("milestone = {pattern}")).expect(pattern);
            supplied.lack(&pattern, field, &pattern.fields[field])
        };
        for (pattern, field, can) in [
            ("\"section-uploaded\"\nindex = 1", "index", true),
            ("\"section-uploaded\"\nindex = 2", "index", false),
            ("\"section-uploaded\"\nbytes = 256", "bytes", true),
            ("\"section-uploaded\"\nbytes = 255", "bytes", false),
            ("\"cpu-released\"\nsections = 2", "sections", true),
            ("\"cpu-released\"\nsections = 3", "sections", false),
            ("\"cpu-released\"\nimage = \"$image\"\nsections = 2", "sections", true),
            ("\"firmware-given\"\nbytes = 1196", "bytes", true),
            ("\"firmware-given\"\nbytes = 3", "bytes", false),
            ("\"pnvm-loaded\"\nbytes = 0", "bytes", true),
            ("\"pnvm-loaded\"\nbytes = 999999", "bytes", false),
            ("\"section-wrong\"\nimage = \"unknown\"\nindex = 7", "index", true),
        ] {
            assert_eq!(lack(pattern, field).is_none(), can, "{pattern}");
        }
    }
}
