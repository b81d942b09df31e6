//! A conversation with the server: statements, rows, and what its errors mean.

use reqwest::Method;
use reqwest::header::HeaderMap;

use super::row_binary::Decoder;
use crate::address::Address;
use crate::http::{Answer, Http, Settings};
use crate::{Error, ErrorKind};

/// Bytes of an answer that the server keeps in memory before it sends them; the rest of a longer one
/// waits in a file. It sends nothing before it has all, so that an error is never behind half an
/// answer.
const BUFFER_LEN: &str = "33554432";

pub(super) struct Server {
    http: Http,
    database: Option<String>,
}

impl Server {
    /// Takes the options of HTTP and TLS; nothing is sent yet.
    pub(super) fn new(address: &Address, is_tls: bool) -> Result<Self, Error> {
        let settings = Settings {
            default_port: if is_tls { 8443 } else { 8123 },
            is_tls,
            has_basic_auth: true,
            headers: HeaderMap::new(),
            prefix: "",
        };
        let database = address.database().map(str::to_owned);
        Ok(Self { http: Http::new(address, settings)?, database })
    }

    /// Runs a statement that gives nothing back; `what` it does is for errors, such as `write to`.
    pub(super) fn execute(&self, what: &str, statement: &str) -> Result<(), Error> {
        self.post(what, &[], statement.as_bytes(), ErrorKind::NotFound).map(drop)
    }

    /// Runs a query, and calls `visit` for each of its rows; that gives `None` if a row makes no sense.
    pub(super) fn query(
        &self,
        what: &str,
        query: &str,
        mut visit: impl FnMut(&mut Decoder<'_>) -> Option<()>,
    ) -> Result<(), Error> {
        let parameters = [("wait_end_of_query", "1"), ("buffer_size", BUFFER_LEN)];
        let query = format!("{query} FORMAT RowBinary");
        let answer = self.post(what, &parameters, query.as_bytes(), ErrorKind::NotFound)?;
        let mut rows = Decoder(&answer.body);
        while !rows.is_at_end() {
            visit(&mut rows).ok_or_else(|| {
                let place = self.http.place();
                Error::new(
                    ErrorKind::Storage,
                    format!("`{place}` gave an answer that makes no sense; check that it is a ClickHouse server's HTTP port"),
                )
            })?;
        }
        Ok(())
    }

    /// Runs a statement with data of its own.
    pub(super) fn insert(
        &self,
        what: &str,
        statement: &str,
        settings: &[(&str, &str)],
        data: &[u8],
    ) -> Result<(), Error> {
        let parameters = [&[("query", statement)], settings].concat();
        // If the table is gone, a writer that is opened anew makes it.
        self.post(what, &parameters, data, ErrorKind::Unavailable).map(drop)
    }

    /// `no_table` is the kind of error that it is if there is no such table.
    fn post(
        &self,
        what: &str,
        parameters: &[(&str, &str)],
        body: &[u8],
        no_table: ErrorKind,
    ) -> Result<Answer, Error> {
        let database = self.database.as_deref().map(|name| ("database", name));
        let answer = self.http.send(&Method::POST, "", |request| {
            request.query(database.as_slice()).query(parameters).body(body.to_vec())
        })?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let refusal = self.http.refusal(what, &answer);
        let Some((kind, hint)) = meaning(&answer, no_table) else { return Err(refusal) };
        Err(Error::new(kind, format!("{refusal}{hint}")))
    }
}

/// What an error of ClickHouse means to us, and what to do about it; the HTTP status alone says little.
fn meaning(answer: &Answer, no_table: ErrorKind) -> Option<(ErrorKind, &'static str)> {
    let text = String::from_utf8_lossy(&answer.body);
    let code = text.strip_prefix("Code: ")?;
    let code = &code[..code.find(|c: char| !c.is_ascii_digit())?];
    Some(match code.parse::<u16>().ok()? {
        60 => (no_table, "; the first writer makes the tables"),
        81 => (ErrorKind::NotFound, "; create the database, or name another one"),
        // Wrong credentials of one kind or the other; they come with HTTP 401 or 403.
        192..=194 | 516 => (ErrorKind::Denied, ""),
        // Not allowed to write, to use this database, to do that.
        164 | 291 | 497 => (ErrorKind::Denied, "; check what the user may do"),
        // It, its disks or its peers are busy: time-outs, too many queries or parts, memory,
        // network, replication.
        159 | 160 | 202 | 203 | 209 | 210 | 241 | 242 | 243 | 252 | 279 | 285 | 319 | 999 => {
            (ErrorKind::Unavailable, "")
        }
        _ => return None,
    })
}

/// A text as a literal of SQL.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            '\0' => quoted.push_str("\\0"),
            _ => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_ends_where_it_should() {
        assert_eq!(quoted("'; DROP TABLE x; --"), r"'\'; DROP TABLE x; --'");
        assert_eq!(quoted("\\' OR 1"), r"'\\\' OR 1'");
        assert_eq!(quoted("é\0\n"), "'é\\0\n'");
    }
}
