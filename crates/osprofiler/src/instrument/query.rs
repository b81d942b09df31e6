//! The query of a URL, as it may be recorded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Parts of a parameter's name, without dashes and underscores, that say that its value is a secret.
const SECRET: [&str; 18] = [
    "accesskey",
    "apikey",
    "authorization",
    "bearer",
    "connectionstring",
    "credential",
    "encryptionkey",
    "hmackey",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "signature",
    "signingkey",
    "token",
];

/// Whole names that say the same: a code of OAuth, a session, and signatures of storage services.
const SECRET_NAMES: [&str; 9] =
    ["auth", "code", "key", "pass", "session", "sessionid", "sid", "sig", "tempurlsig"];

/// The query with `***` for the values of parameters whose names say secret.
pub(super) fn masked(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let pairs: Vec<String> = query.split('&').map(masked_pair).collect();
    Cow::Owned(pairs.join("&"))
}

fn masked_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if is_secret(pair) => format!("{name}=***"),
        _ => pair.to_owned(),
    }
}

fn is_secret(pair: &str) -> bool {
    let Some((name, _)) = pair.split_once('=') else { return false };
    // A server decodes the name as well.
    let mut name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    name.retain(|c| c != '-' && c != '_');
    SECRET_NAMES.contains(&name.as_str()) || SECRET.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_whose_names_say_secret_are_masked() {
        for (query, shown) in [
            ("", ""),
            ("limit=1&all", "limit=1&all"),
            ("author=x&keyword=y&passenger=z&design=w", "author=x&keyword=y&passenger=z&design=w"),
            ("a=1&token=hush&b=2", "a=1&token=***&b=2"),
            ("API-Key=hush=hush", "API-Key=***"),
            ("my%5Fp%61ssword=hush", "my%5Fp%61ssword=***"),
            (
                "x-amz-signature=hush&X-Amz-Credential=hush",
                "x-amz-signature=***&X-Amz-Credential=***",
            ),
            ("temp_url_sig=hush&temp_url_expires=1", "temp_url_sig=***&temp_url_expires=1"),
            ("token", "token"),
            ("key=", "key=***"),
        ] {
            assert_eq!(masked(query), shown);
        }
    }
}
