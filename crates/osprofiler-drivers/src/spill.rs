//! A spill file: where records wait while their back end is away (`?spill=PATH`).
//!
//! It is a file of JSON lines as the driver `file` writes them, which any number of processes may share.
//! What waits in it is written to the back end once that takes records again: by one process at a time,
//! which holds a lock (`PATH.lock`), moves the file away (`PATH.replay`), and notes how much of it is
//! acknowledged, so that another process can go on where it was killed. Records that the back end
//! refuses for what they are go to `PATH.refused`.

use std::error::Error as _;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use osprofiler_wire::{Id, Record};

use crate::file::FileWriter;
use crate::records::with_record;
use crate::{ConnectionString, Error, ErrorKind, Writer, files};

/// How large a spill file becomes, unless the option `spill_max` says otherwise.
const MAX_BYTES: u64 = 256 << 20;
/// Records that are written to the back end at once, and bytes of them after which it is enough.
const BATCH_RECORDS: usize = 1000;
const BATCH_BYTES: u64 = 8 << 20;
/// How long to leave a back end alone that did not answer; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// The options of a connection string that are about its spill file.
pub(crate) struct Settings {
    path: PathBuf,
    max_bytes: u64,
}

impl Settings {
    /// Takes them out of a connection string; gives what is left for the driver.
    ///
    /// # Errors
    ///
    /// If `spill_max` is no number of bytes.
    pub(crate) fn take(
        connection: &ConnectionString,
    ) -> Result<(ConnectionString, Option<Self>), Error> {
        let (rest, options) = connection.split_options(&["spill", "spill_max"]);
        let value =
            |name| options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value);
        let max_bytes = value("spill_max").map_or(Ok(MAX_BYTES), |text| text.parse());
        let max_bytes = max_bytes.map_err(|_| {
            let message = format!("`{connection}`: expected a number of bytes as `spill_max`");
            Error::new(ErrorKind::ConnectionString, message)
        })?;
        let path = value("spill").filter(|path| !path.is_empty()).map(PathBuf::from);
        Ok((rest, path.map(|path| Self { path, max_bytes })))
    }
}

/// Writes to a back end, and to a file while that is away.
pub(crate) struct SpillingWriter {
    settings: Settings,
    open: Box<OpenWriter>,
    back_end: Option<Box<dyn Writer>>,
    file: FileWriter,
    /// Set while the back end is away or records wait in the file.
    waiting: Option<Waiting>,
    /// Why they do, as the log was told. Whoever writes sees that all is well.
    failure: Option<String>,
}

type OpenWriter = dyn FnMut() -> Result<Box<dyn Writer>, Error> + Send;

/// When to try the back end again.
struct Waiting {
    until: Instant,
    wait: Duration,
}

impl Waiting {
    fn after(wait: Duration) -> Self {
        Self { until: Instant::now() + wait, wait }
    }
}

impl SpillingWriter {
    /// Opens the file; the back end may be away.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or the back end would not take records however long one waits.
    pub(crate) fn open(settings: Settings, mut open: Box<OpenWriter>) -> Result<Self, Error> {
        let file = FileWriter::open(&settings.path)?;
        let opened = open();
        let is_left = size(&settings.path) + size(&beside(&settings.path, ".replay")) > 0;
        let waiting = is_left.then(|| Waiting::after(Duration::ZERO));
        let mut writer = Self { settings, open, back_end: None, file, waiting, failure: None };
        match opened {
            Ok(back_end) => writer.back_end = Some(back_end),
            // A file that is not there yet may come, but nobody writes another connection string.
            Err(error) if is_passing(&error) && error.kind() != ErrorKind::ConnectionString => {
                writer.wait_for(&error);
            }
            Err(error) => return Err(error),
        }
        Ok(writer)
    }

    /// Whether the back end did not answer a moment ago.
    fn is_away(&self) -> bool {
        self.back_end.is_none()
            && self.waiting.as_ref().is_some_and(|waiting| Instant::now() < waiting.until)
    }

    /// The back end; it is opened anew after a failure.
    fn take_back_end(&mut self) -> Result<Box<dyn Writer>, Error> {
        self.back_end.take().map_or_else(&mut self.open, Ok)
    }

    fn write_through(&mut self, records: &[Record]) -> Result<(), Error> {
        let mut back_end = self.take_back_end()?;
        back_end.write(records)?;
        self.back_end = Some(back_end);
        Ok(())
    }

    fn spill(&mut self, records: &[Record]) -> Result<(), Error> {
        let waiting = size(&self.settings.path) + size(&beside(&self.settings.path, ".replay"));
        self.check_bound(&self.settings.path, waiting)?;
        self.file.write(records)
    }

    fn check_bound(&self, path: &Path, bytes: u64) -> Result<(), Error> {
        if bytes < self.settings.max_bytes {
            return Ok(());
        }
        let message = format!(
            "the back end does not take records, and the spill file `{}` holds {bytes} bytes; it may \
             have {} (`spill_max`): {}",
            path.display(),
            self.settings.max_bytes,
            self.failure.as_deref().unwrap_or("other processes wait for it too"),
        );
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    /// Leaves the back end alone for a while, after this. The log says so once: nothing is lost yet.
    fn wait_for(&mut self, error: &Error) {
        let failure = with_causes(error);
        if self.failure.is_none() {
            let path = self.settings.path.display();
            log::warn!("records wait in `{path}`: {failure}");
        }
        self.failure = Some(failure);
        self.wait();
    }

    /// Nothing waits any more.
    fn end_wait(&mut self) {
        self.waiting = None;
        if self.failure.take().is_some() {
            log::info!("nothing waits in `{}` any more", self.settings.path.display());
        }
    }

    fn wait(&mut self) {
        let wait = self.waiting.as_ref().map_or(FIRST_WAIT, |waiting| waiting.wait * 2);
        self.waiting = Some(Waiting::after(wait.clamp(FIRST_WAIT, LAST_WAIT)));
    }

    /// Writes some of what waits in the file to the back end.
    fn replay(&mut self) -> Result<Replay, Error> {
        let path = self.settings.path.clone();
        let failed = |cause| files::error(&format!("cannot replay `{}`", path.display()), cause);
        let Some(mut progress) = Progress::lock(&path).map_err(failed)? else {
            return Ok(Replay::Elsewhere);
        };
        let Some(mut lines) = progress.take().map_err(failed)? else { return Ok(Replay::Done) };
        let (records, bytes) = next_batch(&mut lines).map_err(failed)?;
        if bytes == 0 {
            progress.finish().map_err(failed)?;
        } else {
            self.offer(&records)?;
            progress.advance(bytes).map_err(failed)?;
        }
        Ok(Replay::More)
    }

    /// Writes records to the back end, and sets aside those that it refuses for what they are, so that
    /// they do not stand in the way of others.
    fn offer(&mut self, records: &[Record]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let mut back_end = self.take_back_end()?;
        match back_end.write(records) {
            Ok(()) => self.back_end = Some(back_end),
            Err(error) if is_passing(&error) => return Err(error),
            Err(_) if records.len() == 1 => self.set_aside(records)?,
            Err(_) => {
                let (some, others) = records.split_at(records.len() / 2);
                self.offer(some)?;
                self.offer(others)?;
            }
        }
        Ok(())
    }

    fn set_aside(&self, records: &[Record]) -> Result<(), Error> {
        let refused = beside(&self.settings.path, ".refused");
        self.check_bound(&refused, size(&refused))?;
        FileWriter::open(&refused)?.write(records)
    }
}

/// What came of a replay.
enum Replay {
    /// More waits.
    More,
    /// Nothing waits.
    Done,
    /// Another process is at it.
    Elsewhere,
}

/// Whether the error may pass without the records changing: somebody mends the server, or the rights of
/// our user.
fn is_passing(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::Storage | ErrorKind::Unsupported)
}

/// The error and its causes, as the log says them.
fn with_causes(error: &Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

impl Writer for SpillingWriter {
    fn write(&mut self, records: &[Record]) -> Result<(), Error> {
        if self.is_away() {
            return self.spill(records);
        }
        match self.write_through(records) {
            Err(error) if is_passing(&error) => {
                self.wait_for(&error);
                self.spill(records)
            }
            result => result,
        }
    }

    fn delete(&mut self, base_id: &Id) -> Result<bool, Error> {
        let mut back_end = self.take_back_end()?;
        let deleted = back_end.delete(base_id)?;
        self.back_end = Some(back_end);
        Ok(deleted)
    }

    fn flush(&mut self) -> Result<(), Error> {
        // What spilled is safe where it is.
        let Some(mut back_end) = self.back_end.take() else { return Ok(()) };
        back_end.flush()?;
        self.back_end = Some(back_end);
        Ok(())
    }

    fn catch_up(&mut self) -> Option<Duration> {
        let of_back_end = self.back_end.as_mut().and_then(|back_end| back_end.catch_up());
        if self.waiting.as_ref().is_some_and(|waiting| Instant::now() >= waiting.until) {
            // One batch: what is written meanwhile has its turn as well.
            match self.replay() {
                Ok(Replay::More) => self.waiting = Some(Waiting::after(Duration::ZERO)),
                Ok(Replay::Done) => self.end_wait(),
                Ok(Replay::Elsewhere) => self.wait(),
                Err(error) => self.wait_for(&error),
            }
        }
        let left = self
            .waiting
            .as_ref()
            .map(|waiting| waiting.until.saturating_duration_since(Instant::now()));
        [of_back_end, left].into_iter().flatten().min()
    }
}

/// The replay of a spill file, while this process is the one to do it.
struct Progress {
    path: PathBuf,
    /// Locked until it is closed; holds the number of bytes of the file that are acknowledged.
    lock: File,
    acknowledged: u64,
}

impl Progress {
    /// `None` if another process is at it.
    fn lock(path: &Path) -> io::Result<Option<Self>> {
        let lock_path = beside(path, ".lock");
        match files::create_new_private(&lock_path) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
            _ => {}
        }
        let mut lock = OpenOptions::new().read(true).write(true).open(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(cause)) => return Err(cause),
        }
        let mut text = String::new();
        lock.read_to_string(&mut text)?;
        // A process that was killed may have left half a number: then all is written again.
        let acknowledged = text.strip_suffix('\n').and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Some(Self { path: path.to_owned(), lock, acknowledged }))
    }

    /// The lines to replay: those that are left of a replay that did not end, or all that spilled
    /// since. `None` if there are none.
    fn take(&mut self) -> io::Result<Option<BufReader<File>>> {
        let replay = beside(&self.path, ".replay");
        if !replay.exists() {
            self.note(0)?;
            if size(&self.path) == 0 {
                return Ok(None);
            }
            match fs::rename(&self.path, &replay) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
                result => result?,
            }
        }
        let mut file = File::open(&replay)?;
        // Whoever appends to it still does so under a lock.
        file.lock()?;
        file.seek(SeekFrom::Start(self.acknowledged))?;
        Ok(Some(BufReader::new(file)))
    }

    fn advance(&mut self, bytes: u64) -> io::Result<()> {
        self.note(self.acknowledged + bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        fs::remove_file(beside(&self.path, ".replay"))
    }

    fn note(&mut self, acknowledged: u64) -> io::Result<()> {
        self.acknowledged = acknowledged;
        self.lock.set_len(0)?;
        self.lock.seek(SeekFrom::Start(0))?;
        writeln!(self.lock, "{acknowledged}")
    }
}

/// The records of the next lines, and how many bytes these are. What is no record is passed over: a
/// process was killed while it wrote it.
fn next_batch(lines: &mut impl BufRead) -> io::Result<(Vec<Record>, u64)> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    let mut line = Vec::new();
    while records.len() < BATCH_RECORDS
        && bytes < BATCH_BYTES
        && lines.read_until(b'\n', &mut line)? > 0
    {
        bytes += line.len() as u64;
        let text = String::from_utf8_lossy(&line);
        records.extend(with_record(text.trim_end(), |view| Record::from(view)));
        line.clear();
    }
    Ok((records, bytes))
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
