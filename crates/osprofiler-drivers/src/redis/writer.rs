use osprofiler_wire::{Id, Record};

use super::parts::Part;
use super::reader::legacy_of;
use super::resp::{Commands, Reply};
use super::{Store, keys};
use crate::records::{are_of_one_trace, by_trace};
use crate::{Error, Options, Writer};

/// Records that one command stores: others have their turn in between.
const PUSHED_AT_ONCE: usize = 1000;
/// Bytes of records after which a command is long enough: servers refuse one of a gigabyte.
const PUSHED_BYTES: usize = 1 << 24;

pub(super) struct RedisWriter {
    store: Store,
    /// Whether traces in which a point failed get a key that says so.
    tells_failures: bool,
}

impl RedisWriter {
    pub(super) fn new(store: Store, options: &Options) -> Self {
        Self { store, tells_failures: options.filter_error_trace }
    }

    /// Adds what stores the records of one trace: first they, then what tells of them, so that the
    /// latter never tells of too many.
    fn add(&self, records: &[&Record], commands: &mut Commands, texts: &mut Texts) {
        let base_id = &records[0].base_id;
        let key = keys::records(base_id);
        for record in records {
            texts.add(record);
            if texts.is_full() {
                texts.push_to(&key, commands);
            }
        }
        texts.push_to(&key, commands);
        let part = Part::of(records);
        let parts = keys::parts(base_id);
        commands.add(&["LPUSH", &parts, &part.to_json()]);
        let tells_failure = self.tells_failures && part.has_failed();
        if tells_failure {
            commands.add(&["SET", &keys::failed(base_id), &failure(records[records.len() - 1])]);
        }
        if let Some(seconds) = self.store.config.expire {
            let seconds = seconds.to_string();
            // What tells of the records goes before they do.
            commands.add(&["EXPIRE", &parts, &seconds]);
            commands.add(&["EXPIRE", &key, &seconds]);
            if tells_failure {
                commands.add(&["EXPIRE", &keys::failed(base_id), &seconds]);
            }
        }
    }

    fn run(&mut self, what: &str, commands: &Commands) -> Result<Vec<Reply>, Error> {
        let replies = self.store.run(what, commands)?.all;
        for reply in &replies {
            if let Reply::Refusal(refusal) = reply {
                return Err(refusal.error(what, &format!("`{}`", self.store.config.shown)));
            }
        }
        Ok(replies)
    }
}

impl Writer for RedisWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let sorted = by_trace(records);
        let (mut commands, mut texts) = (Commands::default(), Texts::default());
        for records in sorted.chunk_by(|a, b| are_of_one_trace(a, b)) {
            self.add(records, &mut commands, &mut texts);
        }
        self.run("write to", &commands).map(drop)
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        let what = "delete from";
        let mut commands = Commands::default();
        for key in [keys::records(base_id), keys::parts(base_id), keys::failed(base_id)] {
            commands.add(&["UNLINK", &key]);
        }
        if self.run(what, &commands)?[0] == Reply::Number(1) {
            return Ok(true);
        }
        let mut commands = Commands::default();
        for (key, _) in legacy_of(&mut self.store, what, base_id)? {
            commands.add(&["UNLINK", &key]);
        }
        Ok(!self.run(what, &commands)?.is_empty())
    }
}

/// Records of a trace that one command is to store.
#[derive(Default)]
struct Texts {
    text: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Texts {
    fn add(&mut self, record: &Record) {
        record.push_json(&mut self.text);
        self.ends.push(self.text.len());
    }

    fn is_full(&self) -> bool {
        self.ends.len() == PUSHED_AT_ONCE || self.text.len() >= PUSHED_BYTES
    }

    /// Adds the command, unless there are none.
    fn push_to(&mut self, key: &str, commands: &mut Commands) {
        if self.ends.is_empty() {
            return;
        }
        commands.add_with("LPUSH", key, self.ends.len(), |arguments| {
            let mut start = 0;
            for end in self.ends.drain(..) {
                arguments.push(&self.text[start..end]);
                start = end;
            }
        });
        self.text.clear();
    }
}

/// What the Python library says of a trace in which a point failed.
fn failure(record: &Record) -> String {
    let base_id = serde_json::to_string(&record.base_id).expect("text always is JSON");
    format!(r#"{{"base_id": {base_id}, "timestamp": "{}"}}"#, record.timestamp)
}
