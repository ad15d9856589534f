//! Questions that wait for the bench's answer.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use guest_protocol::{Answer, FromGuest, Question};

use crate::clock::mono_ns;
use crate::outbox::Outbox;

type OnAnswer = Box<dyn FnOnce(Option<Answer>) + Send>;

struct Open {
    asked_by: u32,
    on_answer: OnAnswer,
}

/// All questions on their way.
pub(crate) struct Asks {
    outbox: Outbox,
    next: AtomicU64,
    /// `None` once nobody answers any more.
    pending: Mutex<Option<HashMap<u64, Open>>>,
}

impl Asks {
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self { outbox, next: AtomicU64::new(1), pending: Mutex::new(Some(HashMap::new())) }
    }

    /// Asks, and returns at once with the question's id; `on_answer` runs when
    /// the answer comes, on the thread that reads the port: it must not block.
    /// It gets `None` if the guest goes down unanswered. `asked_by` is the task that waits.
    pub(crate) fn ask(
        &self,
        question: Question,
        asked_by: u32,
        on_answer: impl FnOnce(Option<Answer>) + Send + 'static,
    ) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        match &mut *self.lock() {
            Some(pending) => {
                pending.insert(id, Open { asked_by, on_answer: Box::new(on_answer) });
            }
            None => {
                on_answer(None);
                return id;
            }
        }
        self.outbox.send(FromGuest::Ask { id, mono_ns: mono_ns(), question });
        id
    }

    /// The bench answers.
    pub(crate) fn answer(&self, id: u64, answer: Answer) {
        match self.take(id) {
            Some(open) => (open.on_answer)(Some(answer)),
            None => self.outbox.note(format!("an answer to question {id}, which is not open")),
        }
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn withdraw(&self, id: u64) {
        self.take(id);
    }

    /// Refuses all that is open and all that will be asked: nothing in the kernel
    /// shall wait for a bench that has gone.
    pub(crate) fn close(&self) {
        let pending = self.lock().take();
        for open in pending.into_iter().flat_map(HashMap::into_values) {
            (open.on_answer)(None);
        }
    }

    /// The tasks that wait for the bench.
    pub(crate) fn waiting(&self) -> HashSet<u32> {
        self.lock().iter().flatten().map(|(_, open)| open.asked_by).collect()
    }

    fn take(&self, id: u64) -> Option<Open> {
        self.lock().as_mut()?.remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, Open>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn each_question_gets_one_answer_and_none_is_left_at_the_end() {
        let (outbox, _queue) = crate::outbox::channel();
        let asks = Asks::new(outbox);
        let (tx, rx) = mpsc::channel();
        let ask = |name: &'static str, task| {
            let tx = tx.clone();
            let question = Question::FirmwareLookup { path: name.into() };
            asks.ask(question, task, move |answer| tx.send((name, answer)).unwrap())
        };
        let first = ask("first", 7);
        ask("second", 8);
        assert_eq!(asks.waiting(), HashSet::from([7, 8]));
        asks.answer(first, Answer::Directory);
        asks.answer(first, Answer::Proceed);
        assert_eq!(asks.waiting(), HashSet::from([8]));
        assert_eq!(rx.try_recv().unwrap(), ("first", Some(Answer::Directory)));
        assert!(rx.try_recv().is_err());
        asks.close();
        assert_eq!(rx.try_recv().unwrap(), ("second", None));
        ask("third", 9);
        assert!(asks.waiting().is_empty());
        assert_eq!(rx.try_recv().unwrap(), ("third", None));
    }
}
