//! The most telling part of an info, in a few words.

use std::borrow::Cow;
use std::fmt;

use crate::clean::one_line;
use crate::scan::{member, members, plain_text};

/// What a point was about, on one line of harmless text.
///
/// Made of the info's well-known members (`request`, `requests`, `db`, `function`, `dropped`), else of
/// whatever plain values it holds besides `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// A request that was served or made: method, host if it was made, path, query, status.
    Request(String),
    /// An SQL statement; its first word where statements are not recorded.
    Statement(String),
    /// A message or a call over a message bus, or a command of another back end: the method and whose
    /// it is, the command and its keys.
    Command(String),
    /// The qualified name of a function.
    Function(String),
    /// Why records were dropped, and how many.
    Dropped(String),
    /// Keys and values that the caller made up.
    Other(String),
}

impl Detail {
    /// Reads the infos of a start and a stop record.
    pub(crate) fn of(start: &str, stop: &str) -> Option<Self> {
        let start = info(start);
        let (mut request, mut requests, mut db, mut function) = (None, None, None, None);
        let (mut rpc, mut redis, mut dropped) = (None, None, None);
        for (key, value) in members(start) {
            match key {
                "request" => request = Some(value),
                "requests" => requests = Some(value),
                "db" => db = Some(value),
                "function" => function = Some(value),
                "rpc" => rpc = Some(value),
                "redis" => redis = Some(value),
                "dropped" => dropped = Some(value),
                _ => {}
            }
        }
        let status = |key| text(member(info(stop), key)?, "status_code");
        request
            .and_then(|served| request_line(served, || status("response")))
            .or_else(|| requests.and_then(|made| request_line(made, || status("requests"))))
            .map(Self::Request)
            .or_else(|| statement(db?).map(Self::Statement))
            .or_else(|| call(rpc?).map(Self::Command))
            .or_else(|| command(redis?).map(Self::Command))
            .or_else(|| Some(Self::Function(one_line(&text(function?, "name")?))))
            .or_else(|| other(dropped?).map(Self::Dropped))
            .or_else(|| other(start).map(Self::Other))
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Request(text)
            | Self::Statement(text)
            | Self::Command(text)
            | Self::Function(text)
            | Self::Dropped(text)
            | Self::Other(text) => text,
        }
    }

    /// The text, or what it still tells when some of it must go: of a `SELECT` its tables and
    /// conditions, of a function its own name.
    pub(crate) fn brief(&self) -> Cow<'_, str> {
        match self {
            Self::Statement(text) => brief_select(text).map_or(text.into(), Cow::Owned),
            Self::Function(text) => {
                // Python's names have dots, Rust's have pairs of colons.
                let separator = if text.contains("::") { "::" } else { "." };
                let mut parts = text.rsplitn(3, separator);
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(name), Some(class), Some(_)) => {
                        format!("{class}{separator}{name}").into()
                    }
                    _ => text.into(),
                }
            }
            _ => self.as_str().into(),
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The `info` of a record; empty if there is none.
pub(crate) fn info(record: &str) -> &str {
    member(record, "info").unwrap_or_default()
}

fn text<'a>(object: &'a str, key: &str) -> Option<Cow<'a, str>> {
    plain_text(member(object, key)?).filter(|text| !text.is_empty())
}

fn request_line<'a>(
    request: &str,
    status: impl FnOnce() -> Option<Cow<'a, str>>,
) -> Option<String> {
    let field = |key| text(request, key);
    let path = field("path");
    let host = field("hostname");
    if path.is_none() && host.is_none() {
        return None;
    }
    let mut line = String::new();
    for (before, part) in [
        ("", field("method").map(|method| method + " ")),
        ("", host.clone()),
        (":", host.and_then(|_| field("port"))),
        ("", path),
        ("?", field("query")),
        (" -> ", status()),
    ] {
        if let Some(part) = part {
            line.push_str(before);
            line.push_str(&part);
        }
    }
    Some(one_line(&line))
}

fn statement(db: &str) -> Option<String> {
    let text = text(db, "statement").or_else(|| text(db, "operation"))?;
    Some(one_line(&text))
}

/// `stock.host-1 count`, or an exchange and a routing key.
fn call(rpc: &str) -> Option<String> {
    let to = text(rpc, "topic").or_else(|| text(rpc, "exchange"));
    let server = text(rpc, "server").map(|server| format!(".{server}"));
    let method = text(rpc, "method").or_else(|| text(rpc, "routing_key"))?;
    let to = to.map(|to| format!("{to}{} ", server.unwrap_or_default()));
    Some(one_line(&format!("{}{method}", to.unwrap_or_default())))
}

/// `SET greeting`.
fn command(redis: &str) -> Option<String> {
    let keys = member(redis, "keys").and_then(|keys| serde_json::from_str(keys).ok());
    let keys: Vec<String> = keys.unwrap_or_default();
    let line = format!("{} {}", text(redis, "command")?, keys.join(" "));
    Some(one_line(line.trim_end()))
}

fn other(info: &str) -> Option<String> {
    let mut line = String::new();
    for (key, value) in members(info) {
        let Some(value) = plain_text(value).filter(|_| key != "host") else {
            continue;
        };
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(key);
        line.push('=');
        line.push_str(&value);
    }
    (!line.is_empty()).then(|| one_line(&line))
}

/// `SELECT a, b FROM t` without what stands between the two words, also where `t` is such a
/// statement in turn.
fn brief_select(statement: &str) -> Option<String> {
    let mut brief = String::new();
    let mut rest = statement;
    while let Some(tables) = strip_word(rest, "SELECT ").and_then(behind_from) {
        brief.push_str("SELECT \u{2026} FROM ");
        rest = tables.trim_start_matches('(');
        brief.push_str(&tables[..tables.len() - rest.len()]);
    }
    brief.push_str(rest);
    (brief.len() < statement.len()).then_some(brief)
}

/// What follows the first `FROM` that is not in parentheses.
fn behind_from(columns: &str) -> Option<&str> {
    let mut open = 0_usize;
    columns.bytes().enumerate().find_map(|(at, byte)| {
        match byte {
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            b' ' if open == 0 => return strip_word(&columns[at..], " FROM "),
            _ => {}
        }
        None
    })
}

/// What follows `word`, in whatever case it is written.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(start: &str, stop: &str) -> Option<Detail> {
        Detail::of(&format!(r#"{{"info": {start}}}"#), &format!(r#"{{"info": {stop}}}"#))
    }

    #[test]
    fn well_known_members_are_told() {
        assert_eq!(
            detail(
                r#"{"host": "h", "request": {"path": "/v3", "query": "a=1", "method": "GET", "scheme": "http"}}"#,
                "{}"
            ),
            Some(Detail::Request("GET /v3?a=1".into()))
        );
        assert_eq!(
            detail(
                r#"{"requests": {"method": "PUT", "hostname": "h", "port": 80, "path": "/p", "query": ""}}"#,
                r#"{"requests": {"status_code": 404}}"#
            ),
            Some(Detail::Request("PUT h:80/p -> 404".into()))
        );
        assert_eq!(
            detail(r#"{"db": {"statement": "SELECT 1\n\tFROM x"}}"#, ""),
            Some(Detail::Statement("SELECT 1 FROM x".into()))
        );
        assert_eq!(
            detail(r#"{"db": {"operation": "BEGIN"}}"#, ""),
            Some(Detail::Statement("BEGIN".into()))
        );
        assert_eq!(
            detail(r#"{"rpc": {"method": "count", "topic": "stock", "server": "a"}}"#, ""),
            Some(Detail::Command("stock.a count".into()))
        );
        assert_eq!(
            detail(r#"{"rpc": {"exchange": "", "routing_key": "charges", "size": 7}}"#, ""),
            Some(Detail::Command("charges".into()))
        );
        assert_eq!(
            detail(r#"{"redis": {"command": "MGET", "keys": ["a", "b"]}}"#, ""),
            Some(Detail::Command("MGET a b".into()))
        );
        assert_eq!(
            detail(r#"{"function": {"name": "a.B.c", "args": "()"}}"#, "[]"),
            Some(Detail::Function("a.B.c".into()))
        );
        assert_eq!(
            detail(r#"{"host": "h", "rows": 3, "key": "v\u001b", "x": {}}"#, ""),
            Some(Detail::Other("rows=3 key=v\u{241b}".into()))
        );
    }

    #[test]
    fn odd_infos_have_no_detail() {
        for info in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"host": "h"}"#,
            r#"{"request": []}"#,
            r#"{"db": {"statement": null}}"#,
        ] {
            assert_eq!(detail(info, info), None, "{info}");
        }
    }

    #[test]
    fn brief_text_keeps_what_tells_most() {
        let brief = |statement: &str| Detail::Statement(statement.into()).brief().into_owned();
        assert_eq!(
            brief("SELECT a, (select x from y), b FROM t WHERE c"),
            "SELECT … FROM t WHERE c"
        );
        assert_eq!(
            brief("select a.x, a.y from (select b from u where c) AS a"),
            "SELECT … FROM (SELECT … FROM u where c) AS a"
        );
        assert_eq!(brief("INSERT INTO t"), "INSERT INTO t");
        assert_eq!(brief("SELECT 1"), "SELECT 1");
        let function = |name: &str| Detail::Function(name.into()).brief().into_owned();
        assert_eq!(function("nova.compute.Manager.build"), "Manager.build");
        assert_eq!(function("build"), "build");
    }
}
