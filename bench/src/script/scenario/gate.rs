//! What a scenario says about the gates: rules, of which the first that fits a request decides.

use std::path::PathBuf;

use iwl_ucode::corrupt::Corruption;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use toml::Spanned;

use super::pattern::{OneOrMany, Pattern, When, no_card};
use super::word::word;
use super::{duration, number};
use crate::facts::driver::IWLWIFI;
use crate::facts::errno::Errno;
use crate::facts::near::NoSuch;

/// A rule of the firmware gate. Without `give` and `refuse` a request gets what it would get
/// without the rule: the card's stub under `$firmware`, and nothing under any other name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FirmwareRule {
    /// Which names; `*` stands for any characters.
    #[serde(default = "drivers_firmware")]
    pub name: String,
    /// Only for some runs.
    #[serde(default)]
    pub when: When,
    /// Only for the first so many requests that it fits.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 1, 1_000_000>")]
    pub times: Option<u32>,
    /// Give this file.
    #[schemars(with = "Option<String>")]
    pub give: Option<Source>,
    /// Fail the request.
    pub refuse: Option<Errno>,
    /// Break the file that is given.
    #[serde(default, deserialize_with = "corruptions")]
    #[schemars(with = "OneOrMany<String>")]
    pub corrupt: Vec<Corruption>,
    /// Then compress it.
    pub compress: Option<Compression>,
    /// Not before this milestone; at once if it was reached already.
    #[schemars(with = "Option<Pattern>")]
    pub hold_until: Option<Spanned<Pattern>>,
    /// Not before a `release` step names it.
    #[serde(default)]
    pub hold: bool,
    /// This much later, in seconds.
    #[serde(default, deserialize_with = "duration::maybe")]
    #[schemars(schema_with = "duration::schema")]
    pub delay: Option<f64>,
}

/// What any driver asks for: the names are linux-firmware's.
fn drivers_firmware() -> String {
    format!("{}*", IWLWIFI.firmware)
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The stub of the card in the guest; `--firmware FILE` stands in for it.
    Stub,
    /// Another card's stub.
    StubOf(&'static str),
    /// A file beside the scenario.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.split_once(':') {
            None if text == "stub" => Ok(Source::Stub),
            Some(("file", path)) => Ok(Source::File(path.into())),
            Some(("stub", name)) => iwl_ucode::stub::for_card(name)
                .map(|stub| Source::StubOf(stub.card))
                .ok_or_else(|| de::Error::custom(format!("{:#}", no_card(name)))),
            _ => Err(de::Error::custom(format!(
                "`{text}` is no source of a file: write \"stub\", \"stub:CARD\" or \"file:PATH\""
            ))),
        }
    }
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// As `xz --check=crc32` does, which is what the kernel reads.
    Xz,
    /// As plain `xz` does: with a checksum (CRC-64) that the kernel does not know.
    XzCrc64,
    /// As `zstd FILE` does: the frame says how large the file is.
    Zst,
    /// As `zstd` does in a pipe: the frame does not say.
    ZstUnsized,
}

fn corruptions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Corruption>, D::Error> {
    let each: OneOrMany<Corrupted> = Deserialize::deserialize(deserializer)?;
    Ok(each.iter().map(|corrupted| corrupted.0.clone()).collect())
}

struct Corrupted(Corruption);

impl<'de> Deserialize<'de> for Corrupted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer, corruption).map(Corrupted)
    }
}

/// A fault of a firmware file by its name, or `NAME=ARGUMENT`.
///
/// # Errors
/// It is none, with those that there are; or it takes no such argument.
pub fn corruption(text: &str) -> Result<Corruption, String> {
    let name = |fault: &'static str| fault.split('=').next().unwrap_or_default();
    let known = Corruption::EXAMPLES.map(|(example, _)| name(example));
    let given = text.split('=').next().unwrap_or_default();
    match known.iter().position(|known| *known == given) {
        Some(index) => text.parse().map_err(|_| {
            let example = Corruption::EXAMPLES[index].0;
            format!("`{text}` is not how the fault {given} is written, which is: {example}")
        }),
        None => Err(format!("{:#}", NoSuch::new("fault of a firmware file", given, known))),
    }
}

/// A rule of the module gate. Without any of `exit`, `lie`, `kill` and `hang` the real modprobe
/// runs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModuleRule {
    /// Which modules; `*` stands for any characters.
    #[serde(default = "opmode")]
    pub name: String,
    /// Only for some runs.
    #[serde(default)]
    pub when: When,
    /// Only for the first so many requests that it fits.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 1, 1_000_000>")]
    pub times: Option<u32>,
    /// modprobe does nothing and exits with this status.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 0, 255>")]
    pub exit: Option<u8>,
    /// modprobe does nothing and exits with 0.
    #[serde(default)]
    pub lie: bool,
    /// modprobe does nothing and dies of this signal.
    #[serde(default, deserialize_with = "number::maybe::<_, _, 1, 64>")]
    pub kill: Option<i32>,
    /// modprobe never ends.
    #[serde(default)]
    pub hang: bool,
    /// Not before this milestone; at once if it was reached already.
    #[schemars(with = "Option<Pattern>")]
    pub hold_until: Option<Spanned<Pattern>>,
    /// Not before a `release` step names it.
    #[serde(default)]
    pub hold: bool,
    /// This much later, in seconds.
    #[serde(default, deserialize_with = "duration::maybe")]
    #[schemars(schema_with = "duration::schema")]
    pub delay: Option<f64>,
}

fn opmode() -> String {
    "$opmode".to_owned()
}
