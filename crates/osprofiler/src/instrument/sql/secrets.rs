//! What a statement must not tell: passwords and the like, written into it or given with it.

use std::borrow::Cow;

use osprofiler_wire::Info;

use super::MASK;

/// Parts of names that say that what goes with them is not to be seen by others: those of
/// `#[trace]`, and what SQL calls a password.
const SECRET: [&str; 23] = [
    "access_key",
    "api_key",
    "apikey",
    "authorization",
    "bearer",
    "connection_string",
    "cookie",
    "credential",
    "database_url",
    "dsn",
    "encryption_key",
    "hmac_key",
    "identified",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "pwd",
    "secret",
    "signing_key",
    "token",
    "transport_url",
];

/// Whether a name, or any name in a statement, says secret.
pub(in crate::instrument) fn says_secret(text: &str) -> bool {
    // Short enough for a search of each word: a statement has a few hundred characters.
    let text = text.as_bytes();
    SECRET
        .iter()
        .any(|word| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes())))
}

/// A statement whose texts are masked if anything in it says secret.
///
/// Which text belongs to which name cannot be known without understanding SQL in all its dialects:
/// so it is all of them.
pub(super) fn redacted(sql: &str) -> Cow<'_, str> {
    if !says_secret(sql) {
        return Cow::Borrowed(sql);
    }
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(['\'', '"', '$']) {
        out.push_str(&rest[..at]);
        let (shown, behind) = literal(&rest[at..]);
        out.push_str(&shown);
        rest = behind;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Splits what begins with a quote into its masked form and what follows.
fn literal(text: &str) -> (Cow<'_, str>, &str) {
    match text.as_bytes()[0] {
        b'$' => dollar_quoted(text),
        quote => {
            let end = closing(text, quote);
            let behind = &text[end..];
            // A name in double quotes, in all dialects but MySQL's: there it is followed by none of
            // what follows a name. It is not worth telling them apart.
            (Cow::Owned(format!("{0}{MASK}{0}", quote as char)), behind)
        }
    }
}

/// Where a text that begins with `quote` ends. A doubled quote belongs to it, and what follows a
/// backslash: in dialects where it does not, more is masked than need be.
fn closing(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// PostgreSQL's `$tag$text$tag$`; a lone `$`, as in `$1`, is what it is.
fn dollar_quoted(text: &str) -> (Cow<'_, str>, &str) {
    let tag_len = text[1..].find(|c: char| c != '_' && !c.is_alphanumeric());
    let tag = tag_len.filter(|len| text[1 + len..].starts_with('$')).map(|len| &text[..len + 2]);
    let Some(tag) = tag else {
        return (Cow::Borrowed(&text[..1]), &text[1..]);
    };
    let behind = text[tag.len()..].split_once(tag).map_or("", |(_, behind)| behind);
    (Cow::Owned(format!("{tag}{MASK}{tag}")), behind)
}

/// Parameters with those masked whose names say secret, or all of them.
pub(super) fn masked(params: &Info, all: bool) -> Info {
    let mut out = Info::new();
    for (name, value) in params.to_map() {
        if all || says_secret(&name) {
            out.set(&name, MASK);
        } else {
            out.set(&name, &value);
        }
    }
    out
}

/// A message without what it quotes: from the first quote to the last, for what is quoted may hold
/// quotes of its own.
pub(super) fn without_quoted(message: &str) -> Cow<'_, str> {
    let ends = ['\'', '"'].into_iter().filter_map(|quote| {
        let (first, last) = (message.find(quote)?, message.rfind(quote)?);
        (first < last).then_some((first + 1, last))
    });
    let outer = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    match outer {
        Some((from, to)) => format!("{}{MASK}{}", &message[..from], &message[to..]).into(),
        None => message.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_in_a_statement_that_says_secret_are_masked() {
        for (sql, shown) in [
            ("SELECT 'a' FROM t", "SELECT 'a' FROM t"),
            ("UPDATE u SET password = 'hush'", "UPDATE u SET password = '***'"),
            (
                "CREATE USER nova IDENTIFIED BY 'it''s \\' hush' -- x",
                "CREATE USER nova IDENTIFIED BY '***' -- x",
            ),
            (
                "INSERT INTO Token VALUES ($1, 'a', \"b\")",
                "INSERT INTO Token VALUES ($1, '***', \"***\")",
            ),
            ("SELECT $q$hush$q$, $$hush$$ AS secret", "SELECT $q$***$q$, $$***$$ AS secret"),
            ("ALTER ROLE a PASSWORD 'hush", "ALTER ROLE a PASSWORD '***'"),
            ("ALTER ROLE a PASSWORD $$hush", "ALTER ROLE a PASSWORD $$***$$"),
        ] {
            assert_eq!(redacted(sql), shown);
        }
    }

    #[test]
    fn a_message_that_quotes_a_statement_does_not_tell_its_values() {
        let message = "syntax error near 'password = 'hush' WHERE' at line 1";
        assert_eq!(without_quoted(message), "syntax error near '***' at line 1");
        assert_eq!(without_quoted("near \"it's\": no"), "near \"***\": no");
        assert_eq!(without_quoted("pool timed out"), "pool timed out");
    }

    proptest! {
        #[test]
        fn no_text_comes_through(before in "[a-z =]{0,5}", text in "[^'\\\\]{1,9}", after in "\\PC{0,9}") {
            let sql = format!("{before} password='H{text}H' {after}");
            let shown = redacted(&sql).into_owned();
            let hidden = format!("H{}H", text);
            prop_assert!(!shown.contains(&hidden), "{shown}");
        }
    }
}
