//! Finding one's way in JSON text: no recursion, no copies, and no look at what nobody asked for.
//!
//! Made for texts that were found to be JSON before. Anything else is survived: a walk ends early
//! or gives odd pieces, but always pieces of the text.

use std::borrow::Cow;

use osprofiler_wire::json::repair;

/// Where the string ends whose opening quote is at `at`: behind its closing quote.
pub(crate) fn string_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Where the value ends that begins at `at`; `None` if the text ends before it does.
pub(crate) fn value_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => {
            let mut at = at;
            let mut open = 0_usize;
            loop {
                match bytes.get(at)? {
                    b'"' => {
                        at = string_end(text, at)?;
                        continue;
                    }
                    b'{' | b'[' => open += 1,
                    b'}' | b']' => open -= 1,
                    _ => {}
                }
                at += 1;
                if open == 0 {
                    return Some(at);
                }
            }
        }
        _ => Some(
            bytes[at..]
                .iter()
                .position(|byte| matches!(byte, b',' | b']' | b'}' | b':') || is_space(*byte))
                .map_or(bytes.len(), |len| at + len),
        ),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The first place from `at` on that is neither space nor `also`.
pub(crate) fn skip(text: &str, at: usize, also: u8) -> usize {
    text.as_bytes()[at..]
        .iter()
        .position(|&byte| byte != also && !is_space(byte))
        .map_or(text.len(), |len| at + len)
}

/// The elements of an array, each with the place where it begins.
pub(crate) fn elements(array: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = usize::from(array.starts_with('['));
    std::iter::from_fn(move || {
        let from = skip(array, at, b',');
        at = value_end(array, from).filter(|&end| end > from)?;
        Some((from, &array[from..at]))
    })
}

/// The members of an object: the keys as they are written, without quotes, and the values.
pub(crate) fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut at = usize::from(object.starts_with('{'));
    let whole = if at == 1 { object } else { "" };
    std::iter::from_fn(move || {
        let key = skip(whole, at.min(whole.len()), b',');
        if whole.as_bytes().get(key) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(whole, key)?;
        let value = skip(whole, key_end, b':');
        at = value_end(whole, value).filter(|&end| end > value)?;
        Some((&whole[key + 1..key_end - 1], &whole[value..at]))
    })
}

/// The value of a member; of a repeated key the last counts.
pub(crate) fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    members(object).filter(|(found, _)| *found == key).last().map(|(_, value)| value)
}

/// A value as text: what a string says, a number or truth value as it is written; nothing for
/// `null` or what has members.
pub(crate) fn plain_text(value: &str) -> Option<Cow<'_, str>> {
    match value.as_bytes().first()? {
        b'"' => Some(string_text(value)),
        b'{' | b'[' | b'n' => None,
        _ => Some(value.into()),
    }
}

/// What a string, given with its quotes, says.
fn string_text(string: &str) -> Cow<'_, str> {
    let inside = string.get(1..string.len() - 1).unwrap_or_default();
    if !inside.contains('\\') {
        return inside.into();
    }
    serde_json::from_str::<String>(string)
        .or_else(|_| serde_json::from_str(&repair(string)))
        .map_or(inside.into(), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn members_and_elements_are_found() {
        let object = r#" {"a" : {"b":[1,{"x":"}"}]} ,"c\"d":"e,\"", "f":null}"#.trim();
        assert_eq!(
            members(object).collect::<Vec<_>>(),
            [("a", r#"{"b":[1,{"x":"}"}]}"#), ("c\\\"d", r#""e,\"""#), ("f", "null")]
        );
        assert_eq!(
            elements(r#"[1, "a]", [2,[3]] ,{}]"#).collect::<Vec<_>>(),
            [(1, "1"), (4, "\"a]\""), (10, "[2,[3]]"), (19, "{}")]
        );
        assert_eq!(members("[1]").count(), 0);
        assert_eq!(member(r#"{"a":1,"a":2}"#, "a"), Some("2"));
    }

    #[test]
    fn text_of_plain_values() {
        assert_eq!(plain_text(r#""a\u00e9""#).unwrap(), "aé");
        assert_eq!(plain_text(r#""a\ud800""#).unwrap(), "a\u{fffd}");
        assert_eq!(plain_text("-1.5").unwrap(), "-1.5");
        assert_eq!(plain_text("null"), None);
        assert_eq!(plain_text("{}"), None);
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert_eq!(value_end(&deep, 0), Some(deep.len()));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_member_and_element_is_found(value in any_json()) {
            let text = value.to_string();
            prop_assert_eq!(value_end(&text, 0), Some(text.len()));
            match &value {
                Value::Object(map) => {
                    prop_assert_eq!(members(&text).count(), map.len());
                    for (_, part) in members(&text) {
                        prop_assert!(serde_json::from_str::<Value>(part).is_ok());
                    }
                }
                Value::Array(list) => {
                    let parts: Vec<Value> = elements(&text)
                        .map(|(_, part)| serde_json::from_str(part).unwrap())
                        .collect();
                    prop_assert_eq!(&parts, list);
                }
                _ => {}
            }
        }

        #[test]
        fn anything_is_survived(text in r#"([\[\]{}",:\\ ]|a|密|null|.)*"#) {
            members(&text).for_each(drop);
            elements(&text).for_each(drop);
            for (at, _) in text.char_indices() {
                value_end(&text, at);
            }
        }
    }
}
