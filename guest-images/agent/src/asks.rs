//! Questions that wait for the bench's answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use guest_protocol::{Answer, FromGuest, Question};

use crate::clock::mono_ns;
use crate::outbox::Outbox;

type OnAnswer = Box<dyn FnOnce(Option<Answer>) + Send>;

/// All questions on their way.
pub(crate) struct Asks {
    outbox: Outbox,
    next: AtomicU64,
    /// `None` once nobody answers any more.
    pending: Mutex<Option<HashMap<u64, OnAnswer>>>,
}

impl Asks {
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self { outbox, next: AtomicU64::new(1), pending: Mutex::new(Some(HashMap::new())) }
    }

    /// Asks, and returns at once with the question's id; `on_answer` runs when
    /// the answer comes, on the thread that reads the port: it must not block.
    /// It gets `None` if the guest goes down unanswered.
    pub(crate) fn ask(
        &self,
        question: Question,
        on_answer: impl FnOnce(Option<Answer>) + Send + 'static,
    ) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        match &mut *self.lock() {
            Some(pending) => pending.insert(id, Box::new(on_answer)),
            None => {
                on_answer(None);
                return id;
            }
        };
        self.outbox.send(FromGuest::Ask { id, mono_ns: mono_ns(), question });
        id
    }

    /// The bench answers.
    pub(crate) fn answer(&self, id: u64, answer: Answer) {
        match self.take(id) {
            Some(on_answer) => on_answer(Some(answer)),
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
        for on_answer in pending.into_iter().flat_map(HashMap::into_values) {
            on_answer(None);
        }
    }

    fn take(&self, id: u64) -> Option<OnAnswer> {
        self.lock().as_mut()?.remove(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, OnAnswer>>> {
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
        let ask = |name: &'static str| {
            let tx = tx.clone();
            let question = Question::FirmwareLookup { path: name.into() };
            asks.ask(question, move |answer| tx.send((name, answer)).unwrap())
        };
        let first = ask("first");
        ask("second");
        asks.answer(first, Answer::Directory);
        asks.answer(first, Answer::Proceed);
        assert_eq!(rx.try_recv().unwrap(), ("first", Some(Answer::Directory)));
        assert!(rx.try_recv().is_err());
        asks.close();
        assert_eq!(rx.try_recv().unwrap(), ("second", None));
        ask("third");
        assert_eq!(rx.try_recv().unwrap(), ("third", None));
    }
}
