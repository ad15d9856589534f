//! Questions that wait for the bench's answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use guest_protocol::{Answer, FromGuest, Question};

use crate::clock::mono_ns;
use crate::outbox::Outbox;

type OnAnswer = Box<dyn FnOnce(Answer) + Send>;

/// All questions on their way.
pub(crate) struct Asks {
    outbox: Outbox,
    next: AtomicU64,
    pending: Mutex<HashMap<u64, OnAnswer>>,
}

impl Asks {
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self { outbox, next: AtomicU64::new(1), pending: Mutex::default() }
    }

    /// Asks, and returns at once with the question's id; `on_answer` runs when
    /// the answer comes, on the thread that reads the port: it must not block.
    pub(crate) fn ask(
        &self,
        question: Question,
        on_answer: impl FnOnce(Answer) + Send + 'static,
    ) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(id, Box::new(on_answer));
        self.outbox.send(FromGuest::Ask { id, mono_ns: mono_ns(), question });
        id
    }

    /// The bench answers.
    pub(crate) fn answer(&self, id: u64, answer: Answer) {
        let on_answer = self.lock().remove(&id);
        match on_answer {
            Some(on_answer) => on_answer(answer),
            None => self.outbox.note(format!("an answer to question {id}, which is not open")),
        }
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn withdraw(&self, id: u64) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, OnAnswer>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
