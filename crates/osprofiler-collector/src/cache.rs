//! Reports that were built lately, so that what is asked of the same trace next needs no reading.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use osprofiler_report::Report;
use osprofiler_wire::Id;

/// A trace as it was read.
pub(crate) struct Loaded {
    pub(crate) report: Report,
    /// Why that may not be all of it.
    pub(crate) incomplete: Option<String>,
    /// Before it was read.
    pub(crate) asked_at: Instant,
    /// What it takes in memory, roughly.
    pub(crate) bytes: usize,
}

/// The reports used last, within a bound of bytes; the one used last stays, whatever its size.
pub(crate) struct Cache {
    max_bytes: usize,
    entries: HashMap<Id, Entry>,
    uses: u64,
}

struct Entry {
    loaded: Arc<Loaded>,
    used: u64,
}

impl Cache {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, entries: HashMap::new(), uses: 0 }
    }

    /// A trace, if it was read within `max_age`.
    pub(crate) fn get(&mut self, id: &Id, max_age: Duration) -> Option<Arc<Loaded>> {
        self.uses += 1;
        let entry = self.entries.get_mut(id)?;
        if entry.loaded.asked_at.elapsed() > max_age {
            return None;
        }
        entry.used = self.uses;
        Some(entry.loaded.clone())
    }

    /// Keeps a trace, in place of what was known of it.
    pub(crate) fn put(&mut self, id: Id, loaded: Arc<Loaded>) {
        self.uses += 1;
        self.entries.insert(id, Entry { loaded, used: self.uses });
        while self.bytes() > self.max_bytes && self.entries.len() > 1 {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let oldest = oldest.map(|(id, _)| id.clone()).expect("there is more than one");
            self.entries.remove(&oldest);
        }
    }

    fn bytes(&self) -> usize {
        self.entries.values().map(|entry| entry.loaded.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(bytes: usize) -> Arc<Loaded> {
        let report = std::iter::empty().collect();
        Arc::new(Loaded { report, incomplete: None, asked_at: Instant::now(), bytes })
    }

    const LONG: Duration = Duration::from_secs(3600);

    fn kept(cache: &mut Cache) -> Vec<&'static str> {
        ["a", "b", "c"].into_iter().filter(|id| cache.get(&(*id).into(), LONG).is_some()).collect()
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut cache = Cache::new(10);
        cache.put("a".into(), loaded(4));
        cache.put("b".into(), loaded(4));
        assert!(cache.get(&"a".into(), LONG).is_some());
        cache.put("c".into(), loaded(4));
        assert_eq!(kept(&mut cache), ["a", "c"]);
        cache.put("c".into(), loaded(7));
        assert_eq!(kept(&mut cache), ["c"]);
    }

    #[test]
    fn the_last_one_stays_however_large_and_nothing_stays_fresh() {
        let mut cache = Cache::new(10);
        cache.put("a".into(), loaded(4));
        cache.put("b".into(), loaded(1000));
        assert_eq!(kept(&mut cache), ["b"]);
        std::thread::sleep(Duration::from_millis(2));
        assert!(cache.get(&"b".into(), Duration::from_millis(1)).is_none());
    }
}
