use std::sync::Arc;

use osprofiler_wire::{Id, Record};

use super::exporter::Exporter;
use super::transport::Target;
use crate::{ConnectionString, Error, ErrorKind, Writer};

/// Opens a writer of spans. All writers of a process with the same connection string share what
/// waits for its other half.
pub(crate) fn open_writer(
    connection: &ConnectionString,
    target: &Target,
) -> Result<Box<dyn Writer>, Error> {
    let exporter = Exporter::shared(connection, target)?;
    exporter.join();
    Ok(Box::new(OtlpWriter { exporter, has_failed: false }))
}

struct OtlpWriter {
    exporter: Arc<Exporter>,
    has_failed: bool,
}

impl Writer for OtlpWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        let result = self.exporter.write(records);
        self.has_failed = result.is_err();
        result
    }

    fn flush(&mut self) -> Result<(), Error> {
        let result = self.exporter.flush();
        self.has_failed = result.is_err();
        result
    }

    fn delete(&mut self, _: &Id) -> Result<bool, Error> {
        Err(Error::new(ErrorKind::Unsupported, "OTLP has no way to delete a trace"))
    }
}

impl Drop for OtlpWriter {
    /// The last writer sends what waits. One that failed does not: it will be opened anew.
    fn drop(&mut self) {
        self.exporter.leave(!self.has_failed);
    }
}
