//! The header `traceparent`.

use crate::TraceContext;
use crate::hex::{self, digits};

use super::ids;

/// Length of the header in version 00, which all later ones begin with.
const LEN: usize = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".len();
/// What is not valid as a version.
const NO_VERSION: u8 = 0xff;
/// The flag by which the sender says that it records.
const SAMPLED: u8 = 1;

/// Where in its trace the sender of a request is, as `traceparent` says it; [B3](crate::b3) says the
/// same in other words.
///
/// ```
/// use osprofiler_wire::w3c::Traceparent;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let parent = Traceparent::parse(text.as_bytes()).unwrap();
/// assert!(parent.sampled);
/// assert_eq!(parent.to_header(), text);
/// assert!(Traceparent::parse(b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    /// The trace; not zero.
    pub trace_id: [u8; 16],
    /// The sender's span; not zero. The header's own word for it is `parent-id`.
    pub span_id: [u8; 8],
    /// Whether the sender records the trace.
    pub sampled: bool,
}

impl Traceparent {
    /// The same place in OpenTelemetry's ids. Who has a trace context records.
    #[must_use]
    pub fn of(context: &TraceContext) -> Self {
        Self {
            trace_id: ids::trace_id(&context.base_id),
            span_id: ids::span_id(&context.parent_id),
            sampled: true,
        }
    }

    /// Reads the value of the header; `None` unless it is valid, also in a later version than 00.
    /// Does not allocate.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (fields, rest) = value.trim_ascii().split_first_chunk::<LEN>()?;
        let dashes = [fields[2], fields[35], fields[52]];
        let [version] = digits(&fields[..2])?;
        let [flags] = digits(&fields[53..])?;
        let parent = Self {
            trace_id: digits(&fields[3..35])?,
            span_id: digits(&fields[36..52])?,
            sampled: flags & SAMPLED != 0,
        };
        // A later version may go on after another dash.
        let ends = rest.is_empty() || version != 0 && rest[0] == b'-';
        let is_valid = dashes == [b'-'; 3] && version != NO_VERSION && ends;
        (is_valid && parent.is_somewhere()).then_some(parent)
    }

    /// Whether neither id is zero, which stands for none.
    #[must_use]
    pub fn is_somewhere(&self) -> bool {
        self.trace_id != [0; 16] && self.span_id != [0; 8]
    }

    /// The value of the header, in version 00.
    #[must_use]
    pub fn to_header(&self) -> String {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(hex::encode(&self.trace_id).as_flattened());
        text[36..52].copy_from_slice(hex::encode(&self.span_id).as_flattened());
        text[54] += u8::from(self.sampled);
        str::from_utf8(&text).expect("hexadecimal digits and dashes are ASCII").to_owned()
    }

    /// The trace's id as text: 32 hexadecimal digits in lower case.
    #[must_use]
    pub fn trace_id_text(&self) -> String {
        hex::text(&self.trace_id)
    }

    /// The span's id as text: 16 hexadecimal digits in lower case.
    #[must_use]
    pub fn span_id_text(&self) -> String {
        hex::text(&self.span_id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "12345678901234567890123456789012";
    const SPAN: &str = "1234567890123456";

    fn parse(text: &str) -> Option<Traceparent> {
        Traceparent::parse(text.as_bytes())
    }

    #[test]
    fn what_the_specification_calls_valid_is_read() {
        for (text, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), true),
            (format!("00-{TRACE}-{SPAN}-00"), false),
            // Flags that nobody knows yet.
            (format!("00-{TRACE}-{SPAN}-ff"), true),
            (format!("00-{TRACE}-{SPAN}-02"), false),
            // Later versions, with and without more to say.
            (format!("cc-{TRACE}-{SPAN}-01"), true),
            (format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), true),
            (format!("fe-{TRACE}-{SPAN}-01-"), true),
            (format!(" \t00-{TRACE}-{SPAN}-01\t "), true),
        ] {
            let parent = parse(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(parent.sampled, sampled, "{text}");
            assert_eq!((&*parent.trace_id_text(), &*parent.span_id_text()), (TRACE, SPAN));
        }
    }

    #[test]
    fn what_the_specification_calls_invalid_is_refused() {
        for text in [
            String::new(),
            "00".to_owned(),
            // The version.
            format!("ff-{TRACE}-{SPAN}-01"),
            format!(".0-{TRACE}-{SPAN}-01"),
            format!("0.-{TRACE}-{SPAN}-01"),
            format!("FE-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            // The trace.
            format!("00-00000000000000000000000000000000-{SPAN}-01"),
            format!("00-.2345678901234567890123456789012-{SPAN}-01"),
            format!("00-1234567890123456789012345678901.-{SPAN}-01"),
            format!("00-ABCDEF78901234567890123456789012-{SPAN}-01"),
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            // The span.
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-.234567890123456-01"),
            format!("00-{TRACE}-123456789012345.-01"),
            format!("00-{TRACE}-ABCDEF7890123456-01"),
            format!("00-{TRACE}-{SPAN}0-01"),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            // The flags.
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-.0"),
            format!("00-{TRACE}-{SPAN}-0."),
            format!("00-{TRACE}-{SPAN}-A0"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-1"),
            // More than there is to say.
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like"),
            // The dashes.
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}_{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}_01"),
            format!("00-{TRACE}- {SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }

    #[test]
    fn it_says_the_same_as_the_span_of_the_point() {
        let context = TraceContext {
            base_id: "7d28af6a-79ae-40f3-8a56-2a6e1c8f1e0c".into(),
            parent_id: "0e2fd56b-b2cd-4d5b-ba0a-5ac6fd6b8e1d".into(),
        };
        assert_eq!(
            Traceparent::of(&context).to_header(),
            "00-7d28af6a79ae40f38a562a6e1c8f1e0c-ba0a5ac6fd6b8e1d-01"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) {
            let parent = Traceparent { trace_id, span_id, sampled };
            let read = Traceparent::parse(parent.to_header().as_bytes());
            prop_assert_eq!(read, parent.is_somewhere().then_some(parent));
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            prop_assert_eq!(Traceparent::parse(&bytes), None);
        }

        #[test]
        fn what_nearly_is_one_is_read_or_refused(
            text in "(00|cc|ff|0G)-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-fA-F]{2}(-x)?",
        ) {
            let known = text.len() >= LEN
                && (&text[..2] == "cc" || &text[..2] == "00" && text.len() == LEN)
                && text.split('-').zip([2, 32, 16, 2]).all(|(field, len)| field.len() == len)
                && !text[53..55].contains(|digit: char| digit.is_ascii_uppercase())
                && text[3..35].contains(|digit| digit != '0')
                && text[36..52].contains(|digit| digit != '0');
            prop_assert_eq!(parse(&text).is_some(), known);
        }
    }
}
