//! The arguments of a function, by the names that its patterns bind.

use std::iter;

use syn::ext::IdentExt;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Error, FieldPat, FnArg, Ident, Member, Pat, PatIdent, PatType, Result, Signature,
};

use crate::options::Options;

/// Parts of a name that say that what it names is not to be seen by others. `#[trace]`'s
/// documentation lists them.
const SECRET: [&str; 22] = [
    "access_key",
    "api_key",
    "apikey",
    "authorization",
    "bearer",
    "connection_string",
    "cookie",
    "credential",
    "database_url",
    "dsn",
    "encryption_key",
    "hmac_key",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "pwd",
    "secret",
    "signing_key",
    "token",
    "transport_url",
];

/// A name with a value to record.
pub(crate) struct Argument {
    /// Conditions under which the argument is there.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) name: Ident,
    /// Names that a pattern gives to parts of the value.
    parts: Vec<Ident>,
    /// The names that say secret, of the value, of its parts, and of the fields it comes from.
    secrets: Vec<Ident>,
}

impl Argument {
    /// The whole of an argument under a name; nothing if its pattern has no name for any of it.
    pub(crate) fn whole(input: &PatType, name: Ident) -> Option<Self> {
        let Names { arguments, secrets, .. } = Names::of(input);
        let parts: Vec<Ident> = arguments.into_iter().map(|argument| argument.name).collect();
        let is_named = !parts.is_empty();
        is_named.then(|| Self { cfgs: cfgs(&input.attrs), name, parts, secrets })
    }

    pub(crate) fn is_skipped(&self, options: &Options) -> bool {
        self.names().any(|name| options.skip.contains(name))
    }

    pub(crate) fn is_masked(&self, options: &Options) -> bool {
        let is_shown = |name| options.show.contains(name);
        !is_shown(&self.name) && !self.secrets.iter().all(is_shown)
    }

    fn names(&self) -> impl Iterator<Item = &Ident> {
        iter::once(&self.name).chain(&self.parts)
    }
}

/// All that can be recorded: not `self`, and not what no name is bound to.
pub(crate) fn arguments(sig: &Signature) -> Vec<Argument> {
    let inputs = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => Some(input),
        FnArg::Receiver(_) => None,
    });
    inputs.flat_map(|input| Names::of(input).arguments).collect()
}

pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    let is_cfg = |attr: &&Attribute| attr.path().is_ident("cfg");
    attrs.iter().filter(is_cfg).cloned().collect()
}

/// What the names in a pattern tell.
struct Names {
    cfgs: Vec<Attribute>,
    arguments: Vec<Argument>,
    /// All names that say secret, also of fields that are not bound.
    secrets: Vec<Ident>,
    /// The fields around what is visited whose names say secret.
    around: Vec<Ident>,
}

impl Names {
    fn of(input: &PatType) -> Self {
        let mut names =
            Self { cfgs: cfgs(&input.attrs), arguments: vec![], secrets: vec![], around: vec![] };
        names.visit_pat_mut(&mut Pat::clone(&input.pat));
        names
    }
}

impl VisitMut for Names {
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        let (first_part, first_secret) = (self.arguments.len(), self.secrets.len());
        if says_secret(&pat.ident) {
            self.secrets.push(pat.ident.clone());
        }
        visit_mut::visit_pat_ident_mut(self, pat);
        let parts = self.arguments[first_part..].iter().map(|part| part.name.clone()).collect();
        let secrets = [&self.around, &self.secrets[first_secret..]].concat();
        let name = pat.ident.clone();
        let argument = Argument { cfgs: self.cfgs.clone(), name, parts, secrets };
        self.arguments.insert(first_part, argument);
    }

    fn visit_field_pat_mut(&mut self, pat: &mut FieldPat) {
        let secret = match &pat.member {
            Member::Named(name) if says_secret(name) => Some(name.clone()),
            _ => None,
        };
        self.secrets.extend(secret.clone());
        let depth = self.around.len();
        self.around.extend(secret);
        visit_mut::visit_field_pat_mut(self, pat);
        self.around.truncate(depth);
    }
}

fn says_secret(name: &Ident) -> bool {
    let name = name.unraw().to_string().to_lowercase();
    // A macro made such a name, in place of a pattern that can no longer be seen.
    name.starts_with("__") || SECRET.iter().any(|secret| name.contains(secret))
}

/// Checks that whatever `skip` and `show` name is among the arguments.
pub(crate) fn check_names(options: &Options, arguments: &[Argument]) -> Result<()> {
    let mut known: Vec<&Ident> = Vec::new();
    for name in arguments.iter().flat_map(Argument::names) {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let named = options.skip.iter().chain(&options.show);
    named
        .filter(|name| !known.contains(name))
        .map(|name| Error::new(name.span(), no_argument(name, &known)))
        .reduce(|mut all, error| {
            all.combine(error);
            all
        })
        .map_or(Ok(()), Err)
}

fn no_argument(name: &Ident, known: &[&Ident]) -> String {
    if name == "self" {
        return "`self` is never recorded, expected the name of an argument".to_owned();
    }
    if known.is_empty() {
        return format!("there is no argument `{name}`, nor any other");
    }
    let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    let known = known.join(", ");
    format!("there is no argument `{name}`, expected one of {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_list_the_words_that_say_secret() {
        let docs = include_str!("lib.rs");
        let listed = docs.split_once("names that contain").unwrap().1.split_once('.').unwrap().0;
        let listed: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
        assert_eq!(listed, SECRET);
    }
}
