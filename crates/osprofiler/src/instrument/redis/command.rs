//! What a point tells of commands: their names and their keys.
//!
//! It is read from the bytes that are sent, which is all that a synchronous connection gets to see.

use std::str;

use osprofiler_wire::Info;

/// Commands, and keys, that a point shows at most.
const SHOWN: usize = 20;
/// Bytes of a key that a point shows at most.
const KEY_LEN: usize = 200;

/// Tells of commands in the protocol of Redis: `{command, keys}`, and `count` if it is more than one.
pub(super) fn described(packed: &[u8]) -> Info {
    let (mut names, mut keys, mut count) = (Vec::new(), Vec::new(), 0_usize);
    let mut rest = packed;
    while let Some(arguments) = next_command(&mut rest) {
        let (Some((name, arguments)), true) = (arguments.split_first(), names.len() < SHOWN) else {
            count += 1;
            continue;
        };
        let name = String::from_utf8_lossy(name).to_uppercase();
        keys.extend(keys_of(&name, arguments).into_iter().map(shown));
        names.push(name);
        count += 1;
    }
    keys.truncate(SHOWN);
    let info = Info::new().with("command", &names.join(" ")).with("keys", &keys);
    if count > 1 { info.with("count", &count) } else { info }
}

fn shown(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    text[..text.floor_char_boundary(KEY_LEN)].to_owned()
}

/// The arguments that are keys.
///
/// The rule is Redis's own, put short: the first argument, but for the commands here.
fn keys_of<'a>(name: &str, arguments: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let number = |at: usize| -> usize {
        let text = arguments.get(at).and_then(|text| str::from_utf8(text).ok());
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    let counted = |at: usize| {
        let keys = arguments.iter().skip(at + 1).take(number(at));
        keys.copied().collect()
    };
    match name {
        // What follows are secrets, texts, names of other things, or nothing.
        "AUTH" | "HELLO" | "ECHO" | "PING" | "SELECT" | "INFO" | "MULTI" | "EXEC" | "DISCARD"
        | "ACL" | "CLIENT" | "CONFIG" | "SCRIPT" | "FUNCTION" | "COMMAND" | "SCAN" | "MIGRATE" => {
            Vec::new()
        }
        "DEL" | "UNLINK" | "EXISTS" | "TOUCH" | "WATCH" | "MGET" | "SUNION" | "SINTER"
        | "SDIFF" | "PFCOUNT" => arguments.to_vec(),
        "MSET" | "MSETNX" => arguments.iter().step_by(2).copied().collect(),
        "BLPOP" | "BRPOP" | "BZPOPMIN" | "BZPOPMAX" => {
            arguments[..arguments.len().saturating_sub(1)].to_vec()
        }
        "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" => counted(1),
        "ZUNION" | "ZINTER" | "ZDIFF" | "SINTERCARD" | "LMPOP" | "ZMPOP" => counted(0),
        "XREAD" | "XREADGROUP" => {
            let at = arguments.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"));
            let streams = at.map_or(&arguments[..0], |at| &arguments[at + 1..]);
            streams[..streams.len() / 2].to_vec()
        }
        _ => arguments.first().copied().into_iter().collect(),
    }
}

/// Takes the first command: an array of texts, each with its length before it.
fn next_command<'a>(rest: &mut &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let arguments = length(rest, b'*')?;
    (0..arguments).map(|_| text(rest)).collect()
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = length(rest, b'$')?;
    let (text, behind) = rest.split_at_checked(len)?;
    *rest = behind.strip_prefix(b"\r\n")?;
    Some(text)
}

fn length(rest: &mut &[u8], kind: u8) -> Option<usize> {
    let line = rest.strip_prefix(&[kind])?;
    let end = line.windows(2).position(|end| end == b"\r\n")?;
    let len = str::from_utf8(&line[..end]).ok()?.parse().ok()?;
    *rest = &line[end + 2..];
    Some(len)
}

#[cfg(test)]
mod tests {
    use redis::{cmd, pipe};

    use super::*;

    fn keys(command: &str) -> String {
        let mut words = command.split(' ');
        let mut cmd = cmd(words.next().unwrap());
        words.for_each(|word| {
            cmd.arg(word);
        });
        described(&cmd.get_packed_command()).to_json()
    }

    #[test]
    fn keys_are_shown_and_values_are_not() {
        for (command, shown) in [
            ("GET a", r#"{"command":"GET","keys":["a"]}"#),
            ("set a hush EX 7", r#"{"command":"SET","keys":["a"]}"#),
            ("MSET a hush b hush", r#"{"command":"MSET","keys":["a","b"]}"#),
            ("DEL a b c", r#"{"command":"DEL","keys":["a","b","c"]}"#),
            ("EVAL hush 2 a b hush", r#"{"command":"EVAL","keys":["a","b"]}"#),
            ("ZUNION 2 a b WEIGHTS 1 2", r#"{"command":"ZUNION","keys":["a","b"]}"#),
            ("XREAD COUNT 2 STREAMS a b 0 0", r#"{"command":"XREAD","keys":["a","b"]}"#),
            ("BLPOP a b 5", r#"{"command":"BLPOP","keys":["a","b"]}"#),
            ("AUTH nova hush", r#"{"command":"AUTH","keys":[]}"#),
            ("PING", r#"{"command":"PING","keys":[]}"#),
        ] {
            assert_eq!(keys(command), shown);
        }
    }

    #[test]
    fn a_pipeline_tells_of_its_commands_and_a_long_one_of_the_first() {
        let mut some = pipe();
        some.atomic().set("a", "hush").incr("b", 1);
        assert_eq!(
            described(&some.get_packed_pipeline()).to_json(),
            r#"{"command":"MULTI SET INCRBY EXEC","keys":["a","b"],"count":4}"#
        );
        let mut many = pipe();
        for n in 0..1000 {
            many.get(format!("{n}{}", "x".repeat(1000)));
        }
        let shown = described(&many.get_packed_pipeline()).to_json();
        assert!(shown.len() < 5000 && shown.ends_with("\"count\":1000}"), "{}", shown.len());
    }

    #[test]
    fn what_is_no_command_is_not_read() {
        for bytes in
            [&b""[..], b"*1\r\n$9\r\nGET\r\n", b"*x\r\n", b"$3\r\nGET\r\n", b"*2\r\n$3\r\nGET\r\n"]
        {
            assert_eq!(described(bytes).to_json(), r#"{"command":"","keys":[]}"#);
        }
    }
}
