use osprofiler_wire::{Id, Record};

use super::Store;
use crate::{Error, Writer};

pub(super) struct MemoryWriter {
    store: Store,
}

impl MemoryWriter {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Writer for MemoryWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        let mut traces = self.store.lock();
        for record in records {
            traces.entry(record.base_id.clone()).or_default().push(record.clone());
        }
        Ok(())
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        Ok(self.store.lock().remove(base_id).is_some())
    }
}
