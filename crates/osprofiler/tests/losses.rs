//! A model of how losses are counted: every order in which threads may run is tried.

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
}
#[path = "../src/losses/pending.rs"]
mod pending;

use loom::sync::Arc;
use loom::thread;
use pending::{Counts, Pending};

fn lost(no_room: u64) -> Counts {
    Counts { no_room, failed: 0 }
}

#[test]
fn what_is_added_is_told_once() {
    loom::model(|| {
        let pending = Arc::new(Pending::default());
        // As the background does, whoever has to see to it takes it.
        let count = |pending: &Pending, counts, at| {
            if pending.add(counts, at) { pending.take().0.no_room } else { 0 }
        };
        let another = {
            let pending = pending.clone();
            thread::spawn(move || count(&pending, lost(1), 1))
        };
        let told = count(&pending, lost(10), 2) + another.join().unwrap();
        assert_eq!(told, 11, "nothing is left behind");
        assert_eq!(pending.take(), (lost(0), 2));
    });
}

#[test]
fn what_could_not_be_told_is_told_later() {
    loom::model(|| {
        let pending = Arc::new(Pending::default());
        assert!(pending.add(lost(1), 1));
        let another = {
            let pending = pending.clone();
            thread::spawn(move || pending.add(lost(10), 2))
        };
        let (counts, at) = pending.take();
        let again = pending.add(counts, at);
        let anew = another.join().unwrap();
        assert!(again || anew, "somebody sees to it");
        assert_eq!(pending.take(), (lost(11), 2));
    });
}
