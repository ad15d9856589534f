//! What a command line adds to a scenario: faults of its first card, which are held to the same as a
//! file's own.

use std::ops::Range;

use iwl_card::CardSpec;
use toml::{Table, Value};

use crate::script::recover;
use crate::script::scenario::{PlannedFault, Scenario};
use crate::script::sense;

/// What is added, and what else of the command line decides what can come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Added<'a> {
    /// What is wrong with the first card.
    pub faults: &'a [PlannedFault],
    /// The guest boots for real.
    pub cold: bool,
    /// Modules left out of its image.
    pub without: &'a [String],
    /// Words of its kernel's command line.
    pub append: &'a [String],
    /// The card is given other firmware than its stub.
    pub other_firmware: bool,
    /// The guest has an image, an initrd or modules of the user's own: what they do only a run tells.
    pub other_guest: bool,
}

impl Added<'_> {
    /// Why one of the faults does nothing, whatever happens in a run with this card: it never comes, or a
    /// moment of it.
    pub fn refused(&self, scenario: &Scenario, card: &CardSpec) -> Option<String> {
        let may_not_come = |fault: &PlannedFault| {
            fault.moments().next().is_some() || fault.fault.of_file().is_some()
        };
        if self.other_guest || !self.faults.iter().any(may_not_come) {
            return None;
        }
        let text = toml::to_string(&self.put_into(scenario, card)).ok()?;
        let recover::Read { whole, complaints, left } = recover::read::<Scenario>(&text);
        let mut made = whole?;
        made.name.clone_from(&scenario.name);
        made.directory.clone_from(&scenario.directory);
        made.twin.clone_from(&scenario.twin);
        made.lower_cards();
        let first = &made.card.iter().next()?.faults;
        let added = &first[first.len().checked_sub(self.faults.len())?..];
        // What is wrong elsewhere is the scenario's own matter, with whatever cards it is played.
        complaints.into_iter().chain(sense::check(&made, &left)).find_map(|complaint| {
            let is_in =
                |at: Range<usize>| at.start <= complaint.at.start && complaint.at.end <= at.end;
            let which = added.iter().position(|fault| is_in(fault.span()))?;
            let (fault, name) = (&self.faults[which], &scenario.name);
            Some(format!("--fault {fault} in {name} with {}: {}", card.name, complaint.what))
        })
    }

    /// The scenario as a file that says all of it itself.
    fn put_into(&self, scenario: &Scenario, card: &CardSpec) -> Table {
        let mut table = scenario.table.clone();
        table.remove("twin");
        table.insert("cards".into(), vec![card.name.to_owned()].into());
        add_faults(&mut table, self.faults);
        if let (true, Some(Value::Table(first))) =
            (card.identity.is_another_part(), table.get_mut("card"))
        {
            first.insert("identity".into(), card.identity.to_string().into());
        }
        if self.cold {
            table.insert("cold".into(), true.into());
        }
        if let Value::Table(guest) = table.entry("guest").or_insert_with(|| Table::new().into()) {
            let append = self.append.iter().map(String::as_str);
            let own = guest.get("command-line").and_then(Value::as_str).into_iter();
            let line = own.chain(append).collect::<Vec<_>>().join(" ");
            guest.insert("command-line".into(), line.into());
            let without = guest.entry("without").or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(without) = without {
                without.extend(self.without.iter().cloned().map(Value::from));
            }
        }
        let rules = table.entry("firmware").or_insert_with(|| Value::Array(Vec::new()));
        if let (true, Value::Array(rules)) = (self.other_firmware, rules) {
            let give = Value::from(format!("stub:{}", card.name));
            rules.push(Table::from_iter([("give".to_owned(), give)]).into());
        }
        table
    }
}

/// Puts faults of the first card into a scenario's table.
pub fn add_faults(table: &mut Table, faults: &[PlannedFault]) {
    if faults.is_empty() {
        return;
    }
    let mut card = table.entry("card").or_insert_with(|| Table::new().into());
    // Of several, the first.
    if let Value::Array(cards) = card {
        let Some(first) = cards.first_mut() else { return };
        card = first;
    }
    if let Value::Table(card) = card
        && let Value::Array(own) = card.entry("faults").or_insert_with(|| Value::Array(Vec::new()))
    {
        own.extend(faults.iter().map(|fault| Value::from(fault.to_string())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::read::parse;

    fn refused(card: &str, fault: &str, rest: &str, more: Added<'_>) -> Option<String> {
        let text = format!(
            "about = \"t\"\ncards = [\"6205\"]\n{rest}\n[[step]]\ndo = \"coldplug\"\n\
             [[step]]\ndo = \"link-up\"\nname = \"up\"\n"
        );
        let scenario = parse("t", "t.toml", &text).expect("good");
        let faults = [fault.parse().expect(fault)];
        let card = iwl_card::card(card).expect("a card");
        Added { faults: &faults, ..more }.refused(&scenario, card)
    }

    #[test]
    fn what_never_comes_in_this_run_is_refused() {
        const SCAN: &str = "[[step]]\ndo = \"scan\"";
        for (card, fault, rest, said) in [
            ("7260", "ucode-error=16", "", "ask for no file of API 16, but of 17\n"),
            ("ax200", "ucode-error=78", "", "API 78, but of 39 to 72, 77\n"),
            ("7260", "nvm-old@firmware-asked:name=regulatory.db", "", "as cfg80211 is loaded"),
            (
                "7260",
                "nvm-old@host-command:name=SCAN_REQ_UMAC",
                SCAN,
                "`SCAN_OFFLOAD_REQUEST_CMD`?",
            ),
            ("7260", "nvm-old@packet:name=SCAN_COMPLETE_UMAC", SCAN, "`SCAN_OFFLOAD_COMPLETE`?"),
            (
                "7260",
                "nvm-old@host-command:name=SCAN_OFFLOAD_REQUEST_CMD",
                "",
                "no step is a `scan`",
            ),
            ("6205", "nvm-old@host-command:name=REPLY_SCAN_CMD", "", "no step is a `scan`"),
            (
                "7260",
                "nvm-old@host-command:name=UCODE_ALIVE_NTFY",
                "",
                "packet:name=UCODE_ALIVE_NTFY",
            ),
            ("7260", "nvm-old@host-command:name=ADD_STAA", "", "did you mean `ADD_STA`?"),
            ("7260", "nvm-old@step-ended:step=upp", "", "did you mean `up`?"),
            ("7260", "nvm-old..iml-loaded", "", "no image loader"),
        ] {
            let told = refused(card, fault, rest, Added::default()).expect(fault);
            assert!(told.contains(said), "{fault}: {told}");
            assert!(told.starts_with(&format!("--fault {fault} in t with {card}: ")), "{told}");
        }
        let cold = Added { cold: true, ..Added::default() };
        let own = Added { other_firmware: true, ..Added::default() };
        let other = Added { other_guest: true, ..Added::default() };
        let none = Added::default();
        for (card, fault, rest, more) in [
            ("7260", "ucode-error=17", "", none),
            ("7260", "ucode-error=0x38", "", none),
            ("7260", "ucode-error=16", "", own),
            ("be200", "ucode-error=c107", "", none),
            ("be200", "ucode-error=93", "", none),
            ("7260", "nvm-old@firmware-asked:name=regulatory.db", "", cold),
            ("7260", "nvm-old@firmware-asked:name=regulatory.db", "", other),
            ("7260", "nvm-old@host-command:name=SCAN_REQ_UMAC", SCAN, own),
            ("7260", "nvm-old@host-command:name=SCAN_OFFLOAD_REQUEST_CMD", SCAN, none),
            ("be200", "never-alive@host-command:name=SCAN_REQ_UMAC", SCAN, none),
            ("be200", "never-alive@host-command:name=SCAN_OFFLOAD_REQUEST_CMD", SCAN, none),
            ("6205", "never-alive@step-ended:step=up..fault-injected", "", none),
            ("7260", "never-alive@packet:name=UCODE_ALIVE_NTFY", "card = [{}, {}]", none),
        ] {
            assert_eq!(refused(card, fault, rest, more), None, "{fault}");
        }
    }
}
