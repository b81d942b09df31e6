//! The back end that a command works on.

use osprofiler_drivers::{
    ConnectionString, Options, Reader, Writer, default_connection_string, open_reader, open_writer,
};
use osprofiler_report::{Report, ReportBuilder};
use osprofiler_wire::Id;

use crate::args::StoreArgs;
use crate::output;

impl StoreArgs {
    /// The connection string that was given, or that of the user's own store.
    pub(crate) fn connection(&self) -> anyhow::Result<ConnectionString> {
        Ok(match self.given() {
            Some(connection) => connection.clone(),
            None => default_connection_string()?,
        })
    }

    pub(crate) fn reader(&self) -> anyhow::Result<Box<dyn Reader>> {
        Ok(open_reader(&self.connection()?, &self.options())?)
    }

    pub(crate) fn writer(&self) -> anyhow::Result<Box<dyn Writer>> {
        Ok(open_writer(&self.connection()?, &self.options())?)
    }

    pub(crate) fn options(&self) -> Options {
        let mut options = Options::default();
        options.transport_url.clone_from(&self.transport_url);
        options.idle_timeout = Some(self.idle_timeout);
        options
    }
}

/// Reads one trace, as far as it can be read; the report is empty if there is none.
pub(crate) fn read_report(
    reader: &mut dyn Reader,
    base_id: &Id,
) -> (Report, Result<(), osprofiler_drivers::Error>) {
    let mut builder = ReportBuilder::new();
    let read = reader.read(base_id, &mut |json| {
        // The report counts what cannot be read, and says so.
        let _ = builder.add(json);
    });
    (builder.finish(), read)
}

/// Says that records of the store were skipped, if any were.
pub(crate) fn complain_of_skipped(reader: &dyn Reader) {
    let skipped = reader.skipped();
    if skipped > 0 {
        output::complain(&format!(
            "{skipped} records of the store make no sense and were skipped; a process may have \
             been killed while it wrote them"
        ));
    }
}
