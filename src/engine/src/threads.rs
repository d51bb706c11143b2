//! The I/O threads: each has a runtime of its own and keeps its connections to itself, so that nothing of a
//! connection ever wakes another I/O thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot, watch};

use crate::doors::Answer;

/// An answer and whom it is for.
type Letter = (oneshot::Sender<Answer>, Answer);

/// Where Python threads leave answers. The first one wakes the I/O thread, those behind it wake nobody.
pub type Mailbox = mpsc::UnboundedSender<Letter>;

/// One I/O thread.
pub struct Io {
    pub handle: Handle,
    pub mailbox: Mailbox,
    connections: AtomicUsize,
}

/// A connection counted on its thread until dropped.
pub struct Place(pub Arc<Io>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// The thread with the fewest connections. `threads` must not be empty.
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

/// Start a thread that runs until `end` is true, then drops everything it has.
pub fn start(number: usize, mut end: watch::Receiver<bool>) -> io::Result<(Arc<Io>, JoinHandle<()>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mailbox, letters) = mpsc::unbounded_channel();
    let io = Io { handle: runtime.handle().clone(), mailbox, connections: AtomicUsize::new(0) };
    runtime.spawn(deliver(letters));
    let thread = std::thread::Builder::new().name(format!("kes-io-{number}")).spawn(move || {
        let _ = runtime.block_on(end.wait_for(|end| *end)); // the sender outlives this, or all ends anyway
    })?;
    Ok((Arc::new(io), thread))
}

/// Letters taken at once, between two looks at the sockets.
const ROUND: usize = 64;

async fn deliver(mut letters: mpsc::UnboundedReceiver<Letter>) {
    let mut round = Vec::with_capacity(ROUND);
    while letters.recv_many(&mut round, ROUND).await > 0 {
        for (receiver, answer) in round.drain(..) {
            let _ = receiver.send(answer); // the client may have gone meanwhile
        }
    }
}
