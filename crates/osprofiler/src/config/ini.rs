//! INI files as oslo.config reads them.

/// The options of a section, in order.
///
/// A line that starts with a space continues the value before it, one that starts with `#` or `;`
/// is a comment; a key ends at the first `=` or `:`. What is neither is passed over: the file is the
/// service's, and others check it.
pub(super) fn section(text: &str, name: &str) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    let mut wanted = false;
    // Whether the line before was an option, so that this one may continue it.
    let mut open = false;
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            open &= !content.is_empty();
        } else if let (true, Some((_, value))) =
            (open && line.starts_with([' ', '\t']), options.last_mut())
        {
            value.push_str(content);
        } else if let Some(section) = content.strip_prefix('[') {
            wanted = section.strip_suffix(']').is_some_and(|section| section.trim() == name);
            open = false;
        } else {
            open = wanted;
            match content.split_once(['=', ':']) {
                Some((key, value)) if wanted => {
                    options.push((key.trim().to_owned(), unquoted(value.trim()).to_owned()));
                }
                _ => open = false,
            }
        }
    }
    options
}

/// A value without the quotes around it, if they match.
fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_in_lines_that_start_with_a_space() {
        let text =
            "x = 0\n[a]\nx = 1,\n\t2,\n# no\n  3\ny: z=1\n\n  not of y\n[b]\nx = 4\n[ a ]\nw =\n";
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(section(text, "a"), [pair("x", "1,2,3"), pair("y", "z=1"), pair("w", "")]);
        assert_eq!(section(text, "b"), [pair("x", "4")]);
        assert_eq!(section("[a", "a"), []);
        let quoted = "[a]\nx = \"1, 2\"\ny = '3'\nz = \"4'\nw = \"\n";
        let expected = [pair("x", "1, 2"), pair("y", "3"), pair("z", "\"4'"), pair("w", "\"")];
        assert_eq!(section(quoted, "a"), expected);
    }
}
