//! `memory://NAME`: a store of this process, for tests.
//!
//! Whoever opens the same name in the same process meets in the same store. It lives as long as
//! the process and is not bounded. It does everything that a driver can do, in the plainest way:
//! it is the reference of the suite that every driver must pass.

mod reader;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use osprofiler_wire::{Id, Record};

use crate::{Capabilities, ConnectionString, Driver};

pub(crate) const DRIVER: Driver = Driver {
    schemes: &["memory"],
    capabilities: Capabilities { shared: false, ..Capabilities::ALL },
    open_writer: |connection, _| Ok(Box::new(writer::MemoryWriter::new(Store::named(connection)))),
    open_reader: |connection, _| Ok(Box::new(reader::MemoryReader::new(Store::named(connection)))),
};

static STORES: LazyLock<Mutex<HashMap<String, Store>>> = LazyLock::new(Mutex::default);

/// The records of each trace, in the order they were written.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<HashMap<Id, Vec<Record>>>>);

impl Store {
    fn named(connection: &ConnectionString) -> Self {
        // Nothing that holds one of these locks can leave the store half written.
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        stores.entry(connection.expose_rest().to_owned()).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Vec<Record>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
