//! What the points of SQL statements say, whichever library sends them.
//!
//! With [`Kind::Sql`] on, a point holds the statement; without, and with [`Kind::Db`], only its first
//! word (`operation`). Shapes are those of `docs/record.md`.

mod secrets;

use std::borrow::Cow;
use std::fmt::Display;

use osprofiler_wire::Info;

pub(super) use self::secrets::says_secret;
use super::Kind;
use crate::local::{ids::PointId, scope::ClosedBy, slot};
use crate::outcome::{self, bounded};

/// What stands for a value that is not to be seen.
const MASK: &str = "***";

/// How the points of a database are named, and what they say besides the statement.
///
/// ```
/// use osprofiler::instrument::sql::SqlOptions;
///
/// let options = SqlOptions::default().named("neutron.db").with_params().with_rows();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlOptions {
    name: Cow<'static, str>,
    params: bool,
    rows: bool,
}

impl Default for SqlOptions {
    /// Points named `db`, without parameters or the number of rows.
    fn default() -> Self {
        Self { name: Cow::Borrowed("db"), params: false, rows: false }
    }
}

impl SqlOptions {
    /// Names the points: `neutron.db`, say, where a service uses several databases.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Records the parameters of a statement beside it, if the library that sends it shows them:
    /// diesel does. They are users' data; those of a statement that says secret are masked.
    #[must_use]
    pub fn with_params(mut self) -> Self {
        self.params = true;
        self
    }

    /// Records the number of rows, as `db: {rows}` in the stop record.
    #[must_use]
    pub fn with_rows(mut self) -> Self {
        self.rows = true;
        self
    }

    /// A statement that is about to be sent; `None` if no point is to tell of it.
    pub(super) fn statement<'a>(&'a self, sql: &'a str) -> Option<Statement<'a>> {
        is_wanted().then_some(Statement { options: self, sql, params: None })
    }

    /// What is asked of a database without a statement: name and start info of its point.
    pub(super) fn call(&self, operation: &str) -> Option<(Cow<'static, str>, Info)> {
        let db = || Info::new().with("operation", operation);
        is_wanted().then(|| (self.name.clone(), Info::new().with_info("db", db())))
    }

    /// [`call`](Self::call), as a point that is open on this thread.
    pub(super) fn open_call(&self, operation: &str) -> Option<OpenStatement> {
        let (name, info) = self.call(operation)?;
        OpenStatement::begin(name, info, Ending { rows: false, shows_message: false })
    }
}

/// A statement whose point is open on this thread.
#[derive(Debug)]
pub(super) struct OpenStatement {
    point: PointId,
    ending: Ending,
}

impl OpenStatement {
    fn begin(name: Cow<'static, str>, info: Info, ending: Ending) -> Option<Self> {
        let point = slot::with(|scope| scope.start(name, info, ClosedBy::Handle))?;
        Some(Self { point, ending })
    }

    pub(super) fn done(self) {
        slot::with(|scope| scope.close(self.point, Info::new()));
    }

    pub(super) fn failed<E: Display + ?Sized>(self, error: &E) {
        slot::with(|scope| scope.close(self.point, self.ending.failed(error)));
    }
}

fn is_wanted() -> bool {
    crate::profiler::is_tracing() && (Kind::Sql.is_on() || Kind::Db.is_on())
}

/// A statement that a point is to tell of.
pub(super) struct Statement<'a> {
    options: &'a SqlOptions,
    sql: &'a str,
    params: Option<Params>,
}

enum Params {
    Named(Info),
    Listed(String),
}

impl Statement<'_> {
    /// Adds parameters that go with a name; those whose names say secret are masked.
    pub(super) fn named_params(mut self, params: &Info) -> Self {
        if Kind::Sql.is_on() && !params.is_empty() {
            self.params = Some(Params::Named(secrets::masked(params, says_secret(self.sql))));
        }
        self
    }

    /// Adds parameters as the library shows them, without names, if they are asked for.
    pub(super) fn params(mut self, params: impl FnOnce() -> String) -> Self {
        if self.options.params && Kind::Sql.is_on() {
            let shown = if says_secret(self.sql) { MASK.to_owned() } else { params() };
            self.params = Some(Params::Listed(bounded(format_args!("{shown}"))));
        }
        self
    }

    /// Begins its point on this thread.
    pub(super) fn open(self) -> Option<OpenStatement> {
        OpenStatement::begin(self.point(), self.info(), self.ending())
    }

    /// Name of its point.
    pub(super) fn point(&self) -> Cow<'static, str> {
        self.options.name.clone()
    }

    /// Start info.
    pub(super) fn info(&self) -> Info {
        Info::new().with_info("db", self.described())
    }

    fn described(&self) -> Info {
        if !Kind::Sql.is_on() {
            return Info::new().with("operation", &operation(self.sql));
        }
        let text = secrets::redacted(self.sql);
        let db = Info::new().with("statement", &bounded(format_args!("{text}")));
        match &self.params {
            Some(Params::Named(params)) => db.with_info("params", params.clone()),
            Some(Params::Listed(params)) => db.with("params", params),
            None => db,
        }
    }

    /// What makes the stop info.
    pub(super) fn ending(&self) -> Ending {
        let shows_message = Kind::Sql.is_on() && !says_secret(self.sql);
        Ending { rows: self.options.rows, shows_message }
    }
}

/// Makes the stop info of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    rows: bool,
    /// Whether values may be seen that an error quotes.
    shows_message: bool,
}

impl Ending {
    /// It is done, and this many rows came back or were changed.
    pub(super) fn rows(self, rows: u64) -> Info {
        if !self.rows {
            return Info::new();
        }
        Info::new().with_info("db", Info::new().with("rows", &rows))
    }

    /// It failed.
    pub(super) fn failed<E: Display + ?Sized>(self, error: &E) -> Info {
        if self.shows_message {
            return outcome::error_info(error);
        }
        let message = bounded(format_args!("{error}"));
        outcome::failure(std::any::type_name::<E>(), &secrets::without_quoted(&message))
    }
}

/// The first word of a statement, in upper case: no value can be in it.
fn operation(sql: &str) -> String {
    let word = uncommented(sql).split(|c: char| !c.is_ascii_alphabetic()).next();
    word.unwrap_or_default().chars().take(16).collect::<String>().to_ascii_uppercase()
}

/// A statement without the comments, blanks and parentheses before it.
fn uncommented(sql: &str) -> &str {
    let sql = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    let rest = match (sql.strip_prefix("--"), sql.strip_prefix("/*")) {
        (Some(comment), _) => comment.split_once('\n').map(|(_, rest)| rest),
        (_, Some(comment)) => comment.split_once("*/").map(|(_, rest)| rest),
        _ => return sql,
    };
    rest.map(uncommented).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operation_of_a_statement_is_its_first_word() {
        for (sql, word) in [
            ("select 1", "SELECT"),
            ("  -- who?\n/* all */ (SELECT 1) UNION (SELECT 2)", "SELECT"),
            ("BEGIN;", "BEGIN"),
            ("'hush'", ""),
            ("-- nothing", ""),
            ("", ""),
        ] {
            assert_eq!(operation(sql), word, "{sql}");
        }
    }
}
