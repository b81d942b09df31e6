//! Where text goes: data to standard output or a file, talk to standard error.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use osprofiler_report::clean::one_line;

/// Says something on standard error that is not the result.
pub(crate) fn say(line: &str) {
    // Fails only if nobody listens.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Says on standard error what went wrong, in one line: what was traced may be a part of it.
pub(crate) fn complain(line: &str) {
    say(&format!("osprofiler: {}", one_line(line)));
}

/// Whoever read our standard output has seen enough.
#[derive(Debug)]
pub(crate) struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for ReaderGone {}

/// Writes a result to a file, or to standard output if there is none.
pub(crate) fn write(
    out: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    match out {
        None => {
            let mut stdout = io::BufWriter::new(io::stdout().lock());
            match write(&mut stdout).and_then(|()| stdout.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
                written => written.context("cannot write to standard output"),
            }
        }
        Some(path) => {
            write_file(path, write).with_context(|| format!("cannot write `{}`", path.display()))
        }
    }
}

/// Writes a file beside its place and then moves it there: it is the old one or the new one, never
/// half of it. What is not a file, such as a pipe, is written to as it is.
fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // Through a link, the file that it names is replaced, and keeps its permissions.
    let resolved = fs::canonicalize(path);
    let path = resolved.as_deref().unwrap_or(path);
    let there = fs::metadata(path);
    if there.as_ref().is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let mut file = io::BufWriter::new(fs::OpenOptions::new().write(true).open(path)?);
        write(&mut file)?;
        return file.flush();
    }
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{}.", path.file_name().unwrap_or(OsStr::new("out")).to_string_lossy());
    builder.prefix(&prefix);
    if let Ok(there) = there {
        builder.permissions(there.permissions());
    } else {
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    let mut file = io::BufWriter::new(builder.tempfile_in(folder)?);
    write(&mut file)?;
    file.into_inner()?.persist(path)?;
    Ok(())
}

/// Columns of the terminal that standard output is; `None` if it is none.
pub(crate) fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Whether standard output takes colours: a terminal, unless the user wants none
/// (see `NO_COLOR` at no-color.org).
pub(crate) fn has_color() -> bool {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    wanted && able && io::stdout().is_terminal()
}
