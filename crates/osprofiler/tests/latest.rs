//! A model of how numbers that belong together are read: every order in which threads may run is
//! tried.

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}
#[path = "../src/local/latest.rs"]
mod latest;

use latest::Latest;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

fn none_yet() -> Arc<Latest> {
    let [one, two, three] = [0; 3].map(AtomicU64::new);
    Arc::new(Latest { version: AtomicU64::new(1), numbers: [one, two, three] })
}

#[test]
fn numbers_are_read_together_or_not_at_all() {
    loom::model(|| {
        let latest = none_yet();
        assert_eq!(latest.get(), None);
        let writer = {
            let latest = latest.clone();
            thread::spawn(move || {
                latest.set([1; 3]);
                latest.set([2; 3]);
            })
        };
        let seen = latest.get();
        assert!([None, Some([1; 3]), Some([2; 3])].contains(&seen), "{seen:?}");
        writer.join().unwrap();
        assert_eq!(latest.get(), Some([2; 3]));
    });
}

#[test]
fn what_is_cleared_is_gone_until_it_is_set_again() {
    loom::model(|| {
        let latest = none_yet();
        latest.set([1; 3]);
        let reader = {
            let latest = latest.clone();
            thread::spawn(move || latest.get())
        };
        latest.clear();
        assert_eq!(latest.get(), None);
        latest.set([2; 3]);
        let seen = reader.join().unwrap();
        assert!([None, Some([1; 3]), Some([2; 3])].contains(&seen), "{seen:?}");
        assert_eq!(latest.get(), Some([2; 3]));
    });
}
