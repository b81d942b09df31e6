//! JSON the way Python writes it, and repair of what Python should not have written.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io;

use serde::{Deserialize, Serialize, Serializer};

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

/// Appends `text` as a JSON string, byte for byte as `serde_json` does.
pub(crate) fn push_str(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    push_inside(out, text);
    out.push('"');
}

/// Appends what stands between the quotes of a JSON string.
#[inline(always)]
pub(crate) fn push_inside(out: &mut String, text: &str) {
    if is_plain(text) { out.push_str(text) } else { push_escaped(out, text) }
}

#[cold]
fn push_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_escape) {
        out.push_str(&rest[..at]);
        push_escape(out, rest.as_bytes()[at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

fn push_escape(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        0x8 => out.push_str("\\b"),
        0xc => out.push_str("\\f"),
        _ => write!(out, "\\u{byte:04x}").expect("a string takes any text"),
    }
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Whether `text` stands in JSON as it is. Eight bytes are looked at in one step, the last ones
/// twice if need be.
#[inline(always)]
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(last) = bytes.last_chunk() else {
        return !bytes.iter().fold(false, |any, byte| any | needs_escape(*byte));
    };
    let (eights, _) = bytes.as_chunks();
    eights.iter().fold(escapes(last), |any, eight| any | escapes(eight)) == 0
}

/// Not 0 if one of the bytes needs an escape.
#[inline(always)]
fn escapes(eight: &[u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // Sets the high bit of each byte that is less than `limit`, if below no other one.
    let less = |bytes: u64, limit: u8| bytes.wrapping_sub(ONES * u64::from(limit)) & !bytes & HIGH;
    let equal = |bytes: u64, byte: u8| less(bytes ^ (ONES * u64::from(byte)), 1);
    let bytes = u64::from_ne_bytes(*eight);
    less(bytes, b' ') | equal(bytes, b'"') | equal(bytes, b'\\')
}

/// Appends `value` as compact JSON, byte for byte as `serde_json` does.
///
/// # Errors
///
/// If `value` has no JSON form, such as a map whose keys are not text; `out` is left as it was.
#[inline]
pub(crate) fn push_value<T: Serialize + ?Sized>(
    out: &mut String,
    value: &T,
) -> serde_json::Result<()> {
    let before = out.len();
    let mut rest = None;
    let result = value.serialize(TextFirst { out, rest: &mut rest });
    if rest.is_none() && result.is_ok() { result } else { end_value(out, before, result) }
}

/// Takes back what came of a value without a JSON form, and line ends.
fn end_value(
    out: &mut String,
    before: usize,
    result: serde_json::Result<()>,
) -> serde_json::Result<()> {
    if result.is_err() {
        out.truncate(before);
        return result;
    }
    // Only text that was JSON already (`RawValue`) has line ends, and they are but space.
    let line_end = |byte| byte == b'\n' || byte == b'\r';
    if out[before..].bytes().fold(false, |any, byte| any | line_end(byte)) {
        let one_line = out[before..].replace(['\n', '\r'], " ");
        out.replace_range(before.., &one_line);
    }
    Ok(())
}

type Rest<'o> = serde_json::Serializer<Utf8<'o>>;

/// Writes text itself, since most values are text; hands the rest on to `serde_json`.
struct TextFirst<'a, 'o> {
    out: &'o mut String,
    rest: &'a mut Option<Rest<'o>>,
}

impl<'a, 'o> TextFirst<'a, 'o> {
    fn rest(self) -> &'a mut Rest<'o> {
        self.rest.insert(serde_json::Serializer::new(Utf8(self.out)))
    }
}

macro_rules! hand_on {
    ($($method:ident($($name:ident: $type:ty),*) -> $ok:ident;)*) => {
        $(fn $method(self, $($name: $type),*) -> serde_json::Result<Self::$ok> {
            self.rest().$method($($name),*)
        })*
    };
}

impl<'a, 'o> Serializer for TextFirst<'a, 'o> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = <&'a mut Rest<'o> as Serializer>::SerializeSeq;
    type SerializeTuple = <&'a mut Rest<'o> as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <&'a mut Rest<'o> as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <&'a mut Rest<'o> as Serializer>::SerializeTupleVariant;
    type SerializeMap = <&'a mut Rest<'o> as Serializer>::SerializeMap;
    type SerializeStruct = <&'a mut Rest<'o> as Serializer>::SerializeStruct;
    type SerializeStructVariant = <&'a mut Rest<'o> as Serializer>::SerializeStructVariant;

    #[inline]
    fn serialize_str(self, text: &str) -> serde_json::Result<()> {
        push_str(self.out, text);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> serde_json::Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> serde_json::Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> serde_json::Result<()> {
        self.rest().serialize_newtype_variant(name, index, variant, value)
    }

    fn collect_str<T: Display + ?Sized>(self, text: &T) -> serde_json::Result<()> {
        self.out.push('"');
        write!(Inside(self.out), "{text}").map_err(serde::ser::Error::custom)?;
        self.out.push('"');
        Ok(())
    }

    hand_on! {
        serialize_bool(value: bool) -> Ok;
        serialize_i8(value: i8) -> Ok;
        serialize_i16(value: i16) -> Ok;
        serialize_i32(value: i32) -> Ok;
        serialize_i64(value: i64) -> Ok;
        serialize_i128(value: i128) -> Ok;
        serialize_u8(value: u8) -> Ok;
        serialize_u16(value: u16) -> Ok;
        serialize_u32(value: u32) -> Ok;
        serialize_u64(value: u64) -> Ok;
        serialize_u128(value: u128) -> Ok;
        serialize_f32(value: f32) -> Ok;
        serialize_f64(value: f64) -> Ok;
        serialize_char(value: char) -> Ok;
        serialize_bytes(value: &[u8]) -> Ok;
        serialize_none() -> Ok;
        serialize_unit() -> Ok;
        serialize_unit_struct(name: &'static str) -> Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> Ok;
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant;
    }
}

/// Takes what is displayed between the quotes of a string.
struct Inside<'a>(&'a mut String);

impl fmt::Write for Inside<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_inside(self.0, text);
        Ok(())
    }
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

    /// Values of every kind that a caller may give.
    #[derive(Clone, Debug, Serialize)]
    enum Given {
        Nothing,
        Tagged(String),
        Pair(String, bool),
        #[serde(untagged)]
        Text(String),
        #[serde(untagged)]
        Name(Name),
        #[serde(untagged)]
        Maybe(Option<String>),
        #[serde(untagged)]
        Numbers(u8, i64, u128, f64, char),
        #[serde(untagged)]
        Integer(i16),
        #[serde(untagged)]
        Members {
            text: String,
            list: Vec<Option<bool>>,
        },
    }

    #[derive(Clone, Debug, Serialize)]
    struct Name(String);

    fn given() -> impl Strategy<Value = Given> {
        let text = || any::<String>();
        prop_oneof![
            text().prop_map(Given::Tagged),
            (text(), any::<bool>()).prop_map(|(text, flag)| Given::Pair(text, flag)),
            text().prop_map(Given::Text),
            text().prop_map(|text| Given::Name(Name(text))),
            any::<Option<String>>().prop_map(Given::Maybe),
            any::<(u8, i64, u128, f64, char)>()
                .prop_map(|(a, b, c, d, e)| Given::Numbers(a, b, c, d, e)),
            any::<i16>().prop_map(Given::Integer),
            any::<(String, Vec<Option<bool>>)>()
                .prop_map(|(text, list)| Given::Members { text, list }),
            Just(Given::Nothing),
        ]
    }

    #[test]
    fn of_a_value_that_fails_nothing_stays() {
        struct Failing;

        impl Serialize for Failing {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str("text")?;
                Err(serde::ser::Error::custom("no"))
            }
        }

        impl Display for Failing {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")?;
                Err(fmt::Error)
            }
        }

        let mut out = String::from("before");
        assert!(push_value(&mut out, &Failing).is_err());
        assert!(push_value(&mut out, &format_args!("{Failing}")).is_err());
        assert!(push_value(&mut out, &[Failing]).is_err());
        assert_eq!(out, "before");
    }

    #[test]
    fn a_value_is_asked_for_its_json_once() {
        struct Once(std::cell::Cell<Option<[i32; 2]>>);

        impl Serialize for Once {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.0.take().expect("asked once"))
            }
        }

        let mut out = String::new();
        push_value(&mut out, &Once(Some([1, 2]).into())).unwrap();
        assert_eq!(out, "[1,2]");
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
        fn strings_are_those_of_serde_json(text in r#"([a-z]{0,9}|["\\\\]|[\x00-\x20]|\x7f|.){0,9}"#) {
            let mut out = String::from("before");
            push_str(&mut out, &text);
            prop_assert_eq!(out, format!("before{}", serde_json::to_string(&text).unwrap()));
        }

        #[test]
        fn values_are_those_of_serde_json(value in given()) {
            let mut out = String::from("before");
            push_value(&mut out, &value).unwrap();
            prop_assert_eq!(out, format!("before{}", serde_json::to_string(&value).unwrap()));
        }

        #[test]
        fn what_is_displayed_is_a_string(text: String) {
            let mut out = String::new();
            push_value(&mut out, &format_args!("<{text}>")).unwrap();
            prop_assert_eq!(out, serde_json::to_string(&format!("<{text}>")).unwrap());
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
