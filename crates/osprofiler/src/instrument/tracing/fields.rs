//! The fields of spans and events as info.

use std::error::Error;
use std::fmt;

use osprofiler_wire::Info;
use tracing::field::{Field, Visit};

use crate::outcome;

/// What makes a point fail.
const ERROR: &str = "error";
/// The text of an event.
const MESSAGE: &str = "message";

/// Fields, each with its type; texts are cut as all traced data is.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) info: Info,
    /// What a field `error` says.
    pub(super) error: Option<String>,
    message: Option<String>,
}

impl Fields {
    /// The fields that `visit` shows.
    pub(super) fn of(visit: impl FnOnce(&mut dyn Visit)) -> Self {
        let mut fields = Self::default();
        visit(&mut fields);
        fields
    }

    /// What an event says: its message, its error, or both.
    pub(super) fn said(self) -> String {
        match (self.message, self.error.filter(|error| !error.is_empty())) {
            (Some(message), Some(error)) => format!("{message}: {error}"),
            (message, error) => message.or(error).unwrap_or_default(),
        }
    }

    fn text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let text = outcome::bounded(text);
        self.info.set(field.name(), &text);
        match field.name() {
            ERROR => self.error = Some(text),
            MESSAGE => self.message = Some(text),
            _ => {}
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.info.set(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.info.set(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.info.set(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.info.set(field.name(), &value);
        if field.name() == ERROR && value {
            self.error = Some(String::new());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}
