//! How steps end, and what a tear-down leaves.

use std::fmt;
use std::time::Duration;

use crate::facts::missing::Missing;
use crate::facts::verdict::Verdict;
use crate::machine::session::Session;
use crate::script::scenario::{Action, Fails};

/// What has not ended so long after the guest came to rest never does.
pub(super) const HANGS_AFTER: Duration = Duration::from_secs(10);

/// Why a step did not do what it should.
pub enum StepError {
    /// The step did not do what it should; the guest lives.
    Failed(String),
    /// The same, after all the time that it had.
    TimedOut(String),
    /// This did not come, for all the time that it had.
    Missing(String, Vec<Missing>),
    /// This is not there now.
    Lacking(String, Missing),
    /// What is there is otherwise: nothing that is still to come would mend that.
    Contradicted(String),
    /// It failed with an error of the guest's, which the scenario may want.
    Refused(String, Fails),
    /// It cannot be done there: the scenario's fault, whatever the driver does.
    Unsuited(String),
    /// The run is over.
    Stop(Verdict),
}

impl StepError {
    /// What went wrong with the step, while the run goes on.
    ///
    /// # Errors
    /// The run is over.
    pub fn why(&self) -> Result<&str, &Verdict> {
        match self {
            StepError::Failed(why)
            | StepError::TimedOut(why)
            | StepError::Missing(why, _)
            | StepError::Lacking(why, _)
            | StepError::Contradicted(why)
            | StepError::Refused(why, _)
            | StepError::Unsuited(why) => Ok(why),
            StepError::Stop(verdict) => Err(verdict),
        }
    }

    /// What went wrong, be the run over or not.
    pub fn words(&self) -> &str {
        self.why().unwrap_or_else(|over| &over.line)
    }
}

impl From<Verdict> for StepError {
    fn from(verdict: Verdict) -> StepError {
        StepError::Stop(verdict)
    }
}

/// A step whose end is not waited for.
pub(super) struct Pending {
    pub(super) work: Work,
    pub(super) index: usize,
    pub(super) word: String,
    pub(super) fails: Option<Fails>,
    pub(super) about: About,
}

/// What it says of a run that the guest refuses a step which should go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// No more than its own error: it was about no card.
    Itself,
    /// It was about a program, which the guest's image has or has not.
    Program,
    /// It was about a card: that has its causes there.
    Card(Missing),
}

impl About {
    /// Of a step; `card` is the one that it is about.
    pub(super) fn of(action: Option<&Action>, card: &str) -> About {
        let missing = |kind: &str| {
            About::Card(Missing { kind: kind.to_owned(), card: Some(card.to_owned()) })
        };
        match action {
            Some(Action::Exec(_)) => About::Program,
            Some(action @ (Action::LinkUp | Action::Scan)) => missing(action.word()),
            // Of whichever card.
            Some(action @ Action::Suspend(_)) => About::Card(Missing::of(action.word())),
            Some(Action::Bind) => missing("bound"),
            _ => About::Itself,
        }
    }
}

/// Where the end of a started step shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work {
    /// A command of the guest's, by its number.
    Command(u64),
    /// The card in this port leaves its slot.
    Unplug(usize),
    /// The card is in its slot: the guest has told of so many functions then.
    Plug(usize),
    /// The host did it at once.
    Done,
}

impl Work {
    pub(super) fn has_ended(self, session: &Session) -> bool {
        match self {
            Work::Command(id) => session.has_reply(id),
            Work::Unplug(port) => session.unplugged(port),
            Work::Plug(functions) => session.functions_added() >= functions,
            Work::Done => true,
        }
    }
}

/// A started step that has ended.
pub struct Ended {
    /// Of the step, as it was begun: 0-based.
    pub index: usize,
    pub(super) word: String,
    pub(super) fails: Option<Fails>,
    pub(super) about: About,
    /// How.
    pub result: Result<(), StepError>,
}

impl Ended {
    /// It went well, or failed as it has to.
    pub(super) fn is_as_wanted(&self) -> bool {
        match (&self.result, self.fails) {
            (Ok(()), None) | (Err(StepError::Refused(..)), Some(Fails::Somehow)) => true,
            (Err(StepError::Refused(_, got)), Some(want)) => *got == want,
            _ => false,
        }
    }
}

/// What is not as it should be when all is torn down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// This does not end.
    Hangs(String),
    /// This is still there.
    Stays(String),
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Left::Hangs(what) => write!(f, "{what} does not end"),
            Left::Stays(what) => f.write_str(what),
        }
    }
}

/// What a wait for milestones came to.
pub(super) enum Awaited {
    /// There is something to look at.
    More,
    /// Time ran out.
    TimedOut,
    /// Nothing happens any more.
    Over,
}
