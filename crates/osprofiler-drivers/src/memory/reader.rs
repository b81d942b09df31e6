use osprofiler_wire::Id;

use super::Store;
use crate::{Error, ListQuery, Reader, Summarizer, TraceSummary};

pub(super) struct MemoryReader {
    store: Store,
}

impl MemoryReader {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Reader for MemoryReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        // A copy, so that `visit` may use the store itself.
        let records = self.store.lock().get(base_id).cloned().unwrap_or_default();
        for record in records {
            visit(&record.to_json());
        }
        Ok(())
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        let mut summarizer = Summarizer::default();
        for record in self.store.lock().values().flatten() {
            summarizer.add(record);
        }
        Ok(summarizer.into_list(query))
    }
}
