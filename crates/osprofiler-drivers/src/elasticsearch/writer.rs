use std::fmt::Write as _;

use osprofiler_wire::{Id, Record, RecordView};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::document::Document;
use crate::{ConnectionString, Error, ErrorKind, Options, Writer};

const WHAT: &str = "write records to";
/// A request with so many bytes is sent; servers take 100 MB.
const REQUEST_BYTES: usize = 8 << 20;

pub(super) struct ElasticsearchWriter {
    client: Client,
    /// Whether to keep the Python library's list of traces in which a point failed.
    keeps_errors: bool,
}

impl ElasticsearchWriter {
    pub(super) fn open(connection: &ConnectionString, options: &Options) -> Result<Self, Error> {
        let client = Client::new(connection)?;
        client.prepare()?;
        Ok(Self { client, keeps_errors: options.filter_error_trace })
    }
}

impl Writer for ElasticsearchWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        let mut request = Request::new(&self.client);
        let mut refused = Refused::default();
        for record in records {
            let document = Document::of(record);
            let is_plain = document.is_plain();
            request.add(document, is_plain);
            if request.body.len() >= REQUEST_BYTES {
                request.send(&mut refused)?;
            }
        }
        request.send(&mut refused)?;
        self.write_refused(refused)?;
        if self.keeps_errors { self.write_errors(records) } else { Ok(()) }
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        self.client.delete(base_id)
    }
}

impl ElasticsearchWriter {
    /// Writes the records that an index has no place for as they are.
    fn write_refused(&self, refused: Refused<'_>) -> Result<(), Error> {
        let mut request = Request::new(&self.client);
        let mut again = Refused::default();
        for document in refused.documents {
            request.add(document, false);
            if request.body.len() >= REQUEST_BYTES {
                request.send(&mut again)?;
            }
        }
        request.send(&mut again)?;
        match again.documents.len() {
            0 => Ok(()),
            count => Err(self.client.error(
                ErrorKind::Storage,
                WHAT,
                &format!("it refuses {count} of them: {}", again.why),
            )),
        }
    }

    fn write_errors(&self, records: &[Record]) -> Result<(), Error> {
        let index = self.client.layout.errors();
        let mut body = String::new();
        for record in records {
            let document = Document::of(record);
            if RecordView::parse(&document.text).is_ok_and(|view| view.etype.is_some()) {
                push_action(&mut body, &index, &document.id(), None);
                let (base_id, timestamp) = (&record.base_id, record.timestamp.to_string());
                writeln!(body, "{}", json!({"base_id": base_id, "timestamp": timestamp}))
                    .expect("a string takes any text");
            }
        }
        if body.is_empty() {
            return Ok(());
        }
        for item in send(&self.client, &body)? {
            if let Outcome::Refused(why) = item.outcome(&self.client)? {
                return Err(self.client.error(ErrorKind::Storage, WHAT, &why));
            }
        }
        Ok(())
    }
}

/// Documents to be written with one request.
struct Request<'a> {
    client: &'a Client,
    body: String,
    documents: Vec<Document<'a>>,
}

/// Documents that the server has no place for as they are, and what it said of the first one.
#[derive(Default)]
struct Refused<'a> {
    documents: Vec<Document<'a>>,
    why: String,
}

impl<'a> Request<'a> {
    fn new(client: &'a Client) -> Self {
        Self { client, body: String::new(), documents: Vec::new() }
    }

    fn add(&mut self, document: Document<'a>, is_plain: bool) {
        let layout = &self.client.layout;
        let index = layout.target(document.record.timestamp);
        // All records of a trace are in one shard, in the order in which they came. (A data stream
        // chooses for itself.)
        let routing = (!layout.is_stream()).then_some(&document.record.base_id);
        push_action(&mut self.body, &index, &document.id(), routing);
        if is_plain {
            document.push_plain(&mut self.body, layout.is_stream());
        } else {
            document.push_wrapped(&mut self.body, layout.is_stream());
        }
        self.documents.push(document);
    }

    /// Sends what there is, and begins anew.
    fn send(&mut self, refused: &mut Refused<'a>) -> Result<(), Error> {
        if self.documents.is_empty() {
            return Ok(());
        }
        let items = send(self.client, &self.body)?;
        if items.len() != self.documents.len() {
            let why = format!("it tells of {} of {}", items.len(), self.documents.len());
            return Err(self.client.error(ErrorKind::Storage, WHAT, &why));
        }
        for (item, document) in items.into_iter().zip(self.documents.drain(..)) {
            if let Outcome::Refused(why) = item.outcome(self.client)? {
                refused.documents.push(document);
                if refused.why.is_empty() {
                    refused.why = why;
                }
            }
        }
        self.body.clear();
        Ok(())
    }
}

/// Appends the line that says what is to be done with the next one.
fn push_action(out: &mut String, index: &str, id: &str, routing: Option<&Id>) {
    write!(out, "{{\"create\":{{\"_index\":\"{index}\",\"_id\":\"{id}\"")
        .expect("a string takes any text");
    if let Some(routing) = routing {
        write!(out, ",\"routing\":{}", json!(routing)).expect("a string takes any text");
    }
    out.push_str("}}\n");
}

fn send(client: &Client, body: &str) -> Result<Vec<Item>, Error> {
    #[derive(Deserialize)]
    struct Done {
        items: Vec<Action>,
    }
    #[derive(Deserialize)]
    struct Action {
        create: Item,
    }
    let path = "_bulk?filter_path=items.*.status,items.*.error.type,items.*.error.reason,\
                items.*.error.caused_by.reason";
    let done: Done = client.ask(WHAT, &Method::POST, path, body)?;
    Ok(done.items.into_iter().map(|action| action.create).collect())
}

/// What became of a document.
#[derive(Deserialize)]
struct Item {
    status: u16,
    error: Option<Failure>,
}

#[derive(Deserialize, Default)]
struct Failure {
    r#type: String,
    #[serde(default)]
    reason: String,
    caused_by: Option<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    reason: Option<String>,
}

enum Outcome {
    /// Stored, now or before.
    Stored,
    /// The server has no place for it as it is, and says why.
    Refused(String),
}

impl Item {
    fn outcome(self, client: &Client) -> Result<Outcome, Error> {
        // What is there already was written by us, and its acknowledgement got lost.
        if self.status < 300 || self.status == 409 {
            return Ok(Outcome::Stored);
        }
        let failure = self.error.unwrap_or_default();
        let cause = failure.caused_by.and_then(|cause| cause.reason);
        let why = match cause {
            Some(cause) => format!("{}: {cause}", failure.reason),
            None => failure.reason,
        };
        let kind = match self.status {
            _ if failure.r#type == "cluster_block_exception" => ErrorKind::Unavailable,
            400 => return Ok(Outcome::Refused(why)),
            401 | 403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            429 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Storage,
        };
        Err(client.error(kind, WHAT, &why))
    }
}
