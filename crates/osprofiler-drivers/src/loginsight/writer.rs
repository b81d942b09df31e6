use osprofiler_wire::{Id, Record};

use super::client::Client;
use super::event;
use crate::{ConnectionString, Error, ErrorKind, Writer};

/// The most events that the server takes at once.
const MAX_EVENTS: usize = 500;
/// The most bytes of them (4 MB), less some room.
const MAX_BYTES: usize = 3_500_000;

pub(super) struct LogInsightWriter {
    client: Client,
}

impl LogInsightWriter {
    pub(super) fn open(connection: &ConnectionString) -> Result<Self, Error> {
        Ok(Self { client: Client::open(connection)? })
    }
}

impl Writer for LogInsightWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        let mut batch = Batch::default();
        for record in records {
            let text = record.to_json();
            for event in event::events(record, &text) {
                let event = serde_json::to_string(&event).expect("texts and a number are JSON");
                if batch.is_full(&event) {
                    self.client.ingest(&batch.take())?;
                }
                batch.add(&event);
            }
        }
        if batch.events > 0 {
            self.client.ingest(&batch.take())?;
        }
        Ok(())
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        Err(self.client.error(
            ErrorKind::Unsupported,
            "delete a trace of",
            "Log Insight keeps events until they are old",
        ))
    }
}

/// The JSON of an array of events.
#[derive(Default)]
struct Batch {
    json: String,
    events: usize,
}

impl Batch {
    fn is_full(&self, next: &str) -> bool {
        self.events == MAX_EVENTS || (self.events > 0 && self.json.len() + next.len() > MAX_BYTES)
    }

    fn add(&mut self, event: &str) {
        self.json.push(if self.events == 0 { '[' } else { ',' });
        self.json.push_str(event);
        self.events += 1;
    }

    fn take(&mut self) -> String {
        self.events = 0;
        std::mem::take(&mut self.json) + "]"
    }
}
