//! The secret that a browser or a program shows to be let in.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use subtle::ConstantTimeEq;

/// A secret that lets in whoever shows it. It is hidden from `Debug`.
///
/// ```
/// use osprofiler_collector::Token;
///
/// let token: Token = "correct-horse-battery".parse()?;
/// assert!(token.is("correct-horse-battery") && !token.is("correct"));
/// assert!("short".parse::<Token>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone)]
pub struct Token(String);

/// Fewer could be guessed.
const MIN_LEN: usize = 12;

impl Token {
    /// Makes one of 128 random bits.
    ///
    /// # Errors
    ///
    /// If the system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        Ok(Self(text))
    }

    /// Whether it is this text, in a time that tells nothing about it but its length.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        if !is_plain || text.len() < MIN_LEN {
            return Err(format!(
                "expected at least {MIN_LEN} letters, digits, `-`, `.`, `_` or `~`, which fit into a URL as \
                 they are"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_alike_and_none_is_shown() {
        let token = Token::random().unwrap();
        assert!(!token.is(Token::random().unwrap().expose()));
        assert!(token.expose().parse::<Token>().unwrap().is(token.expose()));
        assert_eq!(format!("{token:?}"), "Token(***)");
    }

    #[test]
    fn what_would_not_survive_a_url_is_refused() {
        for text in ["", "elevenchars", "with space in it", "with&amp&amp&amp", "密密密密密密密密"]
        {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }
}
