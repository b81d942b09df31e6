//! `#[trace_impl]` on a trait: an implementation for `TracedImpl<T>` that calls that of `T`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Generics, ImplItemFn, ItemTrait, Pat,
    PathArguments, Receiver, ReceiverKind, Result, ReturnType, Safety, Signature, TraitItem,
    TraitItemConst, TraitItemFn, TraitItemType, Type, TypeParamBound, WherePredicate, parse_quote,
};

use crate::arguments::{Argument, cfgs, check_names};
use crate::block::{Failed, is_skip, is_trace};
use crate::function::{Body, add_point, type_place};
use crate::options::BlockOptions;

/// Adds to a trait its implementation for the wrapper.
pub(crate) fn expand(options: &BlockOptions, mut item: ItemTrait) -> Result<TokenStream> {
    options.check_private(Some("a trait"))?;
    let implementation = implementation(options, &item)?;
    for member in &mut item.items {
        if let TraitItem::Fn(method) = member {
            method.attrs.retain(|attr| !is_skip(attr));
        }
    }
    Ok(quote!(#item #implementation))
}

fn implementation(options: &BlockOptions, item: &ItemTrait) -> Result<TokenStream> {
    if let Some(unsafety) = item.unsafety {
        return Err(Error::new(
            unsafety.span,
            "an `unsafe` trait cannot be delegated: the wrapper cannot promise what it asks for",
        ));
    }
    let delegate = Delegate::new(options, item);
    let mut failed = Failed::default();
    let mut members = TokenStream::new();
    let mut traced = Vec::new();
    for member in &item.items {
        match delegate.member(member, &mut traced) {
            Ok(tokens) => members.extend(tokens),
            Err(error) => failed.note(Err(error)),
        }
    }
    failed.note(check_names(&options.options, &traced));

    let Delegate { inner, path, .. } = &delegate;
    let (generics, predicates) = delegate.generics(&item.generics);
    let attrs = item.attrs.iter().filter(|attr| goes_along(attr));
    failed.or(quote! {
        #(#attrs)*
        #[automatically_derived]
        #[allow(deprecated)]
        impl<#(#generics,)* #inner> #path for ::osprofiler::TracedImpl<#inner>
        where
            #inner: #path,
            #(#predicates,)*
        {
            #members
        }
    })
}

/// Whether what holds of the trait holds of its implementation: a condition, or `async_trait`,
/// which is to rewrite both.
fn goes_along(attr: &Attribute) -> bool {
    let last = attr.path().segments.last();
    last.is_some_and(|last| last.ident == "cfg" || last.ident == "async_trait")
}

struct Delegate<'a> {
    options: &'a BlockOptions,
    /// The type that is wrapped.
    inner: Ident,
    /// The trait with its parameters, `Store<K>`.
    path: TokenStream,
}

impl<'a> Delegate<'a> {
    fn new(options: &'a BlockOptions, item: &ItemTrait) -> Self {
        let name = &item.ident;
        let (_, parameters, _) = item.generics.split_for_impl();
        Self {
            options,
            inner: Ident::new("__OsprofilerInner", Span::mixed_site()),
            path: quote!(#name #parameters),
        }
    }

    /// The trait's parameters, without defaults, and its `where` clause, for the wrapped type.
    fn generics(&self, generics: &Generics) -> (Vec<TokenStream>, Vec<TokenStream>) {
        let without_default = |parameter: &GenericParam| {
            let mut parameter = parameter.clone();
            match &mut parameter {
                GenericParam::Type(parameter) => parameter.default = None,
                GenericParam::Const(parameter) => parameter.default = None,
                GenericParam::Lifetime(_) => {}
            }
            self.of_inner(parameter.to_token_stream())
        };
        let predicates = generics.where_clause.iter().flat_map(|it| &it.predicates);
        (
            generics.params.iter().map(without_default).collect(),
            predicates.map(|predicate| self.of_inner(predicate.to_token_stream())).collect(),
        )
    }

    /// Says of the wrapped type what the tokens say of `Self`.
    fn of_inner(&self, tokens: TokenStream) -> TokenStream {
        let replace = |token| match token {
            TokenTree::Ident(ident) if ident == "Self" => self.inner.clone().into(),
            TokenTree::Group(group) => {
                let stream = self.of_inner(group.stream());
                proc_macro2::Group::new(group.delimiter(), stream).into()
            }
            other => other,
        };
        tokens.into_iter().map(replace).collect()
    }

    fn member(&self, member: &TraitItem, traced: &mut Vec<Argument>) -> Result<TokenStream> {
        match member {
            TraitItem::Fn(method) => self.method(method, traced),
            TraitItem::Type(ty) => self.associated_type(ty),
            TraitItem::Const(constant) => self.constant(constant),
            other => Err(Error::new_spanned(
                other,
                "what this makes cannot be seen, so it cannot be delegated; expected a method, a \
                 type or a constant",
            )),
        }
    }

    fn constant(&self, constant: &TraitItemConst) -> Result<TokenStream> {
        no_self(constant.ty.to_token_stream())?;
        let Self { inner, path, .. } = self;
        let TraitItemConst { ident, ty, .. } = constant;
        let cfgs = cfgs(&constant.attrs);
        Ok(quote! {
            #(#cfgs)*
            const #ident: #ty = <#inner as #path>::#ident;
        })
    }

    fn associated_type(&self, ty: &TraitItemType) -> Result<TokenStream> {
        no_self(ty.bounds.to_token_stream())?;
        let Self { inner, path, .. } = self;
        let cfgs = cfgs(&ty.attrs);
        let ident = &ty.ident;
        let (parameters, arguments, predicates) = ty.generics.split_for_impl();
        Ok(quote! {
            #(#cfgs)*
            type #ident #parameters = <#inner as #path>::#ident #arguments #predicates;
        })
    }

    fn method(&self, method: &TraitItemFn, traced: &mut Vec<Argument>) -> Result<TokenStream> {
        check_signature(&method.sig)?;
        let mut sig = method.sig.clone();
        let (passed, arguments) = name_arguments(&mut sig);
        let call = self.call(&sig, &passed);
        let inner = self.inner.clone();
        let (mut body, block) = self.body(&sig, &call);
        let mut function = ImplItemFn {
            attrs: cfgs(&method.attrs),
            vis: syn::Visibility::Inherited,
            modifiers: method.modifiers.clone(),
            sig,
            block: parse_quote!(#block),
        };
        if self.selects(method)? {
            let place = type_place(&parse_quote!(#inner));
            add_point(&mut function, &mut body, &self.options.options, &arguments, &place);
            traced.extend(arguments);
        }
        Ok(function.into_token_stream())
    }

    fn selects(&self, method: &TraitItemFn) -> Result<bool> {
        for attr in method.attrs.iter().filter(|attr| is_trace(attr)) {
            if is_skip(attr) {
                return Ok(false);
            }
            self.options.check_single(attr)?;
        }
        Ok(self.options.selects(&method.sig, &parse_quote!(Self), true))
    }

    /// The call of the wrapped type's method.
    fn call(&self, sig: &Signature, arguments: &[TokenStream]) -> TokenStream {
        let Self { inner, path, .. } = self;
        let receiver = match sig.inputs.first() {
            Some(FnArg::Receiver(receiver)) => {
                let self_token = receiver.self_token;
                Some(quote!(::osprofiler::__private::inner(#self_token)))
            }
            _ => None,
        };
        let name = &sig.ident;
        let parameters = turbofish(&sig.generics);
        let arguments = receiver.iter().chain(arguments);
        let call = quote!(<#inner as #path>::#name #parameters (#(#arguments),*));
        match sig.safety {
            // The caller upholds for the wrapper what the wrapped type asks for.
            Safety::Unsafe(_) => quote!(unsafe { #call }),
            _ => call,
        }
    }

    fn body(&self, sig: &Signature, call: &TokenStream) -> (Body, TokenStream) {
        let returned = Returned::of(sig);
        if sig.asyncness.is_some() {
            let result = returned.wrap(quote!(#call.await));
            return (Body::Async, quote!({ #result }));
        }
        match returned {
            Returned::Future => (Body::Future(0), quote!({ #call })),
            Returned::BoxedFuture => {
                (Body::Future(0), quote!({ ::osprofiler::__private::Box::pin(#call) }))
            }
            _ => {
                let result = returned.wrap(call.clone());
                (Body::Sync, quote!({ #result }))
            }
        }
    }
}

/// What a method returns, as far as delegation has to know.
#[derive(Clone, Copy)]
enum Returned {
    Value,
    /// `Self`, to be wrapped again.
    Itself,
    /// `Result<Self, _>` or `Option<Self>`.
    MaybeItself,
    /// `impl Future`.
    Future,
    /// `Pin<Box<dyn Future>>`.
    BoxedFuture,
}

impl Returned {
    fn of(sig: &Signature) -> Self {
        match &sig.output {
            ReturnType::Default => Self::Value,
            ReturnType::Type(_, ty) => Self::of_type(ty),
        }
    }

    fn of_type(ty: &Type) -> Self {
        match ty {
            Type::ImplTrait(ty) if ty.bounds.iter().any(is_future) => Self::Future,
            _ => match name_and_argument(ty) {
                Some((name, None)) if name == "Self" => Self::Itself,
                Some((name, Some(ty))) if name == "Result" || name == "Option" => {
                    match Self::of_type(ty) {
                        Self::Itself => Self::MaybeItself,
                        _ => Self::Value,
                    }
                }
                Some((name, Some(ty))) if name == "Pin" && is_boxed_future(ty) => Self::BoxedFuture,
                Some((name, _)) if name == "BoxFuture" || name == "LocalBoxFuture" => {
                    Self::BoxedFuture
                }
                _ => Self::Value,
            },
        }
    }

    fn wrap(self, call: TokenStream) -> TokenStream {
        match self {
            Self::Itself => quote!(::osprofiler::TracedImpl::new(#call)),
            Self::MaybeItself => quote!(#call.map(::osprofiler::TracedImpl::new)),
            _ => call,
        }
    }
}

fn is_boxed_future(ty: &Type) -> bool {
    let Some((name, Some(Type::TraitObject(object)))) = name_and_argument(ty) else {
        return false;
    };
    name == "Box" && object.bounds.iter().any(is_future)
}

fn is_future(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else {
        return false;
    };
    let last = bound.path.segments.last();
    last.is_some_and(|last| last.ident == "Future")
}

/// The last name in a type's path and the first type among its arguments.
fn name_and_argument(ty: &Type) -> Option<(&Ident, Option<&Type>)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let argument = match &last.arguments {
        PathArguments::AngleBracketed(list) => {
            list.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
        }
        _ => None,
    };
    Some((&last.ident, argument))
}

/// Gives every argument a plain name; gives the names to pass on, and what there is to record.
fn name_arguments(sig: &mut Signature) -> (Vec<TokenStream>, Vec<Argument>) {
    let (mut passed, mut arguments) = (Vec::new(), Vec::new());
    for (position, input) in sig.inputs.iter_mut().enumerate() {
        match input {
            FnArg::Receiver(receiver) => receiver.mutability = None,
            FnArg::Typed(input) => {
                let name = match &*input.pat {
                    Pat::Ident(pat) => pat.ident.clone(),
                    _ => format_ident!("arg{position}"),
                };
                arguments.extend(Argument::whole(input, name.clone()));
                let cfgs = cfgs(&input.attrs);
                *input.pat = parse_quote!(#name);
                passed.push(quote!(#(#cfgs)* #name));
            }
        }
    }
    (passed, arguments)
}

/// A method's own parameters, named where inference may not find them.
fn turbofish(generics: &Generics) -> TokenStream {
    let names = generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    });
    let names: Vec<&Ident> = names.collect();
    if names.is_empty() {
        return TokenStream::new();
    }
    quote!(::<#(#names),*>)
}

/// Fails if the signature speaks of `Self` where the wrapper cannot stand for what it wraps.
fn check_signature(sig: &Signature) -> Result<()> {
    for input in &sig.inputs {
        match input {
            FnArg::Receiver(receiver) => check_receiver(receiver)?,
            FnArg::Typed(input) => no_self(input.ty.to_token_stream())?,
        }
    }
    no_self(sig.generics.params.to_token_stream())?;
    let predicates = sig.generics.where_clause.iter();
    for predicate in predicates.flat_map(|clause| &clause.predicates) {
        check_predicate(predicate)?;
    }
    match Returned::of(sig) {
        Returned::Itself | Returned::MaybeItself => Ok(()),
        _ => no_self(sig.output.to_token_stream()),
    }
}

fn check_receiver(receiver: &Receiver) -> Result<()> {
    let ReceiverKind::Typed(_, ty) = &receiver.kind else {
        return Ok(());
    };
    let shared = match name_and_argument(ty) {
        Some((name, _)) => name == "Rc" || name == "Arc",
        None => false,
    };
    if !shared {
        return Ok(());
    }
    Err(Error::new_spanned(
        ty,
        "what is shared cannot be taken out of its wrapper, so this cannot be delegated; expected \
         `self`, `&self`, `&mut self`, or `Self` in a `Box` or a `Pin`",
    ))
}

fn check_predicate(predicate: &WherePredicate) -> Result<()> {
    match predicate {
        WherePredicate::Type(predicate) if is_itself(&predicate.bounded_ty) => {
            predicate.bounds.iter().try_for_each(check_bound_on_self)
        }
        predicate => no_self(predicate.to_token_stream()),
    }
}

/// Bounds on `Self` that a method may have: if the trait asks for them too, they hold of what is
/// wrapped.
fn check_bound_on_self(bound: &TypeParamBound) -> Result<()> {
    let TypeParamBound::Trait(bound) = bound else {
        return Ok(());
    };
    let last = bound.path.segments.last();
    if last.is_some_and(|last| INHERENT.iter().any(|name| last.ident == name)) {
        return Ok(());
    }
    Err(Error::new_spanned(
        bound,
        "this holds of the wrapper, but need not hold of what it wraps, so the method cannot be \
         delegated; expected no bound on `Self`, or make it a supertrait",
    ))
}

const INHERENT: [&str; 4] = ["Sized", "Send", "Sync", "Unpin"];

fn is_itself(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("Self"))
}

/// Fails at a `Self` that is a type of its own; `Self::Item` is the same for both.
fn no_self(tokens: TokenStream) -> Result<()> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => no_self(group.stream())?,
            TokenTree::Ident(ident) if ident == "Self" && !tokens.peek().is_some_and(projects) => {
                return Err(Error::new(
                    ident.span(),
                    "this `Self` cannot be delegated, because the wrapper is another type than \
                     what it wraps; expected `Self` only as the receiver, as the result, or in a \
                     result that is `Result<Self, _>` or `Option<Self>`",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a token after `Self` makes it `Self::Item` or `<Self as Trait>::Item`.
fn projects(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(punct) => punct.as_char() == ':',
        TokenTree::Ident(ident) => ident == "as",
        _ => false,
    }
}
