//! Notices on their way to somebody slower than the card.
//!
//! A guest makes notices as fast as it makes accesses, millions in a second. Who prints them is
//! slower, or waits for a terminal that is stopped. So they wait in a queue that holds so many and
//! no more; what finds no room is counted, and the count stands where it would have been.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::Notice;

/// What comes out of the queue.
#[derive(Debug)]
pub enum Told {
    /// A notice, and when it happened.
    Notice(Instant, Notice),
    /// So many found no room here.
    Dropped(u64),
}

/// Where a card's notices go; see [`notices`].
#[derive(Debug)]
pub struct NoticeSender(Arc<Shared>);

/// Where they come out.
#[derive(Debug)]
pub struct NoticeReceiver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Told>,
    /// Since the last one that found room.
    dropped: u64,
    /// Nobody sends any more.
    over: bool,
}

/// A queue for at most so many notices.
pub fn notices(most: usize) -> (NoticeSender, NoticeReceiver) {
    let shared = Arc::new(Shared { most, state: Mutex::default(), news: Condvar::new() });
    (NoticeSender(Arc::clone(&shared)), NoticeReceiver(shared))
}

impl NoticeSender {
    /// Sends it, if there is room; never waits. There is always room for [`Notice::Ended`].
    pub fn send(&self, at: Instant, notice: Notice) {
        let mut state = self.0.lock();
        if state.queue.len() >= self.0.most && !matches!(notice, Notice::Ended(_)) {
            state.dropped += 1;
            return;
        }
        let dropped = std::mem::take(&mut state.dropped);
        if dropped > 0 {
            state.queue.push_back(Told::Dropped(dropped));
        }
        state.queue.push_back(Told::Notice(at, notice));
        drop(state);
        self.0.news.notify_one();
    }
}

impl Drop for NoticeSender {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.news.notify_one();
    }
}

impl NoticeReceiver {
    /// The next one, if it is there already.
    pub fn try_recv(&self) -> Option<Told> {
        self.0.lock().queue.pop_front()
    }

    /// Waits for the next one; `None` if none will come.
    pub fn recv(&self) -> Option<Told> {
        let mut state = self.0.lock();
        loop {
            if let Some(told) = state.queue.pop_front() {
                return Some(told);
            }
            if state.over {
                return None;
            }
            state = self.0.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ended;
    use vfio_server::Exit;

    #[test]
    fn what_finds_no_room_is_counted_in_its_place() {
        let (sender, receiver) = notices(3);
        let now = Instant::now();
        let named = |name: &str| Notice::Detached { why: name.into(), lost: None };
        let seen = |told: Option<Told>| match told.expect("something") {
            Told::Notice(_, Notice::Detached { why, .. }) => why,
            Told::Notice(_, Notice::Ended(_)) => "end".into(),
            Told::Notice(..) => unreachable!("not sent"),
            Told::Dropped(count) => format!("{count} dropped"),
        };
        for number in 0..1000 {
            sender.send(now, named(&number.to_string()));
        }
        assert_eq!(seen(receiver.recv()), "0");
        sender.send(now, named("later"));
        let end = Ended { result: Ok(Exit::Stopped), summary: None };
        sender.send(now, named("no room"));
        sender.send(now, Notice::Ended(end));
        drop(sender);
        let all: Vec<_> =
            std::iter::from_fn(|| receiver.recv()).map(|told| seen(Some(told))).collect();
        assert_eq!(all, ["1", "2", "997 dropped", "later", "1 dropped", "end"]);
    }
}
