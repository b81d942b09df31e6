//! What `#[trace_impl]` does to an `impl` block.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ImplItem, ImplItemFn, ItemImpl, PathArguments,
    PathSegment, Result, ReturnType, Signature, Type, Visibility, parse_quote,
};

use crate::arguments::{arguments, check_names};
use crate::function::{self, Body, add_point, type_place};
use crate::options::{BlockOptions, TraceOptions};

/// Expands `#[trace_impl]` on an `impl` block: adds a point to each method that is to have one.
pub(crate) fn expand(options: &BlockOptions, mut block: ItemImpl) -> Result<TokenStream> {
    let trait_ = block.trait_.as_ref().map(|(path, _)| path);
    options.check_private(trait_.map(|_| "a trait's implementation"))?;
    let public = trait_.is_some();
    let self_ty = block.self_ty.clone();
    let mut failed = Failed::default();
    let mut traced = Vec::new();
    for item in &mut block.items {
        let ImplItem::Fn(method) = item else { continue };
        let public = public || !matches!(method.vis, Visibility::Inherited);
        if options.selects(&method.sig, &self_ty, public) {
            failed.note(add_points(method, options));
            traced.extend(arguments(&method.sig));
        } else {
            method.attrs.retain(|attr| !is_skip(attr));
        }
    }
    failed.note(check_names(&options.options, &traced));
    failed.or(block.into_token_stream())
}

impl BlockOptions {
    /// Whether a method is one of those to trace, as far as its signature tells.
    pub(crate) fn selects(&self, sig: &Signature, self_ty: &Type, public: bool) -> bool {
        let by_kind = if matches!(sig.inputs.first(), Some(FnArg::Receiver(_))) {
            true
        } else if is_constructor(sig, self_ty) {
            self.trace_constructors
        } else {
            self.trace_associated
        };
        by_kind && sig.constness.is_none() && (public || self.trace_private.is_some())
    }

    /// Fails if `trace_private` is asked for where nothing is private.
    pub(crate) fn check_private(&self, subject: Option<&str>) -> Result<()> {
        match (&self.trace_private, subject) {
            (Some(option), Some(subject)) => Err(Error::new(
                option.span(),
                format!("no method of {subject} is private; remove `trace_private`"),
            )),
            _ => Ok(()),
        }
    }

    /// Fails if a method has a `#[trace]` of its own and must not.
    pub(crate) fn check_single(&self, attr: &Attribute) -> Result<()> {
        if !self.forbid_multiple_trace {
            return Ok(());
        }
        Err(Error::new_spanned(
            attr,
            "this method would make two points, and `allow_multiple_trace = false`; remove this \
             attribute, or write `#[trace(skip)]` if it is to have no point",
        ))
    }
}

/// Adds the points of the method's own attributes, and around them that of the block.
fn add_points(method: &mut ImplItemFn, options: &BlockOptions) -> Result<()> {
    let own: Vec<Attribute> = method.attrs.extract_if(.., |attr| is_trace(attr)).collect();
    let mut body = Body::of(method);
    for attr in &own {
        match TraceOptions::of(attr)? {
            TraceOptions::Skip => return Ok(()),
            TraceOptions::Trace(own) => {
                options.check_single(attr)?;
                function::trace(method, &mut body, &own)?;
            }
        }
    }
    let arguments = arguments(&method.sig);
    add_point(method, &mut body, &options.options, &arguments, &type_place(&parse_quote!(Self)));
    Ok(())
}

pub(crate) fn is_skip(attr: &Attribute) -> bool {
    is_trace(attr) && matches!(TraceOptions::of(attr), Ok(TraceOptions::Skip))
}

/// Whether an attribute is our `#[trace]`, as far as its path tells.
pub(crate) fn is_trace(attr: &Attribute) -> bool {
    let names: Vec<&Ident> = attr.path().segments.iter().map(|part| &part.ident).collect();
    match names[..] {
        [name] => name == "trace",
        [crate_name, name] => crate_name == "osprofiler" && name == "trace",
        _ => false,
    }
}

/// Whether a function without receiver returns what it belongs to, in a wrapper or not.
fn is_constructor(sig: &Signature, self_ty: &Type) -> bool {
    match &sig.output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => is_self(ty, self_ty),
    }
}

fn is_self(ty: &Type, self_ty: &Type) -> bool {
    let Some(last) = last_of(ty) else {
        return false;
    };
    if last.ident == "Self" || last_of(self_ty).is_some_and(|it| it.ident == last.ident) {
        return true;
    }
    match &last.arguments {
        PathArguments::AngleBracketed(list) => list
            .args
            .iter()
            .find_map(|arg| match arg {
                GenericArgument::Type(ty) => Some(is_self(ty, self_ty)),
                _ => None,
            })
            .unwrap_or(false),
        _ => false,
    }
}

fn last_of(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The errors of a block, so that all are reported at once.
#[derive(Default)]
pub(crate) struct Failed(Option<Error>);

impl Failed {
    pub(crate) fn note(&mut self, result: Result<()>) {
        let Err(error) = result else { return };
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) fn or(self, tokens: TokenStream) -> Result<TokenStream> {
        self.0.map_or(Ok(tokens), Err)
    }
}
