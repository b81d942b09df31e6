use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use osprofiler_wire::{Id, Phase, Record};
use zstd::bulk::Compressor;

use super::row_binary::Encoder;
use super::schema::{self, RECORDS, TRACES, Ttl, Version};
use super::server::{Server, quoted};
use crate::address::Address;
use crate::{ConnectionString, Error, ErrorKind, Writer, summary};

/// Bytes of rows after which a statement is full, far below what the server takes as one block: what
/// a statement holds of a trace must become one row of summary.
const FULL_LEN: usize = 32 << 20;
/// Bytes of rows that are compressed together.
const BLOCK_LEN: usize = 1 << 20;
/// Level 3 takes twice the time and saves a tenth.
const COMPRESSION_LEVEL: i32 = 1;
/// How long a trace may take to be deleted.
const DELETED_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct ClickHouseWriter {
    server: Server,
    /// What rows are sent with.
    insert: String,
    settings: Vec<(&'static str, &'static str)>,
    compressor: Compressor<'static>,
}

impl ClickHouseWriter {
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        let address = Address::of(connection)?;
        let ttl = Ttl::of(&address)?;
        let gathers = address.flag("async_insert")?;
        let server = Server::new(&address, connection.scheme().ends_with("+https"))?;
        address.finish()?;
        let version = schema::prepare(&server, ttl)?;
        if gathers && !version.gathers() {
            return Err(version.does_not_know("async_insert", 22));
        }
        let compressor = Compressor::new(COMPRESSION_LEVEL).map_err(compression_failed)?;
        Ok(Self {
            server,
            insert: schema::insert(),
            settings: settings(&version, gathers),
            compressor,
        })
    }
}

/// How rows are sent. That the server gathers those of many writers is new, and may be what it does
/// unless told otherwise; it acknowledges only what it has stored.
fn settings(version: &Version, gathers: bool) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        ("decompress", "1"),
        ("http_native_compression_disable_checksumming_on_decompress", "1"),
    ];
    if version.gathers() {
        settings.push(("async_insert", if gathers { "1" } else { "0" }));
        settings.push(("wait_for_async_insert", "1"));
    }
    settings
}

impl Writer for ClickHouseWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        let mut left = records;
        while !left.is_empty() {
            let (rows, taken) = encode(left);
            let data = compress(&rows, &mut self.compressor).map_err(compression_failed)?;
            self.server.insert("write to", &self.insert, &self.settings, &data)?;
            left = &left[taken..];
        }
        Ok(())
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        const WHAT: &str = "delete from";
        let of_trace = format!("base_id = {}", base_id.with_text(quoted));
        let mut found = 0;
        let query = format!(
            "SELECT count() FROM {RECORDS} WHERE {of_trace}
            UNION ALL SELECT count() FROM {TRACES} WHERE {of_trace}"
        );
        self.server.query(WHAT, &query, |row| {
            found += row.u64()?;
            Some(())
        })?;
        if found > 0 {
            for table in [TRACES, RECORDS] {
                let statement = format!("ALTER TABLE {table} DELETE WHERE {of_trace}");
                self.server.execute(WHAT, &statement)?;
            }
            self.wait_for_mutations(WHAT)?;
        }
        Ok(found > 0)
    }
}

impl ClickHouseWriter {
    /// Deleting goes on behind the statement, which only orders it.
    fn wait_for_mutations(&self, what: &str) -> Result<(), Error> {
        let query = format!(
            "SELECT count() FROM system.mutations
            WHERE database = currentDatabase() AND table IN ('{RECORDS}', '{TRACES}') AND NOT is_done"
        );
        let deadline = Instant::now() + DELETED_WITHIN;
        let mut pause = Duration::from_millis(5);
        loop {
            let mut waiting = 0;
            self.server.query(what, &query, |row| {
                waiting = row.u64()?;
                Some(())
            })?;
            if waiting == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "deleting took longer than {DELETED_WITHIN:?} and goes on; see `system.mutations`"
                    ),
                ));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }
}

/// Makes rows of the first records, as many as a statement takes; gives their number too.
fn encode(records: &[Record]) -> (Vec<u8>, usize) {
    let batch = next_batch();
    let day = u16::try_from(batch / 86_400_000_000_000).unwrap_or(u16::MAX);
    let mut rows = Encoder::default();
    let mut json = String::new();
    for (place, record) in (0_u32..).zip(records) {
        json.clear();
        record.push_json(&mut json);
        let is_stop = record.phase == Phase::Stop;
        let request = (!record.info.is_empty()).then(|| record.info.to_json());
        let request = request.filter(|info| info.contains("\"request\""));
        record.base_id.with_text(|id| rows.text(id));
        rows.bytes(&record.timestamp.as_micros().to_le_bytes());
        rows.bytes(&batch.to_le_bytes());
        rows.bytes(&place.to_le_bytes());
        rows.bytes(&day.to_le_bytes());
        rows.flag(is_stop);
        rows.text(&record.name);
        rows.nullable(record.origin.project.as_deref());
        rows.nullable(record.origin.service.as_deref());
        rows.nullable(Some(&*record.origin.host).filter(|host| !host.is_empty()));
        record.trace_id.with_text(|id| rows.text(id));
        record.parent_id.with_text(|id| rows.text(id));
        rows.flag(is_stop && summary::has_failed(record));
        rows.nullable(request.and_then(|info| summary::request_of(&info)).as_deref());
        rows.text(&json);
        if rows.0.len() >= FULL_LEN {
            return (rows.0, place as usize + 1);
        }
    }
    (rows.0, records.len())
}

/// Nanoseconds of the clock, but never twice the same, nor less than before: the order of storage.
fn next_batch() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let now = u64::try_from(now).unwrap_or_default();
    let last =
        LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
    now.max(last.unwrap_or_default() + 1)
}

/// Compresses data as ClickHouse does it: blocks, each with a checksum (that the server is told not to
/// look at: TCP has one), the method, both lengths.
fn compress(data: &[u8], compressor: &mut Compressor<'_>) -> std::io::Result<Vec<u8>> {
    const CHECKSUM: [u8; 16] = [0; 16];
    const ZSTD: u8 = 0x90;
    /// Method and lengths count as compressed.
    const HEADER_LEN: usize = 9;
    let length = |len: usize| u32::try_from(len).expect("a block is small").to_le_bytes();
    let mut out = Vec::with_capacity(data.len() / 4);
    for block in data.chunks(BLOCK_LEN) {
        let compressed = compressor.compress(block)?;
        out.extend_from_slice(&CHECKSUM);
        out.push(ZSTD);
        out.extend_from_slice(&length(compressed.len() + HEADER_LEN));
        out.extend_from_slice(&length(block.len()));
        out.extend_from_slice(&compressed);
    }
    Ok(out)
}

fn compression_failed(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "cannot compress records").with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_a_number_of_its_own_and_the_next_a_greater_one() {
        let mut numbers: Vec<u64> = (0..1000).map(|_| next_batch()).collect();
        assert!(numbers.is_sorted());
        numbers.dedup();
        assert_eq!(numbers.len(), 1000);
    }
}
