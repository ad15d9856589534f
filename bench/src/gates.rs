//! The gates: what the bench answers when the guest's loaders ask.

use std::collections::BTreeMap;

use base64::Engine;
use guest_protocol::{Answer, Question};

use crate::expect::matches;
use crate::milestone::Reached;
use crate::scenario::Pattern;
use crate::timeline::Source;

/// "No such file or directory".
const ENOENT: i32 = 2;

/// What the gates do in one run.
#[derive(Debug, Default)]
pub struct Gates {
    /// Firmware files by name below `/lib/firmware`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Firmware lookups wait for this milestone.
    pub hold_firmware_until: Option<Pattern>,
    held: Vec<(u64, Question)>,
}

/// An answer, and what is said of it.
#[derive(Debug)]
pub struct Answered {
    /// The question.
    pub question: Question,
    /// The answer.
    pub answer: Answer,
    /// In one word.
    pub word: &'static str,
    /// Its number: bytes, errno or exit status.
    pub value: Option<i64>,
}

impl Gates {
    /// Gates that serve these files.
    pub fn new(files: BTreeMap<String, Vec<u8>>, hold_firmware_until: Option<Pattern>) -> Gates {
        Gates { files, hold_firmware_until, held: Vec::new() }
    }

    /// A question; `None` if it is held.
    pub fn ask(&mut self, id: u64, question: Question, milestones: &[Reached]) -> Option<Answered> {
        let holds = matches!(question, Question::FirmwareLookup { .. }) && !self.open(milestones);
        if holds {
            self.held.push((id, question));
            None
        } else {
            Some(self.answer(question))
        }
    }

    /// The answers to what was held, once it need not be any more.
    pub fn release(&mut self, milestones: &[Reached]) -> Vec<(u64, Answered)> {
        if self.held.is_empty() || !self.open(milestones) {
            return Vec::new();
        }
        let held = std::mem::take(&mut self.held);
        held.into_iter().map(|(id, question)| (id, self.answer(question))).collect()
    }

    fn open(&mut self, milestones: &[Reached]) -> bool {
        let Some(pattern) = &self.hold_firmware_until else { return true };
        let open = milestones.iter().any(|reached| matches(pattern, reached));
        if open {
            self.hold_firmware_until = None;
        }
        open
    }

    fn answer(&self, question: Question) -> Answered {
        let (answer, word, value) = match &question {
            Question::Module { .. } => (Answer::Proceed, "proceed", None),
            Question::FirmwareLookup { path } => match self.files.get(path) {
                Some(bytes) => {
                    let data = base64::engine::general_purpose::STANDARD.encode(bytes);
                    (Answer::File { data }, "file", i64::try_from(bytes.len()).ok())
                }
                None => (Answer::Errno { errno: ENOENT }, "errno", Some(ENOENT.into())),
            },
        };
        Answered { question, answer, word, value }
    }
}

/// Which gate asks this.
pub fn source(question: &Question) -> Source {
    match question {
        Question::Module { .. } => Source::ModuleGate,
        Question::FirmwareLookup { .. } => Source::FirmwareGate,
    }
}
