//! The I/O threads: each has a runtime of its own and keeps its connections to itself, so that nothing of a
//! connection ever wakes another I/O thread. They are Python threads that let the interpreter go, and take it when
//! it is their turn to answer what waits at the hot door.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{spawn, yield_now};

use crate::doors::Answer;
use crate::hot::Hot;

/// Answers taken from the mailbox at once, between two looks at the sockets.
const ROUND: usize = 64;

/// An answer and whom it is for.
type Letter = (oneshot::Sender<Answer>, Answer);

/// What others may know of an I/O thread.
pub struct Io {
    pub handle: Handle,
    /// Where other threads leave answers. The first one wakes this thread, those behind it wake nobody.
    pub mailbox: mpsc::UnboundedSender<Letter>,
    /// Rung by this thread itself, when a request of its connections waits at the hot door.
    pub bell: Notify,
    connections: AtomicUsize,
}

/// A connection counted on its thread until dropped.
pub struct Place(pub Arc<Io>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// A place on the thread with the fewest connections. `threads` must not be empty.
pub fn least(threads: &[Arc<Io>]) -> Place {
    let mut best = &threads[0];
    for io in threads {
        if io.connections.load(Relaxed) < best.connections.load(Relaxed) {
            best = io;
        }
    }
    best.connections.fetch_add(1, Relaxed);
    Place(best.clone())
}

/// An I/O thread that has not begun.
pub struct Start {
    pub io: Arc<Io>,
    runtime: Runtime,
}

impl Start {
    pub fn new(hot: Arc<Hot>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (mailbox, letters) = mpsc::unbounded_channel();
        let handle = runtime.handle().clone();
        let io = Arc::new(Io { handle, mailbox, bell: Notify::new(), connections: AtomicUsize::new(0) });
        runtime.spawn(deliver(letters));
        let own = io.clone();
        runtime.spawn(async move {
            // A panic costs the requests at hand.
            while spawn(attend(hot.clone(), own.clone())).await.is_err() {}
        });
        Ok(Self { io, runtime })
    }

    /// Run until `end` is true, then drop everything this thread has.
    pub fn run(self, mut end: watch::Receiver<bool>) {
        let _ = self.runtime.block_on(end.wait_for(|end| *end)); // a sender that is gone is an end, too
    }
}

async fn deliver(mut letters: mpsc::UnboundedReceiver<Letter>) {
    let mut round = Vec::with_capacity(ROUND);
    while letters.recv_many(&mut round, ROUND).await > 0 {
        for (receiver, answer) in round.drain(..) {
            let _ = receiver.send(answer); // the client may have gone meanwhile
        }
    }
}

/// Answers what waits at the hot door. Woken behind all requests that came in with the same look at the sockets, so
/// that they are answered together.
async fn attend(hot: Arc<Hot>, io: Arc<Io>) {
    loop {
        while hot.work(&io) {
            yield_now().await; // the sockets first
        }
        io.bell.notified().await;
    }
}
