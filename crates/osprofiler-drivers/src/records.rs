//! What several drivers do with records.

use osprofiler_wire::{Record, RecordView, json::repair};

/// Calls `f` with the record that a text is, also if it is one that Python wrote although it is not JSON
/// (`NaN`); `None` if it is no record.
pub(crate) fn with_record<T>(text: &str, f: impl FnOnce(&RecordView<'_>) -> T) -> Option<T> {
    if let Ok(view) = RecordView::parse(text) {
        return Some(f(&view));
    }
    RecordView::parse(&repair(text)).ok().map(|view| f(&view))
}

/// The records of a batch, sorted by trace. Those of a trace keep their order.
pub(crate) fn by_trace(records: &[Record]) -> Vec<&Record> {
    let mut runs: Vec<&[Record]> = records.chunk_by(are_of_one_trace).collect();
    // Stable, and most batches have few runs.
    runs.sort_by(|a, b| a[0].base_id.cmp(&b[0].base_id));
    runs.into_iter().flatten().collect()
}

/// Whether two records are of the same trace.
pub(crate) fn are_of_one_trace(a: &Record, b: &Record) -> bool {
    a.base_id == b.base_id
}
