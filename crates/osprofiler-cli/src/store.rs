//! The back end that a command works on.

use osprofiler_drivers::{
    ConnectionString, Options, Reader, Writer, default_connection_string, open_reader, open_writer,
};
use osprofiler_report::{Report, ReportBuilder};
use osprofiler_wire::Id;

use crate::args::StoreArgs;

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

    fn options(&self) -> Options {
        let mut options = Options::default();
        options.transport_url.clone_from(&self.transport_url);
        options.idle_timeout = Some(self.idle_timeout);
        options
    }
}

/// Reads one trace; the report is empty if there is none.
pub(crate) fn read_report(reader: &mut dyn Reader, base_id: &Id) -> anyhow::Result<Report> {
    let mut builder = ReportBuilder::new();
    reader.read(base_id, &mut |json| {
        // The report counts what cannot be read, and says so.
        let _ = builder.add(json);
    })?;
    Ok(builder.finish())
}
