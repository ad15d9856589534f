//! What a sweep found: of each part that a driver knows, what it asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// A part, and what the driver made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// PCI device id.
    pub device: u16,
    /// PCI subsystem id.
    pub subsystem: u16,
    /// `CSR_HW_REV`.
    pub hw_rev: u32,
    /// `CSR_HW_RF_ID`.
    pub rf_id: u32,
    /// What the driver calls it in its log; older drivers do so only once an opmode runs.
    pub name: Option<String>,
    /// The firmware that it asks for, in order, to the last or to the first that it is given.
    pub asked: Vec<String>,
    /// What it is given: a file of the distribution's package.
    pub given: Option<String>,
    /// Whether the module declares the first of these names.
    pub declared: bool,
    /// The opmode that it asks for then.
    pub opmode: Option<String>,
    /// Whether the kernel has that.
    pub module: Option<bool>,
    /// The last error in the driver's words, where it does not come so far.
    pub said: Option<String>,
    /// How the kernel complains meanwhile.
    pub trouble: Option<String>,
}

/// Which part.
pub type Key = (u16, u16, u32, u32);

impl Swept {
    /// Which part it is.
    pub fn key(&self) -> Key {
        (self.device, self.subsystem, self.hw_rev, self.rf_id)
    }

    /// What is not as a user of that part would have it.
    pub fn amiss(&self) -> Vec<&'static str> {
        let all = [
            (self.trouble.is_some(), "the kernel complains"),
            (self.asked.is_empty(), "no firmware asked for"),
            (!self.asked.is_empty() && !self.declared, "not declared"),
            (!self.asked.is_empty() && self.given.is_none(), "not in the package"),
            (self.given.is_some() && self.opmode.is_none(), "no opmode asked for"),
            (self.module == Some(false), "no such module"),
        ];
        all.into_iter().filter_map(|(is, what)| is.then_some(what)).collect()
    }

    /// The names without their API numbers, and those of the first and the last.
    fn range(&self) -> Option<(&str, &str, &str)> {
        let (stem, first) = split(self.asked.first()?);
        Some((stem, first, split(self.asked.last()?).1))
    }
}

/// A name's API number: `iwlwifi-7260-17.ucode` is of `iwlwifi-7260` and `17`.
pub fn split(name: &str) -> (&str, &str) {
    let plain = name.strip_suffix(".ucode").unwrap_or(name);
    plain.rsplit_once('-').unwrap_or((plain, ""))
}

/// A driver's parts in one kernel.
#[derive(Debug, Clone, Serialize)]
pub struct Sweep {
    /// The kernel's release.
    pub kernel: String,
    /// The firmware package: its name and version.
    pub package: String,
    /// How many ids and rows the driver's tables have.
    pub ids: usize,
    /// See there.
    pub rows: usize,
    /// How long it took.
    pub seconds: f64,
    /// Each part.
    pub parts: Vec<Swept>,
}

/// A change of a name from one kernel to another, and the parts that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `gained`, `lost`, `renamed`, `numbers`, `opmode`, `name`.
    pub what: &'static str,
    /// In the one.
    pub before: String,
    /// In the other.
    pub after: String,
    /// How many parts.
    pub parts: usize,
    /// One of them.
    pub example: Key,
}

/// What differs between two kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The one's release.
    pub before: String,
    /// The other's.
    pub after: String,
    /// By what it is, the largest first.
    pub changes: Vec<Change>,
}

impl Difference {
    /// Of two sweeps.
    pub fn of(before: &Sweep, after: &Sweep) -> Difference {
        let by_key = |sweep: &'_ Sweep| -> BTreeMap<Key, usize> {
            sweep.parts.iter().enumerate().map(|(at, part)| (part.key(), at)).collect()
        };
        let (old, new) = (by_key(before), by_key(after));
        let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
        let mut found: BTreeMap<(&'static str, String, String), (usize, Key)> = BTreeMap::new();
        let mut add = |what, before: String, after: String, key| {
            found.entry((what, before, after)).or_insert((0, key)).0 += 1;
        };
        let word = |text: Option<&str>| text.unwrap_or("nothing").to_owned();
        for key in keys {
            let [one, other] = [(&old, before), (&new, after)]
                .map(|(by_key, sweep)| by_key.get(&key).map(|at| &sweep.parts[*at]));
            let range = |part: Option<&Swept>| {
                let (stem, first, last) = part?.range()?;
                Some((stem.to_owned(), format!("{first}..{last}")))
            };
            match (range(one), range(other)) {
                (None, None) => {}
                (None, Some((stem, _))) => add("gained", String::new(), stem, key),
                (Some((stem, _)), None) => add("lost", stem, String::new(), key),
                (Some((a, _)), Some((b, _))) if a != b => add("renamed", a, b, key),
                (Some((stem, a)), Some((_, b))) if a != b => {
                    add("numbers", format!("{stem} {a}"), b, key);
                }
                _ => {}
            }
            if let (Some(one), Some(other)) = (one, other) {
                if one.opmode != other.opmode && one.opmode.is_some() && other.opmode.is_some() {
                    add("opmode", word(one.opmode.as_deref()), word(other.opmode.as_deref()), key);
                }
                if one.name != other.name && one.name.is_some() && other.name.is_some() {
                    add("name", word(one.name.as_deref()), word(other.name.as_deref()), key);
                }
            }
        }
        let order = ["gained", "lost", "renamed", "numbers", "opmode", "name"];
        let mut changes: Vec<_> = found
            .into_iter()
            .map(|((what, before, after), (parts, example))| Change {
                what,
                before,
                after,
                parts,
                example,
            })
            .collect();
        changes.sort_by_key(|change| {
            let rank = order.iter().position(|what| *what == change.what);
            (rank, std::cmp::Reverse(change.parts))
        });
        Difference { before: before.kernel.clone(), after: after.kernel.clone(), changes }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A part that asks for these.
    pub fn part(device: u16, asked: &[&str]) -> Swept {
        Swept {
            device,
            subsystem: 0x20,
            hw_rev: 0x420,
            rf_id: 0x10_d000,
            name: Some("Intel(R) Wi-Fi 6E AX210 160MHz".to_owned()),
            asked: asked.iter().map(|name| (*name).to_owned()).collect(),
            given: asked.last().map(|name| (*name).to_owned()),
            declared: true,
            opmode: Some("iwlmvm".to_owned()),
            module: Some(true),
            said: None,
            trouble: None,
        }
    }

    /// Of a kernel.
    pub fn sweep(kernel: &str, parts: Vec<Swept>) -> Sweep {
        Sweep {
            kernel: kernel.to_owned(),
            package: "firmware-iwlwifi 20250410-2".to_owned(),
            ids: 453,
            rows: 226,
            seconds: 60.0,
            parts,
        }
    }

    #[test]
    fn names_come_go_and_change() {
        let (cc, ty) = ("iwlwifi-cc-a0-77.ucode", "iwlwifi-ty-a0-gf-a0-72.ucode");
        let before = sweep("6.12", vec![part(1, &[cc]), part(2, &[ty]), part(3, &[cc])]);
        let newer = ["iwlwifi-ty-a0-gf-a0-89.ucode", "iwlwifi-ty-a0-gf-a0-88.ucode"];
        let mut mld = part(3, &[cc]);
        mld.opmode = Some("iwlmld".to_owned());
        let after =
            sweep("7.3", vec![part(2, &newer), mld, part(4, &["iwlwifi-gl-c0-fm-c0-c107.ucode"])]);
        let difference = Difference::of(&before, &after);
        let said: Vec<_> = difference
            .changes
            .iter()
            .map(|c| {
                format!("{} {} -> {} ({}, {:x})", c.what, c.before, c.after, c.parts, c.example.0)
            })
            .collect();
        assert_eq!(
            said,
            [
                "gained  -> iwlwifi-gl-c0-fm-c0 (1, 4)",
                "lost iwlwifi-cc-a0 ->  (1, 1)",
                "numbers iwlwifi-ty-a0-gf-a0 72..72 -> 89..88 (1, 2)",
                "opmode iwlmvm -> iwlmld (1, 3)",
            ]
        );
        assert!(Difference::of(&before, &before).changes.is_empty());
    }

    #[test]
    fn what_is_amiss_has_words() {
        assert_eq!(part(1, &["iwlwifi-cc-a0-77.ucode"]).amiss(), [""; 0]);
        let mut part = part(1, &["iwlwifi-cc-a0-77.ucode"]);
        (part.declared, part.module) = (false, Some(false));
        assert_eq!(part.amiss(), ["not declared", "no such module"]);
        part.given = None;
        assert!(part.amiss().contains(&"not in the package"));
        part.asked.clear();
        assert_eq!(part.amiss()[0], "no firmware asked for");
    }
}
