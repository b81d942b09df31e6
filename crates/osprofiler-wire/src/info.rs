//! The caller's dictionary on a start or a stop.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::{self, Key};

/// Bytes that the first member makes room for, so that the usual few members take one allocation.
const FIRST_CAPACITY: usize = 128;

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
    /// The JSON object without its closing brace; empty if nothing was set.
    open: String,
    /// The [`key_bit`] of each key that was set.
    keys: u64,
}

impl Info {
    /// Makes an empty dictionary. Does not allocate.
    #[must_use]
    pub const fn new() -> Self {
        Self { open: String::new(), keys: 0 }
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
        self.open.is_empty()
    }

    /// Bytes that the dictionary takes as JSON; 0 if nothing was set.
    #[must_use]
    pub fn json_len(&self) -> usize {
        if self.is_empty() { 0 } else { self.open.len() + "}".len() }
    }

    /// Sets `key` to `value`.
    ///
    /// A value without a JSON form, such as a map whose keys are not text, is recorded as a text
    /// that says so: profiling never fails its caller.
    #[inline(always)]
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
    #[inline(always)]
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
            self.clone_from(other);
            return;
        }
        if self.keys & other.keys == 0 && !other.is_empty() {
            self.open.push(',');
            self.open.push_str(&other.open["{".len()..]);
            self.keys |= other.keys;
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
        let mut out = String::with_capacity(self.open.len() + 2);
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
        out.push_str(if self.is_empty() { "{" } else { &self.open });
        out.push('}');
    }

    /// [`push_json`](Self::push_json) of this dictionary with `key` set to `text`.
    pub(crate) fn push_json_with(&self, out: &mut String, key: &str, text: &str) {
        if self.may_hold(key) {
            return self.clone().with(key, text).push_json(out);
        }
        out.push_str(&self.open);
        push_key(out, self.is_empty(), key);
        json::push_str(out, text);
        out.push('}');
    }

    #[inline(always)]
    fn set_with(&mut self, key: &str, push: impl FnOnce(&mut String)) {
        let repeated = self.may_hold(key);
        self.push_key(key);
        push(&mut self.open);
        if repeated {
            *self = Self::of_members(&Members::read(&self.to_json()));
        }
    }

    #[inline(always)]
    fn push_key(&mut self, key: &str) {
        self.keys |= key_bit(key);
        let first = self.is_empty();
        if self.open.capacity() == 0 {
            self.open = String::with_capacity(FIRST_CAPACITY);
        }
        push_key(&mut self.open, first, key);
    }

    /// Whether `key` may have been set; if not, it surely was not.
    #[inline(always)]
    fn may_hold(&self, key: &str) -> bool {
        self.keys & key_bit(key) != 0 && self.names(key)
    }

    /// Whether this dictionary or a nested one has `key`.
    #[cold]
    fn names(&self, key: &str) -> bool {
        let mut name = String::with_capacity(key.len() + 3);
        json::push_str(&mut name, key);
        name.push(':');
        self.open.contains(&name)
    }

    /// Writes members, of a repeated key the last.
    fn of_members(members: &Members<'_>) -> Self {
        let mut later = HashSet::new();
        let mut lasting: Vec<_> =
            members.0.iter().rev().filter(|(key, _)| later.insert(key)).collect();
        lasting.reverse();
        let mut info = Self::new();
        for (key, value) in lasting {
            info.push_key(key);
            json::push_value(&mut info.open, value).expect("JSON has a JSON form");
        }
        info
    }
}

/// Appends a key, for its value to follow.
#[inline(always)]
fn push_key(out: &mut String, first: bool, key: &str) {
    out.push_str(if first { "{\"" } else { ",\"" });
    json::push_inside(out, key);
    out.push_str("\":");
}

/// One of 64 bits, the same for the same key. It comes of what is cheap to see: how a key begins and
/// ends, and how long it is. The factors part the keys that often go together.
#[inline(always)]
fn key_bit(key: &str) -> u64 {
    let ends = [key.as_bytes().first(), key.as_bytes().last()];
    let [first, last] = ends.map(|end| end.map_or(0, |byte| u32::from(*byte)));
    1_u64.rotate_left(first + 9 * last + 8 * u32::from(key.len() as u8))
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
        let mut info = Self::new();
        if !map.is_empty() {
            json::push_value(&mut info.open, &map).expect("a map of values has a JSON form");
            info.open.pop();
            info.keys = map.keys().fold(0, |keys, key| keys | key_bit(key));
        }
        info
    }
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
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

    /// A dictionary as a list: the members in the order in which they were last set.
    #[derive(Clone, Debug, Default)]
    struct Model(Vec<(String, String)>);

    impl Model {
        fn set(&mut self, key: &str, json: String) {
            self.0.retain(|(other, _)| other != key);
            self.0.push((key.to_owned(), json));
        }

        fn to_json(&self) -> String {
            let member = |(key, json): &(String, String)| format!("{}:{json}", json!(key));
            format!("{{{}}}", self.0.iter().map(member).collect::<Vec<_>>().join(","))
        }
    }

    /// Few keys, so that they repeat at every level, some in need of escapes.
    fn keys() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[ab\"]{0,2}|host|description|密", 0..8)
    }

    fn built(keys: &[String]) -> (Info, Model) {
        let (mut info, mut model) = (Info::new(), Model::default());
        for (at, key) in keys.iter().enumerate() {
            if at % 3 == 1 {
                let before = info.clone();
                model.set(key, before.to_json());
                info.set_info(key, &before);
            } else {
                model.set(key, at.to_string());
                info.set(key, &at);
            }
        }
        (info, model)
    }

    proptest! {
        #[test]
        fn members_are_in_the_order_in_which_they_were_last_set(keys in keys()) {
            let (info, model) = built(&keys);
            prop_assert_eq!(info.to_json(), model.to_json());
            prop_assert_eq!(info.json_len(), if keys.is_empty() { 0 } else { model.to_json().len() });
            prop_assert_eq!(Info::from_json(&info.to_json()).unwrap(), info);
        }

        #[test]
        fn merging_is_setting_each_member(keys in keys(), others in keys()) {
            let ((mut info, mut model), (other, members)) = (built(&keys), built(&others));
            info.merge(&other);
            for (key, json) in members.0 {
                model.set(&key, json);
            }
            prop_assert_eq!(info.to_json(), model.to_json());
            prop_assert_eq!(Info::from_json(&info.to_json()).unwrap(), info);
        }

        #[test]
        fn what_is_written_with_a_member_is_what_would_be_set(keys in keys(), key in "host|a", text: String) {
            let (info, _) = built(&keys);
            let mut out = String::new();
            info.push_json_with(&mut out, &key, &text);
            prop_assert_eq!(out, info.with(&key, &text).to_json());
        }

        #[test]
        fn a_map_is_a_dictionary_like_any_other(keys in keys()) {
            let map: Map<_, _> = keys.into_iter().map(|key| (key, Value::Null)).collect();
            let info = Info::from(map.clone());
            prop_assert_eq!(&info, &Info::from_json(&Value::from(map).to_string()).unwrap());
            prop_assert_eq!(info.is_empty(), info == Info::new());
        }

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
