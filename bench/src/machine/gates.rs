//! The gates: what the bench answers when the guest's loaders ask, and when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine;
use guest_protocol::{Answer, Question};
use iwl_ucode::stub::{self, StubDef};

use crate::facts::derive::is_directory;
use crate::facts::driver::{COMPRESSED, as_asked};
use crate::facts::errno::Errno;
use crate::facts::milestone::Reached;
use crate::facts::missing::{Held as Waiting, HeldUntil};
use crate::facts::timeline::Source as EventSource;
use crate::machine::firmware::{self, FirmwareError};
use crate::script::expect::matches;
use crate::script::scenario::{FirmwareRule, ModuleRule, Pattern, Scenario, Source, Vars, glob};

/// What the gates do in one run.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    firmware: Vec<Rule<FirmwareRule>>,
    module: Vec<Rule<ModuleRule>>,
    files: Option<Files>,
    /// The kernel's.
    release: String,
    /// Names that are held whatever rule answers them.
    hold: Vec<String>,
    /// Nothing is held any more.
    open: bool,
    held: Vec<Held>,
}

/// A rule whose variables are replaced.
#[derive(Debug, Clone)]
struct Rule<R> {
    name: String,
    until: Option<Pattern>,
    /// How many requests it still takes.
    left: Option<u32>,
    /// It has taken one.
    met: bool,
    rule: R,
}

impl<R> Rule<R> {
    /// Whether it decides on this name; counts, if so.
    fn takes(&mut self, name: &str) -> bool {
        if self.left == Some(0) || !glob(&self.name, name) {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.met = true;
        true
    }
}

impl Rule<FirmwareRule> {
    /// Whether it can be about this name: a pattern that gives files as they are does not mean the
    /// compressed ones, though it may fit their names.
    fn suits(&self, path: &str) -> bool {
        let other = |suffix: &&str| path.ends_with(*suffix) && !self.name.ends_with(*suffix);
        self.rule.refuse.is_some() || self.rule.compress.is_some() || !COMPRESSED.iter().any(other)
    }
}

/// Where the bytes of firmware files come from.
#[derive(Debug, Clone)]
struct Files {
    stub: &'static StubDef,
    kernel: stub::Kernel,
    /// The first name asked for, which has a file where no rule says otherwise.
    firmware: String,
    /// The same for further cards.
    more: Vec<(String, &'static StubDef)>,
    /// What is given instead of the stub.
    given: Instead,
    /// Files of the scenario's own, read.
    own: Vec<(Source, Vec<u8>)>,
}

/// What cards are given instead of their stubs.
#[derive(Debug, Clone, Default)]
pub enum Instead {
    /// Nothing else.
    #[default]
    Nothing,
    /// The user's file, under the first name asked for.
    File(Vec<u8>),
    /// The files of a package, under their own names; no others.
    Package(BTreeMap<String, Vec<u8>>),
}

/// A request that waits.
#[derive(Debug, Clone)]
struct Held {
    id: u64,
    answered: Answered,
    until: Until,
}

#[derive(Debug, Clone)]
enum Until {
    Milestone(Pattern),
    Release,
    Instant(Instant),
    Never,
}

/// An answer, and what is said of it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The question.
    pub question: Question,
    /// The answer.
    pub answer: Answer,
    /// In one word.
    pub word: &'static str,
    /// Its number: bytes, errno, exit status or signal.
    pub value: Option<i64>,
}

impl Gates {
    /// The gates of a scenario. What is `given` stands in for the cards' stubs.
    ///
    /// # Errors
    /// A file cannot be read, or a fault cannot be put into it.
    pub fn new(
        scenario: &Scenario,
        vars: &Vars,
        stub: &'static StubDef,
        kernel: stub::Kernel,
        given: Instead,
    ) -> Result<Gates, FirmwareError> {
        let first = iwl_card::card(&vars.card).map(|card| scenario.machine(card));
        let more = first.into_iter().flatten().skip(1);
        let more = more.filter_map(|card| stub::for_card(card.spec.name));
        let mut files = Files {
            stub,
            kernel,
            firmware: vars.firmware.clone(),
            more: more.map(|stub| (stub.file_name(stub.newest(kernel)), stub)).collect(),
            given,
            own: Vec::new(),
        };
        let mut firmware = Vec::new();
        for rule in scenario.firmware.iter().map(toml::Spanned::get_ref) {
            if !rule.when.applies(vars) {
                continue;
            }
            if let Some(source @ Source::File(path)) = &rule.give {
                files.own.push((source.clone(), firmware::read(&scenario.directory.join(path))?));
            }
            let name = vars.string(&rule.name);
            // What cannot be made is told before anything boots.
            files.bytes(rule, if name.contains('*') { &vars.firmware } else { &name })?;
            firmware.push(Rule {
                name,
                until: rule.hold_until.as_ref().map(|p| vars.pattern(p.get_ref())),
                left: rule.times,
                met: false,
                rule: rule.clone(),
            });
        }
        let module = scenario
            .module
            .iter()
            .map(toml::Spanned::get_ref)
            .filter(|rule| rule.when.applies(vars))
            .map(|rule| Rule {
                name: vars.string(&rule.name),
                until: rule.hold_until.as_ref().map(|p| vars.pattern(p.get_ref())),
                left: rule.times,
                met: false,
                rule: rule.clone(),
            })
            .collect();
        let hold = scenario.hold.iter().map(|name| vars.string(&name.0)).collect();
        Ok(Gates {
            firmware,
            module,
            files: Some(files),
            release: vars.kernel.clone(),
            hold,
            open: false,
            held: Vec::new(),
        })
    }

    /// The files that a request would be given, by the names known beforehand.
    pub fn offers(&self, vars: &Vars) -> Vec<(String, Vec<u8>)> {
        let mut names: Vec<String> = self.firmware.iter().map(|rule| rule.name.clone()).collect();
        for name in &vars.walk_down {
            names.extend(["", ".zst", ".xz"].map(|suffix| format!("{name}{suffix}")));
        }
        names.sort();
        names.dedup();
        names
            .into_iter()
            .filter(|name| !name.contains('*'))
            .filter_map(|name| {
                let rule = self.firmware.iter().find(|rule| glob(&rule.name, &name));
                let file = self.file(rule.map(|rule| &rule.rule), &name)?;
                Some((name, file))
            })
            .collect()
    }

    /// What they are before a rule breaks or packs them, those of the cards' stubs first.
    pub fn whole(&self, vars: &Vars) -> Vec<Vec<u8>> {
        let Some(files) = &self.files else { return Vec::new() };
        let apis = vars.walk_down.iter().filter_map(|name| files.stub.api_of(name));
        let stubs = apis.map(|api| files.stub.build(api));
        let more = files.more.iter().map(|(_, stub)| stub.build(stub.newest(files.kernel)));
        let of_rules = self.firmware.iter().filter_map(|rule| {
            let name = if rule.name.contains('*') { &vars.firmware } else { &rule.name };
            files.source(&rule.rule, name).ok().flatten()
        });
        let given: Vec<_> = match &files.given {
            // Those of all cards.
            Instead::Package(all) => all.values().cloned().collect(),
            _ => vars.walk_down.iter().filter_map(|name| files.by_default(name)).collect(),
        };
        stubs.chain(more).chain(of_rules).chain(given).collect()
    }

    /// A question; `None` if it is held.
    pub fn ask(&mut self, id: u64, question: Question, milestones: &[Reached]) -> Option<Answered> {
        let (answered, until) = match &question {
            Question::Module { module, .. } => {
                let module = module.clone();
                self.module_answer(question, &module)
            }
            Question::FirmwareLookup { path } => {
                let path = path.clone();
                self.firmware_answer(question, &path)
            }
        };
        let until = until.or_else(|| {
            let name = name_of(&answered.question);
            let held = self.hold.iter().any(|held| means(held, name, &self.release));
            held.then_some(Until::Release)
        });
        match until {
            Some(until) if self.open && !matches!(until, Until::Never) => Some(answered),
            Some(until) if !until.is_over(milestones) => {
                self.held.push(Held { id, answered, until });
                None
            }
            _ => Some(answered),
        }
    }

    /// The answers to what was held, and by now need not be any more.
    pub fn due(&mut self, milestones: &[Reached]) -> Vec<(u64, Answered)> {
        self.let_go(|held| held.until.is_over(milestones))
    }

    /// The answers to what was held for a `release` step, by module or file name.
    pub fn release(&mut self, pattern: &str) -> Vec<(u64, Answered)> {
        self.let_go(|held| {
            matches!(held.until, Until::Release) && glob(pattern, name_of(&held.answered.question))
        })
    }

    /// All that waits, oldest first, and for what.
    pub fn waiting(&self) -> impl Iterator<Item = Waiting> {
        self.held.iter().map(|held| Waiting {
            name: name_of(&held.answered.question).to_owned(),
            is_module: matches!(held.answered.question, Question::Module { .. }),
            until: match &held.until {
                Until::Milestone(pattern) => HeldUntil::Milestone {
                    kind: pattern.milestone.clone(),
                    words: pattern.to_string(),
                },
                Until::Release => HeldUntil::Release,
                Until::Instant(_) => HeldUntil::While,
                Until::Never => HeldUntil::Never,
            },
        })
    }

    /// Whether a request can be held here that a release of this pattern lets go.
    pub fn may_release(&self, pattern: &str) -> bool {
        let of_files = self.firmware.iter().filter(|rule| rule.rule.hold).map(|rule| &rule.name);
        let of_modules = self.module.iter().filter(|rule| rule.rule.hold).map(|rule| &rule.name);
        self.hold.iter().chain(of_files).chain(of_modules).any(|held| both_fit(held, pattern))
    }

    /// As [`Gates::release`], the oldest request only.
    pub fn release_one(&mut self, pattern: &str) -> Option<(u64, Answered)> {
        let oldest =
            self.released_by_word().find(|held| glob(pattern, name_of(&held.answered.question)))?;
        let id = oldest.id;
        self.let_go(|held| held.id == id).pop()
    }

    /// What waits for a `release`, oldest first.
    pub fn held(&self) -> impl Iterator<Item = &Question> {
        self.released_by_word().map(|held| &held.answered.question)
    }

    fn released_by_word(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(|held| matches!(held.until, Until::Release))
    }

    /// The rules that no request has met, for people: what they say was not put to the test.
    pub fn unmet(&self) -> Vec<String> {
        let firmware = self.firmware.iter().filter(|rule| !rule.met).map(|r| ("firmware", &r.name));
        let module = self.module.iter().filter(|rule| !rule.met).map(|r| ("module", &r.name));
        let all = firmware.chain(module);
        all.map(|(kind, name)| format!("no request met the [[{kind}]] rule for `{name}`")).collect()
    }

    /// Holds nothing from now on, but what a rule holds for ever: the answers that are due.
    pub fn open(&mut self) -> Vec<(u64, Answered)> {
        self.open = true;
        self.let_go(|held| !matches!(held.until, Until::Never))
    }

    /// Those who asked are no more.
    pub fn forget(&mut self) {
        self.held.clear();
    }

    /// Whether a rule holds this question for ever.
    pub fn hangs(&self, id: u64) -> bool {
        self.held.iter().any(|held| held.id == id && matches!(held.until, Until::Never))
    }

    /// When [`Gates::due`] has to be asked again though nothing happened.
    pub fn next_due(&self) -> Option<Instant> {
        let instants = self.held.iter().filter_map(|held| match held.until {
            Until::Instant(instant) => Some(instant),
            _ => None,
        });
        instants.min()
    }

    fn let_go(&mut self, goes: impl Fn(&Held) -> bool) -> Vec<(u64, Answered)> {
        let (gone, held) = std::mem::take(&mut self.held).into_iter().partition(goes);
        self.held = held;
        gone.into_iter().map(|held: Held| (held.id, held.answered)).collect()
    }

    fn module_answer(&mut self, question: Question, module: &str) -> (Answered, Option<Until>) {
        let Some(rule) = self.module.iter_mut().find_map(|r| r.takes(module).then_some(&*r)) else {
            return (Answered::new(question, Answer::Proceed, "proceed", None), None);
        };
        let r = &rule.rule;
        let until = match r.hang {
            true => Some(Until::Never),
            false => until(rule.until.as_ref(), r.hold, r.delay),
        };
        let (answer, word, value) = match (r.exit, r.kill) {
            (Some(status), _) => {
                (Answer::Exit { status: status.into() }, "exit", Some(status.into()))
            }
            (None, Some(signal)) => (Answer::Kill { signal }, "kill", Some(signal.into())),
            (None, None) if r.lie => (Answer::Exit { status: 0 }, "exit", Some(0)),
            (None, None) => (Answer::Proceed, "proceed", None),
        };
        (Answered::new(question, answer, word, value), until)
    }

    fn firmware_answer(&mut self, question: Question, path: &str) -> (Answered, Option<Until>) {
        let means = |rule: &Rule<FirmwareRule>| means(&rule.name, path, &self.release);
        let mut rules = self.firmware.iter_mut();
        let rule = rules.position(|rule| rule.suits(path) && means(rule) && rule.takes(path));
        let rule = rule.map(|index| &self.firmware[index]);
        let until = rule.and_then(|r| until(r.until.as_ref(), r.rule.hold, r.rule.delay));
        let rule = rule.map(|r| &r.rule);
        let errno = rule.and_then(|r| r.refuse).unwrap_or(Errno::ENOENT).0;
        let (answer, word, value) = match self.file(rule, path) {
            Some(bytes) => {
                let data = base64::engine::general_purpose::STANDARD.encode(&bytes);
                (Answer::File { data }, "file", i64::try_from(bytes.len()).ok())
            }
            None if rule.is_none() && self.holds_more(path) => {
                (Answer::Directory, "directory", None)
            }
            None => (Answer::Errno { errno }, "errno", Some(errno.into())),
        };
        (Answered::new(question, answer, word, value), until)
    }

    /// Whether a rule is about a file in the directory of this path.
    fn holds_more(&self, path: &str) -> bool {
        let below = |name: &str| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        self.firmware.iter().any(|rule| below(&rule.name))
    }

    /// What a name gets under a rule.
    fn file(&self, rule: Option<&FirmwareRule>, name: &str) -> Option<Vec<u8>> {
        let files = self.files.as_ref()?;
        match rule {
            // That it can be made was tried when the gates were built.
            Some(rule) => files.bytes(rule, name).ok().flatten(),
            None => files.by_default(name),
        }
    }
}

/// Whether a name can fit both patterns.
fn both_fit(one: &str, other: &str) -> bool {
    match (one.contains('*'), other.contains('*')) {
        // Of two patterns only the beginnings and ends are compared.
        (true, true) => {
            let ends = |pattern: &str| {
                let mut parts = pattern.split('*');
                let head = parts.next().unwrap_or_default().to_owned();
                (head, parts.next_back().unwrap_or_default().to_owned())
            };
            let ((a, z), (other_a, other_z)) = (ends(one), ends(other));
            (a.starts_with(&other_a) || other_a.starts_with(&a))
                && (z.ends_with(&other_z) || other_z.ends_with(&z))
        }
        (false, _) => glob(other, one),
        (true, false) => glob(one, other),
    }
}

/// Whether a pattern is about a request of this name: one for files does not mean the directories that
/// the loader of this kernel looks into before them.
fn means(pattern: &str, name: &str, release: &str) -> bool {
    match is_directory(name, release) {
        true => pattern == name,
        false => glob(pattern, name),
    }
}

fn until(milestone: Option<&Pattern>, hold: bool, delay: Option<f64>) -> Option<Until> {
    match (milestone, delay) {
        (Some(pattern), _) => Some(Until::Milestone(pattern.clone())),
        (None, Some(seconds)) => {
            Some(Until::Instant(Instant::now() + Duration::from_secs_f64(seconds)))
        }
        (None, None) => hold.then_some(Until::Release),
    }
}

impl Until {
    fn is_over(&self, milestones: &[Reached]) -> bool {
        match self {
            Until::Milestone(pattern) => milestones.iter().any(|r| matches(pattern, r)),
            Until::Instant(instant) => Instant::now() >= *instant,
            Until::Release | Until::Never => false,
        }
    }
}

impl Answered {
    fn new(question: Question, answer: Answer, word: &'static str, value: Option<i64>) -> Answered {
        Answered { question, answer, word, value }
    }
}

impl Files {
    /// The file that a rule gives under a name; `None` if it refuses.
    fn bytes(&self, rule: &FirmwareRule, name: &str) -> Result<Option<Vec<u8>>, FirmwareError> {
        let Some(file) = self.source(rule, name)? else { return Ok(None) };
        firmware::change(file, &rule.corrupt, rule.compress).map(Some)
    }

    /// The same before it is broken or packed.
    fn source(&self, rule: &FirmwareRule, name: &str) -> Result<Option<Vec<u8>>, FirmwareError> {
        Ok(match &rule.give {
            _ if rule.refuse.is_some() => None,
            None => self.by_default(name),
            Some(Source::Stub) => Some(self.stub(name)),
            Some(Source::StubOf(card)) => {
                // With the API number asked for, or the driver would look no further.
                Some(self.stub_of(card, name))
            }
            Some(source @ Source::File(path)) => {
                let own = self.own.iter().find(|(known, _)| known == source);
                let own = own.map(|(_, bytes)| bytes.clone());
                Some(own.ok_or_else(|| FirmwareError::not_read(path))?)
            }
        })
    }

    /// What another card would be given under this name.
    fn stub_of(&self, card: &str, name: &str) -> Vec<u8> {
        let stub = stub::for_card(card).unwrap_or(self.stub);
        match stub.pnvm.as_ref().filter(|_| name.ends_with(".pnvm")) {
            Some(pnvm) => pnvm.build(),
            None => stub.build(self.api(name)),
        }
    }

    /// What a name gets where no rule says otherwise.
    fn by_default(&self, name: &str) -> Option<Vec<u8>> {
        if let Instead::Package(files) = &self.given {
            return files.get(name).cloned();
        }
        if name == self.firmware {
            return Some(self.stub(name));
        }
        if self.stub.pnvm_name().as_deref() == Some(name) {
            return self.stub.pnvm.as_ref().map(stub::PnvmDef::build);
        }
        let (_, stub) = self.more.iter().find(|(known, _)| known == name)?;
        Some(stub.build(stub.newest(self.kernel)))
    }

    /// The card's stub with the API number that the name asks for.
    fn stub(&self, name: &str) -> Vec<u8> {
        match &self.given {
            Instead::File(given) => given.clone(),
            Instead::Package(files) => {
                // The name that is asked for, or else the newest that there is.
                let own = |name: &&String| self.stub.api_of(name).is_some();
                let newest = || files.keys().filter(own).max_by_key(|name| self.stub.api_of(name));
                let file = files.get(as_asked(name)).or_else(|| files.get(newest()?));
                file.cloned().unwrap_or_default()
            }
            Instead::Nothing => self.stub.build(self.api(name)),
        }
    }

    /// The API number that a name asks for.
    fn api(&self, name: &str) -> stub::Api {
        self.stub.api_of(as_asked(name)).unwrap_or_else(|| self.stub.newest(self.kernel))
    }
}

/// The name of the module or file that is asked for.
pub fn name_of(question: &Question) -> &str {
    match question {
        Question::Module { module: name, .. } | Question::FirmwareLookup { path: name } => name,
    }
}

/// Which gate asks this.
pub fn source(question: &Question) -> EventSource {
    match question {
        Question::Module { .. } => EventSource::ModuleGate,
        Question::FirmwareLookup { .. } => EventSource::FirmwareGate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::milestone::Milestone;

    fn gates(rules: &str) -> Gates {
        let text =
            format!("about = \"t\"\ncards = [\"7260\"]\n{rules}\n[[step]]\ndo = \"unbind\"\n");
        let scenario = crate::script::read::parse("t", "t.toml", &text).expect("valid");
        let stub = stub::for_card("7260").expect("there");
        Gates::new(&scenario, &Vars::sample(), stub, stub::Kernel::V7_3, Instead::Nothing)
            .expect("made")
    }

    fn module(name: &str) -> Question {
        Question::Module { argv: vec!["modprobe".into(), name.into()], module: name.into() }
    }

    fn file(path: &str) -> Question {
        Question::FirmwareLookup { path: path.into() }
    }

    fn word(answered: Option<Answered>) -> Option<(&'static str, Option<i64>)> {
        answered.map(|a| (a.word, a.value))
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let mut gates = gates(
            "[[module]]\nexit = 3\ntimes = 1\n[[module]]\nkill = 9\n\
             [[firmware]]\nname = \"*.xz\"\nrefuse = \"EIO\"",
        );
        assert_eq!(word(gates.ask(1, module("iwlmvm"), &[])), Some(("exit", Some(3))));
        assert_eq!(word(gates.ask(2, module("iwlmvm"), &[])), Some(("kill", Some(9))));
        assert_eq!(word(gates.ask(3, module("iwldvm"), &[])), Some(("proceed", None)));
        let name = "iwlwifi-7260-17.ucode";
        assert_eq!(word(gates.ask(4, file(name), &[])).expect("answered").0, "file");
        assert_eq!(word(gates.ask(5, file("updates"), &[])), Some(("errno", Some(2))));
        assert_eq!(word(gates.ask(6, file(&format!("{name}.xz")), &[])), Some(("errno", Some(5))));
        assert_eq!(gates.offers(&Vars::sample()).len(), 1);
        assert_eq!(gates.unmet(), [""; 0]);
    }

    #[test]
    fn a_pattern_does_not_mean_the_directory_before_the_files() {
        let mut gates = gates("hold = [\"*\"]");
        for directory in ["updates", "7.3.4"] {
            let asked = gates.ask(1, file(directory), &[]);
            assert_eq!(word(asked), Some(("errno", Some(2))), "{directory}");
        }
        assert!(gates.ask(2, file("iwlwifi-7260-17.ucode"), &[]).is_none(), "held");
        let mut gates = self::gates("[[firmware]]\nname = \"*\"\nhold = true");
        assert!(gates.ask(1, file("updates"), &[]).is_some());
        assert!(gates.ask(2, file("iwlwifi-7260-17.ucode"), &[]).is_none(), "held");
    }

    /// The loader looks for `NAME.zst` and `NAME.xz` where there is no NAME.
    #[test]
    fn a_file_as_it_is_is_given_under_its_own_name() {
        let mut gates = gates(
            "[[firmware]]\nname = \"iwlwifi-7260-17.ucode\"\nrefuse = \"ENOENT\"\n\
             [[firmware]]\nname = \"iwlwifi-*.zst\"\ncompress = \"zst\"\ngive = \"stub\"\n\
             [[firmware]]\ngive = \"stub\"",
        );
        for (path, want) in [
            ("iwlwifi-7260-17.ucode", "errno"),
            ("iwlwifi-7260-17.ucode.zst", "file"),
            ("iwlwifi-7260-17.ucode.xz", "errno"),
            ("iwlwifi-7260-16.ucode", "file"),
        ] {
            assert_eq!(word(gates.ask(1, file(path), &[])).expect("answered").0, want, "{path}");
        }
    }

    #[test]
    fn a_rule_for_a_file_in_a_directory_is_met() {
        let mut gates = gates("[[firmware]]\nname = \"intel/ibt/*.sfi\"\nrefuse = \"EIO\"");
        for directory in ["intel", "intel/ibt"] {
            assert_eq!(word(gates.ask(1, file(directory), &[])), Some(("directory", None)));
        }
        assert_eq!(word(gates.ask(2, file("int"), &[])), Some(("errno", Some(2))));
        assert_eq!(word(gates.ask(3, file("intel/ibt/a.sfi"), &[])), Some(("errno", Some(5))));
        assert_eq!(gates.unmet(), [""; 0]);
    }

    #[test]
    fn rules_that_no_request_met_are_known() {
        let mut gates = gates("[[module]]\nexit = 3\n[[module]]\nname = \"x\"\n[[firmware]]\n");
        gates.ask(1, module("x"), &[]);
        let unmet = [
            "no request met the [[firmware]] rule for `iwl*`",
            "no request met the [[module]] rule for `iwlmvm`",
        ];
        assert_eq!(gates.unmet(), unmet);
    }

    #[test]
    fn what_is_held_is_let_go_by_its_word_only() {
        let mut gates = gates(
            "[[module]]\nhold = true\n[[module]]\nname = \"a\"\nhang = true\n\
             [[module]]\nname = \"b\"\ndelay = 0.0\n[[firmware]]\nhold-until = \"unbound\"",
        );
        for (id, question) in
            [(1, module("iwlmvm")), (2, module("a")), (3, file("iwlwifi-7260-17.ucode"))]
        {
            assert!(gates.ask(id, question, &[]).is_none(), "{id}");
        }
        assert!(gates.ask(4, module("b"), &[]).is_some(), "no delay is none");
        assert!(gates.next_due().is_none(), "nothing held waits for a time");
        assert!(gates.due(&[]).is_empty());
        let unbound = Reached {
            seq: 0,
            t_ns: 0,
            milestone: Milestone::Unbound {
                card: "7260".into(),
                slot: "s".into(),
                by: crate::facts::milestone::Unbinder::Step,
            },
        };
        let due: Vec<_> = gates.due(std::slice::from_ref(&unbound)).iter().map(|d| d.0).collect();
        assert_eq!(due, [3]);
        let waiting: Vec<_> = gates.waiting().map(|held| held.to_string()).collect();
        assert_eq!(waiting, ["iwlmvm until a release", "a for ever"]);
        assert!(gates.release("iwldvm").is_empty());
        assert!(gates.release("a").is_empty(), "it hangs");
        assert_eq!(gates.release("iwl*").len(), 1);
        assert!(gates.ask(5, file("iwlwifi-7260-17.ucode"), &[unbound]).is_some(), "reached");
    }

    #[test]
    fn names_are_held_whatever_rule_answers_them() {
        let mut gates =
            gates("hold = [\"$opmode\"]\n[[module]]\nexit = 3\n[[module]]\nname=\"x\"\nhang=true");
        assert!(gates.ask(1, module("iwlmvm"), &[]).is_none());
        assert!(gates.ask(2, module("iwlmvm"), &[]).is_none());
        assert!(gates.ask(3, module("x"), &[]).is_none());
        assert!(gates.ask(4, module("iwldvm"), &[]).is_some(), "not named");
        assert_eq!(gates.held().count(), 2, "what hangs waits for no release");
        let (id, answered) = gates.release_one("iwl*").expect("held");
        assert_eq!((id, answered.value), (1, Some(3)), "the oldest, with its rule's answer");
        assert!(gates.release_one("x").is_none());
        let open: Vec<_> = gates.open().iter().map(|open| open.0).collect();
        assert_eq!(open, [2]);
        assert!(gates.hangs(3) && !gates.hangs(2));
        assert!(gates.ask(5, module("iwlmvm"), &[]).is_some(), "open for good");
    }

    #[test]
    fn what_can_be_released_is_known() {
        let gates = gates(
            "hold = [\"$opmode\", \"x-*-y\"]\n[[firmware]]\nname = \"*.ucode\"\nhold = true\n\
             [[module]]\nname = \"b\"\nhang = true",
        );
        for pattern in ["iwlmvm", "iwl*", "*", "iwlwifi-7260-17.ucode", "iwl*7260*", "x-1-y", "x-*"]
        {
            assert!(gates.may_release(pattern), "{pattern}");
        }
        for pattern in ["iwlmvn", "iwldvm", "b", "y-*-x", "x-1-z", "*.sfi"] {
            assert!(!gates.may_release(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_slow_gate_says_when_it_opens() {
        let mut gates = gates("[[module]]\ndelay = 60");
        assert!(gates.ask(1, module("iwlmvm"), &[]).is_none());
        let due = gates.next_due().expect("a time");
        assert!(due > Instant::now() + Duration::from_secs(50));
        assert!(gates.due(&[]).is_empty());
    }

    /// By what its file says a card's firmware speaks: the second's too.
    #[test]
    fn the_files_of_further_cards_are_known() {
        let text =
            "about = \"t\"\ncards = [\"7260\"]\ncard.more = [\"8265\"]\n[[step]]\ndo = \"bind\"\n";
        let scenario = crate::script::read::parse("t", "t.toml", text).expect("valid");
        let stub = stub::for_card("7260").expect("there");
        let names = ["iwlwifi-7260-17.ucode", "iwlwifi-8265-36.ucode"];
        let files = names.map(|name| (name.to_owned(), name.into()));
        let given = Instead::Package(files.into());
        let vars = Vars::sample();
        let gates = Gates::new(&scenario, &vars, stub, stub::Kernel::V7_3, given).expect("made");
        let whole = gates.whole(&vars);
        for name in names {
            assert!(whole.iter().any(|file| file == name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_told_before_anything_boots() {
        let text = "about = \"t\"\ncards = [\"7260\"]\n[[firmware]]\n\
                    corrupt = \"truncate=99999999\"\n[[step]]\ndo = \"unbind\"\n";
        let scenario = crate::script::read::parse("t", "t.toml", text).expect("valid");
        let stub = stub::for_card("7260").expect("there");
        let error =
            Gates::new(&scenario, &Vars::sample(), stub, stub::Kernel::V7_3, Instead::Nothing);
        assert!(error.expect_err("too long").to_string().contains("cannot be cut"));
    }
}
