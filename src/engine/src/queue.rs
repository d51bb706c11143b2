//! The queue between I/O threads and whoever answers. Waiting on it needs no GIL; a push wakes a thread only when one
//! sleeps.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    asleep: usize,
    closed: bool,
}

/// Why an item was not taken; it comes back.
pub enum Refused<T> {
    Full(T),
    Closed(T),
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        let state = State { items: VecDeque::new(), asleep: 0, closed: false };
        Self { state: Mutex::new(state), ready: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Append unless `most` items wait already.
    pub fn push(&self, item: T, most: usize) -> Result<(), Refused<T>> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed(item));
        }
        if state.items.len() >= most {
            return Err(Refused::Full(item));
        }
        state.items.push_back(item);
        let wake = state.asleep > 0;
        drop(state);
        if wake {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Take what waits now into `batch`, `most` at a time; false when nothing does.
    pub fn take_some(&self, batch: &mut VecDeque<T>, most: usize) -> bool {
        let mut state = self.lock();
        if batch.is_empty() && state.items.len() <= most {
            std::mem::swap(&mut state.items, batch);
        } else {
            let count = most.min(state.items.len());
            batch.extend(state.items.drain(..count));
        }
        !batch.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// Wait for an item; None when the queue is closed and empty.
    pub fn take(&self) -> Option<T> {
        let mut state = self.lock();
        while state.items.is_empty() && !state.closed {
            state.asleep += 1;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
        state.items.pop_front()
    }

    /// Take no more; those who wait get what is left, then the end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_the_end_after_them() {
        let queue = Queue::new();
        assert!(queue.push(1, 2).is_ok());
        assert!(queue.push(2, 2).is_ok());
        assert!(matches!(queue.push(3, 2), Err(Refused::Full(3))));
        queue.close();
        assert!(matches!(queue.push(4, 9), Err(Refused::Closed(4))));
        assert_eq!((queue.take(), queue.take(), queue.take()), (Some(1), Some(2), None));
    }

    #[test]
    fn some_of_many() {
        let queue = Queue::new();
        for item in 0..5 {
            assert!(queue.push(item, 9).is_ok());
        }
        let mut batch = VecDeque::new();
        assert!(queue.take_some(&mut batch, 3));
        assert_eq!((&batch, queue.is_empty()), (&VecDeque::from([0, 1, 2]), false));
        batch.clear();
        assert!(queue.take_some(&mut batch, 3));
        assert_eq!((&batch, queue.is_empty()), (&VecDeque::from([3, 4]), true));
        batch.clear();
        assert!(!queue.take_some(&mut batch, 3));
    }

    #[test]
    fn a_sleeper_wakes() {
        let queue = std::sync::Arc::new(Queue::new());
        let other = queue.clone();
        let thread = std::thread::spawn(move || other.take());
        assert!(queue.push(7, 1).is_ok());
        assert_eq!(thread.join().unwrap(), Some(7));
    }
}
