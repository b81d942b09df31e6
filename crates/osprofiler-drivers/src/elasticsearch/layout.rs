//! Which indices there are, and what is in them.

use std::borrow::Cow;

use osprofiler_wire::Timestamp;
use serde_json::{Value, json};

use crate::Error;
use crate::address::Address;

/// The index of the Python library.
const INDEX: &str = "osprofiler-notifications";
/// What the Python library calls its documents, unless told otherwise, where they have types.
const DOCUMENT_TYPE: &str = "notification";
/// Of the template. Older ones are replaced, newer ones, and those of other people, are not.
pub(super) const VERSION: u64 = 2;
/// A longer text is not indexed; 32766 bytes are the most that can be.
const INDEXED_CHARACTERS: u32 = 8191;

/// The indices of a connection string.
pub(super) struct Layout {
    index: String,
    spread: Spread,
    shards: Option<u32>,
    replicas: Option<u32>,
}

/// How records are spread over indices.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    /// All in one.
    Single,
    /// Those of a day in one.
    Daily,
    /// In a data stream, whose indices the server makes.
    Stream,
}

impl Layout {
    /// Takes the options `index`, `layout`, `shards` and `replicas`.
    pub(super) fn of(address: &Address) -> Result<Self, Error> {
        let index = address.option("index").unwrap_or(INDEX);
        let is_index = index.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && index.chars().all(|c| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.')
            });
        if !is_index {
            return Err(
                address.wrong("expected lower-case letters, digits, `-`, `_` and `.` as `index`")
            );
        }
        let spread = match address.option("layout") {
            None | Some("single") => Spread::Single,
            Some("daily") => Spread::Daily,
            Some("stream") => Spread::Stream,
            Some(_) => {
                return Err(address.wrong("expected `single`, `daily` or `stream` as `layout`"));
            }
        };
        Ok(Self {
            index: index.to_owned(),
            spread,
            shards: address.parsed("shards", "a number")?,
            replicas: address.parsed("replicas", "a number")?,
        })
    }

    /// Where a record of that time is written.
    pub(super) fn target(&self, at: Timestamp) -> Cow<'_, str> {
        match self.spread {
            Spread::Single => Cow::Borrowed(&self.index),
            Spread::Daily => {
                let day = at.to_string().split('T').next().unwrap_or_default().replace('-', ".");
                Cow::Owned(format!("{}-{day}", self.index))
            }
            Spread::Stream => Cow::Owned(self.stream()),
        }
    }

    /// The index that may have been made by others, with fields of its own.
    pub(super) fn shared_index(&self) -> Option<&str> {
        (self.spread == Spread::Single).then_some(&self.index)
    }

    /// The Python library's list of traces in which a point failed.
    pub(super) fn errors(&self) -> String {
        format!("{}-error", self.index)
    }

    /// Where records are looked for, whatever the layout: it may have been another one before.
    pub(super) fn searched(&self) -> String {
        format!("{0},{1},{2}", self.index, self.days(), self.stream())
    }

    /// Where something is that concerns a trace.
    pub(super) fn all(&self) -> String {
        format!("{},{}", self.searched(), self.errors())
    }

    /// Whether documents have `@timestamp`.
    pub(super) fn is_stream(&self) -> bool {
        self.spread == Spread::Stream
    }

    /// The indices of all days.
    fn days(&self) -> String {
        format!("{}-2*", self.index)
    }

    fn stream(&self) -> String {
        format!("{}-stream", self.index)
    }

    pub(super) fn template_name(&self) -> String {
        if self.is_stream() { self.stream() } else { self.index.clone() }
    }

    /// What the server is to make our indices by.
    pub(super) fn template(&self) -> Value {
        let mut template = json!({
            "index_patterns": self.patterns(),
            "priority": 200,
            "version": VERSION,
            "template": {"settings": self.settings(), "mappings": mappings(self.is_stream())},
        });
        if self.is_stream() {
            template["data_stream"] = json!({});
        }
        template
    }

    /// The same for servers on which documents have types: the Python library could not write into
    /// an index whose documents have another type.
    pub(super) fn typed_template(&self) -> Value {
        json!({
            "index_patterns": self.patterns(),
            "version": VERSION,
            "settings": self.settings(),
            "mappings": {DOCUMENT_TYPE: mappings(self.is_stream())},
        })
    }

    fn patterns(&self) -> Vec<String> {
        if self.is_stream() {
            return vec![self.stream()];
        }
        vec![self.index.clone(), self.errors(), self.days()]
    }

    fn settings(&self) -> Value {
        let mut settings = match self.replicas {
            Some(replicas) => json!({"index.number_of_replicas": replicas}),
            None => json!({"index.auto_expand_replicas": "0-1"}),
        };
        if let Some(shards) = self.shards {
            settings["index.number_of_shards"] = shards.into();
        }
        settings
    }
}

/// The fields of our indices. What is asked for is named as where the server made the fields by itself
/// for the Python library: text as `FIELD`, whole as `FIELD.keyword`.
fn mappings(is_stream: bool) -> Value {
    let whole = |of: Value| {
        let mut field = json!({"type": "keyword", "doc_values": false, "fields": {"keyword": of}});
        if let Some(limit) = field["fields"]["keyword"].get("ignore_above").cloned() {
            field["ignore_above"] = limit;
        }
        field
    };
    let text = || whole(json!({"type": "keyword", "ignore_above": INDEXED_CHARACTERS}));
    let id = || json!({"type": "keyword", "doc_values": false, "ignore_above": INDEXED_CHARACTERS});
    json!({
        "dynamic": false,
        "properties": {
            "@timestamp": {"type": "date_nanos"},
            "base_id": whole(json!({"type": "keyword"})),
            // The records of a trace are in several shards of a stream: it tells them apart.
            "trace_id": if is_stream { text() } else { id() },
            "parent_id": id(),
            "name": text(),
            "project": text(),
            "service": text(),
            "timestamp": {"type": "date_nanos", "ignore_malformed": true},
            "info": {
                "dynamic": false,
                "properties": {"etype": {"type": "keyword", "null_value": "null"}},
            },
            "record": record_field(),
        },
    })
}

/// The text of a record that could not be stored otherwise.
pub(super) fn record_field() -> Value {
    json!({"type": "keyword", "index": false, "doc_values": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(options: &str) -> Result<Layout, Error> {
        let connection = format!("elasticsearch://h?{options}").parse().unwrap();
        Layout::of(&Address::of(&connection).unwrap())
    }

    #[test]
    fn records_go_where_the_layout_says() {
        let at = Timestamp::parse("2026-01-02T23:59:59.999999").unwrap();
        for (options, target) in [
            ("", "osprofiler-notifications"),
            ("layout=daily", "osprofiler-notifications-2026.01.02"),
            ("layout=daily&index=traces", "traces-2026.01.02"),
            ("layout=stream", "osprofiler-notifications-stream"),
        ] {
            assert_eq!(layout(options).unwrap().target(at), target);
        }
    }

    #[test]
    fn whatever_the_layout_all_are_searched_but_the_list_of_errors() {
        for name in ["single", "daily", "stream"] {
            let layout = layout(&format!("layout={name}&index=a")).unwrap();
            assert_eq!(layout.searched(), "a,a-2*,a-stream");
            assert_eq!(layout.all(), "a,a-2*,a-stream,a-error");
        }
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for index in ["", "A", "a*", "a,b", "-a", "_all", "a/b", "a%20b", "<a-{now}>"] {
            let error = layout(&format!("index={index}")).err().unwrap().to_string();
            assert!(error.contains("as `index`"), "{index}: {error}");
        }
        assert!(layout("layout=weekly").is_err() && layout("shards=many").is_err());
    }
}
