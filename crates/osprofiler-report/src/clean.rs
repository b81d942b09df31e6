//! Traced text is data: here it loses its power over the terminal or page that shows it.

/// Stands for a character that must not be shown as it is.
const INSTEAD: char = '\u{fffd}';

/// What to show in place of `c`: nothing that controls a terminal, turns the direction of what
/// follows, or hides.
pub(crate) fn harmless(c: char) -> char {
    match c {
        // The "control pictures" of Unicode, such as ␛.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(INSTEAD),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => INSTEAD,
        _ => c,
    }
}

/// Gives `text` on one line, with runs of space made one blank, and without what controls a
/// terminal, turns the direction of what follows, or hides.
///
/// ```
/// use osprofiler_report::clean::one_line;
/// assert_eq!(one_line("a\n  \u{1b}[2J"), "a \u{241b}[2J");
/// ```
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_ascii_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().map(harmless));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_controls_the_terminal() {
        assert_eq!(one_line("a\n\tb\r\n c "), "a b c");
        assert_eq!(
            one_line("\x1b[2J\u{7}\u{9b}1m\u{202e}x\u{7f}"),
            "\u{241b}[2J\u{2407}\u{fffd}1m\u{fffd}x\u{2421}"
        );
        let all: String = ('\0'..=char::MAX).collect();
        assert!(!one_line(&all).chars().any(char::is_control));
    }
}
