//! B3: where in a trace Zipkin's services say they are, in one header or in several.
//!
//! The format is <https://github.com/openzipkin/b3-propagation>; how it goes with ours is in
//! `docs/headers.md`.
//!
//! ```
//! use osprofiler_wire::b3;
//!
//! let text = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1";
//! let parent = b3::parse(text.as_bytes()).unwrap();
//! assert!(parent.sampled);
//! assert_eq!(b3::to_header(&parent), text);
//!
//! let headers = b3::to_headers(&parent);
//! let get = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
//! assert_eq!(b3::parse_multi(|name| get(name).map(String::as_bytes)), Some(parent));
//! ```

use crate::hex::digits;
use crate::w3c::Traceparent;

/// Name of the header that says everything.
pub const B3_HEADER: &str = "b3";
/// Names of the headers that say it in parts, in lower case as gRPC wants them.
pub const TRACE_ID_HEADER: &str = "x-b3-traceid";
/// The sender's span.
pub const SPAN_ID_HEADER: &str = "x-b3-spanid";
/// The span around the sender's.
pub const PARENT_SPAN_ID_HEADER: &str = "x-b3-parentspanid";
/// Whether the sender records: `1` or `0`.
pub const SAMPLED_HEADER: &str = "x-b3-sampled";
/// `1` if the sender debugs, and therefore records.
pub const FLAGS_HEADER: &str = "x-b3-flags";

/// Reads the value of the header `b3`: `{trace}-{span}-{state}-{parent}`, of which the last two may be
/// left out.
///
/// `None` unless it is valid; also if it is a decision and no place (`0`). A sender that debugs (`d`)
/// records, one that leaves the decision to others does not. A trace id of 64 bits has zeros before it;
/// the parent is of use only to whoever shares the sender's span, and is not kept. Does not allocate.
#[must_use]
pub fn parse(value: &[u8]) -> Option<Traceparent> {
    let mut fields = value.trim_ascii().split(|byte| *byte == b'-');
    let (trace, span) = (fields.next()?, fields.next()?);
    let (state, parent) = match [fields.next(), fields.next(), fields.next()] {
        [Some(state @ [_]), parent, None] => (Some(state), parent),
        [parent, None, None] => (None, parent),
        _ => return None,
    };
    let sampled = match state {
        Some(b"d") => true,
        state => is_accepted(state)?,
    };
    place(trace, span, parent, sampled)
}

/// Reads the headers `x-b3-...`, which `get` gives by their names in lower case.
///
/// The same as [`parse`]: `x-b3-flags: 1` stands for a sender that debugs, anything else there for
/// nothing.
#[must_use]
pub fn parse_multi<'a>(get: impl Fn(&'static str) -> Option<&'a [u8]>) -> Option<Traceparent> {
    let get = |name| get(name).map(<[u8]>::trim_ascii);
    let (trace, span) = (get(TRACE_ID_HEADER)?, get(SPAN_ID_HEADER)?);
    let accepted = is_accepted(get(SAMPLED_HEADER))?;
    let debugs = get(FLAGS_HEADER) == Some(b"1");
    place(trace, span, get(PARENT_SPAN_ID_HEADER), accepted || debugs)
}

/// The value of the header `b3`. It names no parent: a callee makes a span of its own.
#[must_use]
pub fn to_header(parent: &Traceparent) -> String {
    let [(_, trace), (_, span), (_, sampled)] = to_headers(parent);
    [trace, span, sampled].join("-")
}

/// The headers `x-b3-...`, names and values.
#[must_use]
pub fn to_headers(parent: &Traceparent) -> [(&'static str, String); 3] {
    [
        (TRACE_ID_HEADER, parent.trace_id_text()),
        (SPAN_ID_HEADER, parent.span_id_text()),
        (SAMPLED_HEADER, u8::from(parent.sampled).to_string()),
    ]
}

/// What a sender has decided; who left it to others has accepted nothing. `None` if it makes no sense.
fn is_accepted(state: Option<&[u8]>) -> Option<bool> {
    match state {
        Some(b"1") => Some(true),
        Some(b"0") | None => Some(false),
        Some(_) => None,
    }
}

fn place(trace: &[u8], span: &[u8], parent: Option<&[u8]>, sampled: bool) -> Option<Traceparent> {
    let long = digits(trace).map(u128::from_be_bytes);
    let bits = long.or_else(|| digits(trace).map(u64::from_be_bytes).map(u128::from))?;
    let place = Traceparent { trace_id: bits.to_be_bytes(), span_id: digits(span)?, sampled };
    let parent_makes_sense = parent.is_none_or(|parent| digits::<8>(parent).is_some());
    (parent_makes_sense && place.is_somewhere()).then_some(place)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
    const SPAN: &str = "e457b5a2e4d86bd1";
    const PARENT: &str = "05e3ac9a4f6e3b90";

    fn one(text: &str) -> Option<Traceparent> {
        parse(text.as_bytes())
    }

    fn many(headers: &[(&'static str, &str)]) -> Option<Traceparent> {
        let headers: HashMap<_, _> = headers.iter().copied().collect();
        parse_multi(|name| headers.get(name).map(|value| value.as_bytes()))
    }

    #[test]
    fn all_states_of_the_specification_are_read() {
        for (rest, sampled) in [
            ("", false),
            ("-0", false),
            ("-1", true),
            ("-d", true),
            ("-0-05e3ac9a4f6e3b90", false),
            ("-1-05e3ac9a4f6e3b90", true),
            ("-d-05e3ac9a4f6e3b90", true),
            // Each of the last two may be left out.
            ("-05e3ac9a4f6e3b90", false),
        ] {
            let parent =
                one(&format!(" {TRACE}-{SPAN}{rest}\t")).unwrap_or_else(|| panic!("{rest}"));
            assert_eq!(parent.sampled, sampled, "{rest}");
            assert_eq!((&*parent.trace_id_text(), &*parent.span_id_text()), (TRACE, SPAN));
        }
    }

    #[test]
    fn all_states_are_read_from_several_headers_too() {
        let place = [(TRACE_ID_HEADER, TRACE), (SPAN_ID_HEADER, SPAN)];
        for (more, sampled) in [
            (&[][..], false),
            (&[(SAMPLED_HEADER, "0")], false),
            (&[(SAMPLED_HEADER, "1")], true),
            (&[(SAMPLED_HEADER, " 1 "), (PARENT_SPAN_ID_HEADER, PARENT)], true),
            (&[(FLAGS_HEADER, "1")], true),
            // To debug is to record, whatever else is said, and there are no other flags.
            (&[(FLAGS_HEADER, "1"), (SAMPLED_HEADER, "0")], true),
            (&[(FLAGS_HEADER, "0")], false),
            (&[(FLAGS_HEADER, "3"), (SAMPLED_HEADER, "1")], true),
        ] {
            let parent = many(&[&place, more].concat()).unwrap_or_else(|| panic!("{more:?}"));
            assert_eq!(parent.sampled, sampled, "{more:?}");
            assert_eq!((&*parent.trace_id_text(), &*parent.span_id_text()), (TRACE, SPAN));
        }
    }

    #[test]
    fn a_trace_id_of_64_bits_has_zeros_before_it() {
        let long = "000000000000000064fe8b2a57d3eff7";
        let parent = one(&format!("64fe8b2a57d3eff7-{SPAN}-1")).unwrap();
        assert_eq!(parent.trace_id_text(), long);
        assert_eq!(one(&format!("{long}-{SPAN}-1")), Some(parent));
        let headers = [(TRACE_ID_HEADER, "64fe8b2a57d3eff7"), (SPAN_ID_HEADER, SPAN)];
        assert_eq!(many(&headers).unwrap().trace_id, parent.trace_id);
    }

    #[test]
    fn a_decision_without_a_place_is_none() {
        for state in ["", "0", "1", "d"] {
            assert_eq!(one(state), None, "{state}");
        }
        assert_eq!(many(&[(SAMPLED_HEADER, "0")]), None);
        assert_eq!(many(&[(FLAGS_HEADER, "1")]), None);
    }

    #[test]
    fn what_the_specification_does_not_know_is_refused() {
        for text in [
            "-".to_owned(),
            TRACE.to_owned(),
            format!("{TRACE}-"),
            format!("{TRACE}-{SPAN}-"),
            format!("{TRACE}-{SPAN}--{PARENT}"),
            format!("{TRACE}-{SPAN}-1-"),
            format!("{TRACE}-{SPAN}-1-{PARENT}-"),
            format!("{TRACE}-{SPAN}-1-{PARENT}-1"),
            format!("{TRACE}-{SPAN}-{PARENT}-1"),
            // The trace.
            format!("{}-{SPAN}-1", &TRACE[1..]),
            format!("{}-{SPAN}-1", &TRACE[8..]),
            format!("{TRACE}0-{SPAN}-1"),
            format!("{}-{SPAN}-1", TRACE.to_uppercase()),
            format!("{}-{SPAN}-1", "0".repeat(32)),
            format!("{}-{SPAN}-1", "0".repeat(16)),
            format!(".{}-{SPAN}-1", &TRACE[1..]),
            // The span, and the one around it.
            format!("{TRACE}-{}-1", &SPAN[1..]),
            format!("{TRACE}-{SPAN}0-1"),
            format!("{TRACE}-{}-1", SPAN.to_uppercase()),
            format!("{TRACE}-0000000000000000-1"),
            format!("{TRACE}-{SPAN}-1-{}", &PARENT[1..]),
            format!("{TRACE}-{SPAN}-1-{}", PARENT.to_uppercase()),
            // The state.
            format!("{TRACE}-{SPAN}-2"),
            format!("{TRACE}-{SPAN}-D"),
            format!("{TRACE}-{SPAN}-01"),
            format!("{TRACE}-{SPAN}-true"),
            format!("{TRACE}-{SPAN}- 1"),
        ] {
            assert_eq!(one(&text), None, "{text}");
        }
    }

    #[test]
    fn nonsense_in_one_of_several_headers_is_refused() {
        let whole = [(TRACE_ID_HEADER, TRACE), (SPAN_ID_HEADER, SPAN)];
        assert!(many(&whole).is_some());
        for (name, value) in [
            (TRACE_ID_HEADER, ""),
            (TRACE_ID_HEADER, "00000000000000000000000000000000"),
            (SPAN_ID_HEADER, "E457B5A2E4D86BD1"),
            (PARENT_SPAN_ID_HEADER, "5e3ac9a4f6e3b90"),
            (SAMPLED_HEADER, "d"),
            (SAMPLED_HEADER, "true"),
            (SAMPLED_HEADER, ""),
        ] {
            assert_eq!(many(&[&whole[..], &[(name, value)]].concat()), None, "{name}: {value}");
        }
        assert!(many(&whole[..1]).is_none() && many(&whole[1..]).is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) {
            let parent = Traceparent { trace_id, span_id, sampled };
            let expected = parent.is_somewhere().then_some(parent);
            prop_assert_eq!(one(&to_header(&parent)), expected);
            let headers = to_headers(&parent);
            prop_assert_eq!(many(&headers.each_ref().map(|(name, value)| (*name, &**value))), expected);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            prop_assert_eq!(parse(&bytes), None);
            prop_assert_eq!(parse_multi(|_| Some(&bytes)), None);
        }

        #[test]
        fn what_nearly_is_one_is_read_or_refused(
            text in "[0-9a-f]{15,17}([0-9a-f]{15,17})?-[0-9a-f]{15,17}(-[01d2])?(-[0-9a-f]{15,17})?",
        ) {
            let fields: Vec<_> = text.split('-').collect();
            let is_span = |field: &str| field.len() == 16;
            let is_set = |field: &str| field.contains(|digit| digit != '0');
            let known = [16, 32].contains(&fields[0].len())
                && is_span(fields[1])
                && is_set(fields[0])
                && is_set(fields[1])
                && fields[2..].iter().all(|field| is_span(field) || ["0", "1", "d"].contains(field));
            prop_assert_eq!(one(&text).is_some(), known);
        }
    }
}
