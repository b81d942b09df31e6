//! What a stop record says of how its point ended.

use std::any::{Any, type_name};
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use osprofiler_wire::Info;

/// Bytes that a formatted argument, result or message takes at most; what is longer is cut.
pub(crate) const MAX_TEXT: usize = 16 * 1024;

/// The `etype` of a point that ended with a panic.
const PANIC: &str = "panic";

/// The stop info of a point that ended with an error.
pub(crate) fn error_info<E: fmt::Display + ?Sized>(error: &E) -> Info {
    failure(type_name::<E>(), &bounded(format_args!("{error}")))
}

/// The stop info of a point that ended with an error of which only the type is known.
pub(crate) fn failure(etype: &str, message: &str) -> Info {
    Info::new().with("etype", etype).with("message", message)
}

/// The stop info of a point that ended with a panic.
pub(crate) fn panic_info(message: &str) -> Info {
    failure(PANIC, &bounded(format_args!("{message}")))
}

/// What a panic said, as far as it is text.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default()
}

/// Formats traced data: cut at [`MAX_TEXT`], and harmless if its own formatting fails or panics.
pub(crate) fn bounded(text: fmt::Arguments<'_>) -> String {
    let mut out = Bounded(String::new());
    let outcome = catch_unwind(AssertUnwindSafe(|| out.write_fmt(text)));
    let mut text = out.0;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(fmt::Error)) if text.len() >= MAX_TEXT => text.push('…'),
        Ok(Err(fmt::Error)) => text.push_str("<failed to format>"),
        Err(_) => text.push_str("<panicked while formatting>"),
    }
    text
}

/// Takes text up to a limit, and fails beyond it so that formatting ends there.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_TEXT.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        // A character that does not fit leaves up to three bytes: full is full.
        while self.0.len() < MAX_TEXT {
            self.0.push(' ');
        }
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Unshowable;

    impl fmt::Debug for Unshowable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no")
        }
    }

    struct Failing;

    impl fmt::Debug for Failing {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }

    #[test]
    fn traced_data_is_cut_and_cannot_hurt() {
        assert_eq!(bounded(format_args!("{:?}", (1, "x"))), r#"(1, "x")"#);
        assert_eq!(bounded(format_args!("{:?}", Unshowable)), "<panicked while formatting>");
        assert_eq!(bounded(format_args!("a {:?}", Failing)), "a <failed to format>");
        let long = bounded(format_args!("x{}", "密".repeat(MAX_TEXT)));
        assert!(long.ends_with('…') && long.len() <= MAX_TEXT + 3, "{}", long.len());
    }
}
