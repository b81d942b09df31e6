use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::path::{Path, PathBuf};

use osprofiler_wire::{Id, RecordView};

use crate::records::with_record;
use crate::{Error, ListQuery, Reader, Summarizer, TraceSummary, files};

pub(super) struct FileReader {
    path: PathBuf,
    skipped: u64,
}

impl FileReader {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        files::must_exist(path)?;
        Ok(Self { path: path.to_owned(), skipped: 0 })
    }

    fn scan(&mut self, mut visit: impl FnMut(&[u8]) -> Visited) -> Result<(), Error> {
        self.skipped = 0;
        files::must_exist(&self.path)?;
        self.visit_lines(&mut |line| visit(line))
            .map_err(|cause| files::error(&format!("cannot read `{}`", self.path.display()), cause))
    }

    fn visit_lines(&mut self, visit: &mut dyn FnMut(&[u8]) -> Visited) -> io::Result<()> {
        let mut lines = BufReader::new(settled(&self.path)?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            let is_blank = line.trim_ascii().is_empty();
            if !is_blank && visit(line.trim_ascii_end()) == Visited::NoRecord {
                self.skipped += 1;
            }
            line.clear();
        }
        Ok(())
    }
}

impl Reader for FileReader {
    fn read(&mut self, base_id: &Id, visit: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let wanted = base_id.to_string();
        self.scan(|line| {
            with_view(line, Some(&wanted), |view| {
                if view.base_id == *base_id {
                    visit(view.json);
                }
            })
        })
    }

    fn list(&mut self, query: &ListQuery) -> Result<Vec<TraceSummary>, Error> {
        let mut summarizer = Summarizer::default();
        self.scan(|line| with_view(line, None, |view| summarizer.add_view(view)))?;
        Ok(summarizer.into_list(query))
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// What a line was.
#[derive(PartialEq)]
enum Visited {
    Record,
    NoRecord,
    /// A line of another trace; it was not looked at any closer.
    OfOther,
}

/// Whether a line is a record of the trace.
pub(super) fn is_of_trace(line: &[u8], base_id: &Id) -> bool {
    let mut is_of_trace = false;
    with_view(line.trim_ascii_end(), Some(&base_id.to_string()), |view| {
        is_of_trace = view.base_id == *base_id;
    });
    is_of_trace
}

/// Calls `f` if the line is a record, unless it is plain to see that it is not of the trace `wanted`.
fn with_view(line: &[u8], wanted: Option<&str>, f: impl FnOnce(&RecordView<'_>)) -> Visited {
    let Ok(text) = std::str::from_utf8(line) else {
        return Visited::NoRecord;
    };
    // Finding text is several times faster than reading JSON. An id that is written with escapes
    // cannot be found that way.
    if wanted.is_some_and(|id| !text.contains(id) && !text.contains('\\')) {
        return Visited::OfOther;
    }
    with_record(text, f).map_or(Visited::NoRecord, |()| Visited::Record)
}

/// Opens the file as it stands once the batch that may be under way is written: what follows is
/// not read, and a line that has no end by then will never have one.
fn settled(path: &Path) -> io::Result<Take<File>> {
    let file = File::open(path)?;
    file.lock_shared()?;
    let len = file.metadata()?.len();
    file.unlock()?;
    Ok(file.take(len))
}
