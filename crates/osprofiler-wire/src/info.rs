//! The caller's dictionary on a start or a stop.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::{self, Key};

/// The caller's dictionary on a start or a stop, kept as JSON text.
///
/// A value is turned into JSON when it is set, so that the caller keeps what it owns and nothing
/// is converted twice on the way to a back end. Setting a key again replaces its value.
///
/// ```
/// use osprofiler_wire::Info;
///
/// let info = Info::new()
///     .with("rows", &3)
///     .with_info("db", Info::new().with("statement", "SELECT 1"));
/// assert_eq!(info.to_json(), r#"{"rows":3,"db":{"statement":"SELECT 1"}}"#);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// The members of the object, without its braces.
    members: String,
}

impl Info {
    /// Makes an empty dictionary. Does not allocate.
    #[must_use]
    pub const fn new() -> Self {
        Self { members: String::new() }
    }

    /// Reads a JSON object.
    ///
    /// # Errors
    ///
    /// If `json` is not JSON, or not an object.
    pub fn from_json(json: &str) -> serde_json::Result<Self> {
        Ok(Self::of_members(&serde_json::from_str(json)?))
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Bytes that the dictionary takes as JSON; 0 if nothing was set.
    #[must_use]
    pub fn json_len(&self) -> usize {
        if self.is_empty() { 0 } else { self.members.len() + "{}".len() }
    }

    /// Sets `key` to `value`.
    ///
    /// A value without a JSON form, such as a map whose keys are not text, is recorded as a text
    /// that says so: profiling never fails its caller.
    pub fn set<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.set_with(key, |out| {
            if let Err(error) = json::push_value(out, value) {
                let text = format!("<not representable as JSON: {error}>");
                json::push_value(out, &text).expect("text always is");
            }
        });
    }

    /// Sets `key` to a dictionary.
    pub fn set_info(&mut self, key: &str, value: &Info) {
        self.set_with(key, |out| value.push_json(out));
    }

    /// [`set`](Self::set), for building in one expression.
    #[must_use]
    pub fn with<T: Serialize + ?Sized>(mut self, key: &str, value: &T) -> Self {
        self.set(key, value);
        self
    }

    /// [`set_info`](Self::set_info), for building in one expression.
    #[must_use]
    pub fn with_info(mut self, key: &str, value: Info) -> Self {
        self.set_info(key, &value);
        self
    }

    /// Takes over every key of `other`.
    pub fn merge(&mut self, other: &Info) {
        if self.is_empty() {
            self.members.clone_from(&other.members);
            return;
        }
        let json = other.to_json();
        for (key, value) in &Members::read(&json).0 {
            self.set(key, value);
        }
    }

    /// The dictionary as compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.members.len() + 2);
        self.push_json(&mut out);
        out
    }

    /// The dictionary as a tree of values. A value that cannot be one, because it is nested more
    /// than 127 levels deep, is its JSON text.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        let json = self.to_json();
        let value = |raw: &RawValue| {
            serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::from(raw.get()))
        };
        Members::read(&json)
            .0
            .into_iter()
            .map(|(key, raw)| (key.into_owned(), value(raw)))
            .collect()
    }

    pub(crate) fn push_json(&self, out: &mut String) {
        out.push('{');
        out.push_str(&self.members);
        out.push('}');
    }

    fn set_with(&mut self, key: &str, push: impl FnOnce(&mut String)) {
        let before = self.members.len();
        if before > 0 {
            self.members.push(',');
        }
        let key_from = self.members.len();
        json::push_value(&mut self.members, key).expect("text has a JSON form");
        self.members.push(':');
        let key_to = self.members.len();
        // The same text further up is this key, or one of a nested dictionary: rare, so the
        // dictionary may be taken apart to find out.
        let repeated = self.members[..before].contains(&self.members[key_from..key_to]);
        push(&mut self.members);
        if repeated {
            *self = Self::of_members(&Members::read(&self.to_json()));
        }
    }

    /// Writes members, of a repeated key the last.
    fn of_members(members: &Members<'_>) -> Self {
        let mut later = HashSet::new();
        let mut lasting: Vec<_> =
            members.0.iter().rev().filter(|(key, _)| later.insert(key)).collect();
        lasting.reverse();
        let mut info = Self::new();
        for (key, value) in lasting {
            if !info.members.is_empty() {
                info.members.push(',');
            }
            json::push_value(&mut info.members, key).expect("text has a JSON form");
            info.members.push(':');
            json::push_value(&mut info.members, value).expect("JSON has a JSON form");
        }
        info
    }
}

/// The members of a JSON object, their values as text: of any depth, and as they were.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    fn read(info: &'a str) -> Self {
        serde_json::from_str(info).expect("an info is JSON by construction")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    members.push((key.0, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

impl From<Map<String, Value>> for Info {
    fn from(map: Map<String, Value>) -> Self {
        let mut members = String::new();
        json::push_value(&mut members, &map).expect("a map of values has a JSON form");
        members.pop();
        members.remove(0);
        Self { members }
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.members)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_set_again_is_replaced() {
        let info = Info::new().with("a", &1).with("b", &json!({"a": 2})).with("a", &3);
        assert_eq!(Value::from(info.to_map()), json!({"a": 3, "b": {"a": 2}}));
        assert_eq!(info.to_json().matches("\"a\"").count(), 2);
    }

    #[test]
    fn a_key_of_a_nested_dictionary_is_another() {
        let info = Info::new().with("b", &json!({"a": 2})).with("a", &3);
        assert_eq!(Value::from(info.to_map()), json!({"a": 3, "b": {"a": 2}}));
    }

    #[test]
    fn what_has_no_json_form_is_recorded_as_text() {
        let odd = HashMap::from([((1, 2), 3)]);
        let info = Info::new().with("odd", &odd).with("after", &1);
        let map = info.to_map();
        assert!(map["odd"].as_str().unwrap().starts_with("<not representable"), "{info:?}");
        assert_eq!(map["after"], 1);
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        let raw: Box<RawValue> = serde_json::from_str(&format!("{{\"host\":\n{deep}}}")).unwrap();
        let info = Info::new().with("deep", &raw).with("host", "h").with("host", "i");
        assert_eq!(info.to_json(), format!("{{\"deep\":{{\"host\": {deep}}},\"host\":\"i\"}}"));
        let mut merged = Info::new().with("a", &1);
        merged.merge(&info);
        assert_eq!(merged.to_map()["host"], "i");
        assert!(merged.to_map()["deep"].is_string());
        assert_eq!(Info::from_json(&merged.to_json()).unwrap(), merged);
    }

    #[test]
    fn merge_overwrites() {
        let mut info = Info::new().with("a", &1).with("b", &1);
        info.merge(&Info::new().with("b", &2).with("c", &3));
        assert_eq!(Value::from(info.to_map()), json!({"a": 1, "b": 2, "c": 3}));
    }

    proptest! {
        #[test]
        fn any_keys_and_values_come_back(pairs in proptest::collection::vec((".*", ".*"), 0..8)) {
            let mut info = Info::new();
            let mut expected = Map::new();
            for (key, value) in pairs {
                info.set(&key, &value);
                expected.insert(key, value.into());
            }
            prop_assert_eq!(info.to_map(), expected);
        }
    }
}
