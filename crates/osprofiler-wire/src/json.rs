//! JSON the way Python writes it, and repair of what Python should not have written.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use serde::{Deserialize, Serialize};

/// Appends `text` as a JSON string in ASCII, byte for byte as Python's `json.dumps` does.
///
/// Everything outside the printable ASCII range becomes `\uXXXX`, above U+FFFF as a surrogate pair.
///
/// ```
/// let mut out = String::new();
/// osprofiler_wire::json::push_python_str(&mut out, "a\"é\n\u{7f}🔑");
/// assert_eq!(out, r#""a\"\u00e9\n\u007f\ud83d\udd11""#);
/// ```
pub fn push_python_str(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a string takes any text");
                }
            }
        }
    }
    out.push('"');
}

/// Appends `value` as compact JSON.
///
/// # Errors
///
/// If `value` has no JSON form, such as a map whose keys are not text; `out` is left as it was.
pub(crate) fn push_value<T: Serialize + ?Sized>(
    out: &mut String,
    value: &T,
) -> serde_json::Result<()> {
    let before = out.len();
    serde_json::to_writer(Utf8(out), value).inspect_err(|_| out.truncate(before))?;
    // Only text that was JSON already (`RawValue`) has line ends, and they are but space.
    if out[before..].contains('\n') || out[before..].contains('\r') {
        let one_line = out[before..].replace(['\n', '\r'], " ");
        out.replace_range(before.., &one_line);
    }
    Ok(())
}

/// Lets `serde_json`, which writes whole UTF-8 sequences, write into a string.
struct Utf8<'a>(&'a mut String);

impl io::Write for Utf8<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push_str(std::str::from_utf8(bytes).map_err(io::Error::other)?);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An object's key, borrowed if it holds no escape.
#[derive(Deserialize)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Makes JSON of what Python's `json.dumps` writes for values that JSON does not have.
///
/// Bare `NaN`, `Infinity` and `-Infinity` become strings of that text, and half of a surrogate pair
/// (`\ud800`) becomes U+FFFD. The rest is kept to the byte, whether it is JSON or not.
///
/// ```
/// use osprofiler_wire::json::repair;
/// assert_eq!(repair(r#"{"a": NaN, "b": "NaN \ud800"}"#), r#"{"a": "NaN", "b": "NaN \ufffd"}"#);
/// ```
#[must_use]
pub fn repair(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(inside) = rest.strip_prefix('"') {
            out.push('"');
            rest = repair_string(inside, &mut out);
        } else if let Some(word) =
            ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word))
        {
            out.push('"');
            out.push_str(word);
            out.push('"');
            rest = &rest[word.len()..];
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Copies a string from behind its opening quote through its closing one; gives what follows.
fn repair_string<'a>(mut rest: &'a str, out: &mut String) -> &'a str {
    while let Some(at) = rest.find(['"', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('"') {
            out.push('"');
            return after;
        }
        let len = match code_unit(rest) {
            Some(0xd800..=0xdbff)
                if matches!(rest.get(6..).and_then(code_unit), Some(0xdc00..=0xdfff)) =>
            {
                12
            }
            Some(0xd800..=0xdfff) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // The backslash and the character behind it, which may be a quote.
            _ => rest.chars().take(2).map(char::len_utf8).sum(),
        };
        out.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    out.push_str(rest);
    ""
}

/// The number in a leading `\uXXXX`.
fn code_unit(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_of_surrogates_stay() {
        assert_eq!(repair(r#""\ud83d\udd11""#), r#""\ud83d\udd11""#);
        assert_eq!(repair(r#""\ud83d\ud83d\udd11""#), r#""\ufffd\ud83d\udd11""#);
        assert_eq!(repair(r#""\udd11\n\\ud800\"NaN""#), r#""\ufffd\n\\ud800\"NaN""#);
    }

    #[test]
    fn numbers_stay() {
        assert_eq!(
            repair("[-1, -Infinity, Infinity, NaN]"),
            r#"[-1, "-Infinity", "Infinity", "NaN"]"#
        );
    }

    proptest! {
        #[test]
        fn good_json_is_not_touched(text in ".*") {
            let json = serde_json::json!({"k": text, "n": [-1, 1.5e-9, null]}).to_string();
            prop_assert_eq!(repair(&json), json);
        }

        #[test]
        fn anything_is_survived(text in r#"(\\|u|d8|00|"|NaN|-|Inf|密|.)*"#) {
            let _ = repair(&text);
        }

        #[test]
        fn python_strings_are_json(text in ".*") {
            let mut out = String::new();
            push_python_str(&mut out, &text);
            prop_assert!(out.is_ascii());
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
