//! The header `tracestate`.

use crate::hex;

/// The key of our own member.
const OWN_KEY: &[u8] = b"osprofiler";
/// Bytes that our own member takes, with the comma after it.
const OWN_LEN: usize = "osprofiler=0123456789abcdef,".len();
/// Bytes of a header that everybody has to send on; we send no more.
const MAX_LEN: usize = 512;
/// Members that there may be.
const MAX_MEMBERS: usize = 32;
/// Bytes of a member beyond which it is the first to go when there are too many.
const LONG_MEMBER: usize = 128;
/// Bytes of a key, and of a value, at most.
const MAX_PART: usize = 256;
/// Bytes of the two parts of a key with a tenant, at most.
const MAX_TENANT: usize = 241;
const MAX_SYSTEM: usize = 14;

/// What other tracing systems want to find again further down: the members of `tracestate`, in their
/// order and without ours.
///
/// ```
/// use osprofiler_wire::w3c::Tracestate;
///
/// let state = Tracestate::parse([&b"rojo=00f067aa0ba902b7 , osprofiler=1"[..], b"congo=t61"]).unwrap();
/// assert_eq!(state.as_str(), "rojo=00f067aa0ba902b7,congo=t61");
/// assert_eq!(
///     state.to_header([0xba; 8]),
///     "osprofiler=babababababababa,rojo=00f067aa0ba902b7,congo=t61"
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracestate(String);

impl Tracestate {
    /// Reads the values of all headers of the name, one after the other.
    ///
    /// `None` if one member is not valid, or there are more than 32. Of two members of a key the first
    /// counts. What is longer than we may send on with our own member before it (512 bytes) is cut as
    /// the specification says: first the members of more than 128 bytes go, then the last ones.
    /// Does not allocate for what is refused.
    #[must_use]
    pub fn parse<'a, I>(headers: I) -> Option<Self>
    where
        I: IntoIterator<Item = &'a [u8], IntoIter: Clone>,
    {
        let members = headers
            .into_iter()
            .flat_map(|header| header.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|member| !member.is_empty());
        let is_valid = members.clone().all(|member| key(member).is_some());
        if !is_valid || members.clone().nth(MAX_MEMBERS).is_some() {
            return None;
        }
        let mut kept: Vec<&[u8]> = Vec::new();
        for member in members {
            let is_new = kept.iter().all(|other| key(other) != key(member));
            if is_new && key(member) != Some(OWN_KEY) {
                kept.push(member);
            }
        }
        cut(&mut kept);
        String::from_utf8(kept.join(&b","[..])).ok().map(Self)
    }

    /// The members.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of the header, with a member of ours in front, as whoever wrote last has to do: the
    /// span of our point.
    #[must_use]
    pub fn to_header(&self, span_id: [u8; 8]) -> String {
        let comma = if self.0.is_empty() { "" } else { "," };
        let mut header = String::with_capacity(OWN_LEN + self.0.len());
        for part in ["osprofiler=", &hex::text(&span_id), comma, &self.0] {
            header.push_str(part);
        }
        header
    }
}

/// Drops what does not fit.
fn cut(members: &mut Vec<&[u8]>) {
    let len = |members: &[&[u8]]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    let fits = |members: &[&[u8]]| OWN_LEN + len(members) <= MAX_LEN + 1;
    if !fits(members) {
        members.retain(|member| member.len() <= LONG_MEMBER);
    }
    while !fits(members) {
        members.pop();
    }
}

/// The key of a member, if it is valid.
fn key(member: &[u8]) -> Option<&[u8]> {
    let equals = member.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&member[..equals], &member[equals + 1..]);
    (is_key(key) && is_value(value)).then_some(key)
}

/// `simple` or `tenant@system`.
fn is_key(key: &[u8]) -> bool {
    match key.iter().position(|byte| *byte == b'@') {
        None => is_name(key, MAX_PART, u8::is_ascii_lowercase),
        Some(at) => {
            let starts = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            is_name(&key[..at], MAX_TENANT, starts)
                && is_name(&key[at + 1..], MAX_SYSTEM, u8::is_ascii_lowercase)
        }
    }
}

fn is_name(name: &[u8], max: usize, may_start: impl Fn(&u8) -> bool) -> bool {
    let is_inside =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
    name.first().is_some_and(may_start) && name.len() <= max && name.iter().all(is_inside)
}

/// Printable ASCII but for a comma and `=`. It cannot end with a space: members are trimmed.
fn is_value(value: &[u8]) -> bool {
    let is_inside = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=MAX_PART).contains(&value.len()) && value.iter().all(is_inside)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<String> {
        Tracestate::parse([text.as_bytes()]).map(|state| state.as_str().to_owned())
    }

    #[test]
    fn what_the_specification_calls_valid_is_read() {
        let key = "k".repeat(256);
        let tenant = format!("{}@{}", "t".repeat(241), "v".repeat(14));
        let value = "v".repeat(256);
        for (text, read) in [
            ("foo=1", "foo=1"),
            ("foo=1,bar=2", "foo=1,bar=2"),
            ("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"),
            ("foo=1,", "foo=1"),
            ("", ""),
            (",,foo=1,,", "foo=1"),
            ("f_-*/0=1", "f_-*/0=1"),
            ("foo= !\"#$%&'()*+-./0?@A[\\]^_`a{|}~", "foo= !\"#$%&'()*+-./0?@A[\\]^_`a{|}~"),
            ("t_-*/@v=1,0t@v=2", "t_-*/@v=1,0t@v=2"),
            ("foo=1,foo=2,bar=3", "foo=1,bar=3"),
            (&format!("{}=1", &key[..]), &format!("{}=1", &key[..])),
            (&format!("{tenant}=1"), &format!("{tenant}=1")),
            (&format!("a={value}"), &format!("a={value}")),
        ] {
            assert_eq!(parse(text).as_deref(), Some(read), "{text}");
        }
        let members =
            |count| (0..count).map(|n| format!("bar{n:02}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(parse(&members(32)), Some(members(32)));
        assert_eq!(parse(&members(33)), None);
    }

    #[test]
    fn what_the_specification_calls_invalid_is_refused() {
        let long = "k".repeat(257);
        for text in [
            "foo",
            "=1",
            "foo=",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "1foo=1",
            "_foo=1",
            "foo@=1,bar=2",
            "@foo=1,bar=2",
            "foo@@bar=1,bar=2",
            "foo@bar@baz=1,bar=2",
            "foo@1bar=1",
            "foo=bar=baz",
            "foo=,bar=3",
            "foo=1,bar",
            "foo=\u{7f}",
            "foo=\u{e4}",
            "foo=a\tb",
            &format!("{long}=1"),
            &format!("{}@v=1", &long[..242]),
            &format!("t@{}=1", &long[..15]),
            &format!("a={long}"),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let state = Tracestate::parse([&b"foo=1,bar=2"[..], b"", b"baz=3,foo=4"]).unwrap();
        assert_eq!(state.as_str(), "foo=1,bar=2,baz=3");
        assert_eq!(Tracestate::parse([&b"foo=1"[..], b"="]), None);
    }

    #[test]
    fn long_members_go_first_and_then_the_last_ones() {
        let long = format!("long={}", "v".repeat(LONG_MEMBER));
        let short = |n: usize| format!("short{n:02}={}", "v".repeat(50));
        let all: Vec<String> = [short(0), long].into_iter().chain((1..12).map(short)).collect();
        let state = Tracestate::parse([all.join(",").as_bytes()]).unwrap();
        let kept = (0..8).map(short).collect::<Vec<_>>().join(",");
        assert_eq!(state.as_str(), kept);
        assert!(state.to_header([1; 8]).len() <= MAX_LEN);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(headers: Vec<Vec<u8>>) {
            let state = Tracestate::parse(headers.iter().map(Vec::as_slice));
            prop_assert!(state.is_none_or(|state| state.to_header([1; 8]).len() <= MAX_LEN));
        }

        #[test]
        fn what_is_sent_on_is_read_as_the_same(
            members in prop::collection::vec("[a-z][a-z0-9_*/-]{0,9}(@[a-z]{1,14})?=[ -+.-<>-~]{0,60}[!-+]", 0..32),
        ) {
            let state = Tracestate::parse([members.join(",").as_bytes()]).unwrap();
            let header = state.to_header([1; 8]);
            prop_assert!(header.len() <= MAX_LEN);
            prop_assert_eq!(Tracestate::parse([header.as_bytes()]), Some(state));
        }
    }
}
