//! The arguments of a function, by the names that its patterns bind.

use syn::ext::IdentExt;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Error, FnArg, Ident, PatIdent, Result, Signature};

use crate::options::Options;

/// Parts of a name that say that what it names is not to be seen by others. `#[trace]`'s
/// documentation lists them.
const SECRET: [&str; 15] = [
    "access_key",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "encryption_key",
    "hmac_key",
    "passphrase",
    "passwd",
    "password",
    "private_key",
    "secret",
    "signing_key",
    "token",
];

/// A name bound by the pattern of an argument.
pub(crate) struct Argument {
    /// Conditions under which the argument is there.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) name: Ident,
}

impl Argument {
    pub(crate) fn is_secret(&self) -> bool {
        let name = self.name.unraw().to_string().to_lowercase();
        SECRET.iter().any(|secret| name.contains(secret))
    }
}

/// All arguments that can be recorded: not `self`, and not what no name is bound to.
pub(crate) fn arguments(sig: &Signature) -> Vec<Argument> {
    let mut arguments = Vec::new();
    for input in &sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let mut bound = Bound(Vec::new());
        bound.visit_pat_mut(&mut input.pat.clone());
        arguments
            .extend(bound.0.into_iter().map(|name| Argument { cfgs: cfgs(&input.attrs), name }));
    }
    arguments
}

pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    let is_cfg = |attr: &&Attribute| attr.path().is_ident("cfg");
    attrs.iter().filter(is_cfg).cloned().collect()
}

struct Bound(Vec<Ident>);

impl VisitMut for Bound {
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        self.0.push(pat.ident.clone());
        visit_mut::visit_pat_ident_mut(self, pat);
    }
}

/// Checks that whatever `skip` and `show` name is an argument of one of the functions.
pub(crate) fn check_names(options: &Options, functions: &[&Signature]) -> Result<()> {
    let known: Vec<Ident> =
        functions.iter().flat_map(|sig| arguments(sig)).map(|argument| argument.name).collect();
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

fn no_argument(name: &Ident, known: &[Ident]) -> String {
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
