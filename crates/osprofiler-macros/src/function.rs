//! A point around a function's body.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::token::Brace;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Block, Error, Expr, ExprCall, ExprPath, FnArg, Ident, ImplItemFn, Result,
    ReturnType, Signature, Stmt, Token, Type, Visibility, parse_quote,
};

use crate::arguments::{Argument, arguments, check_names};
use crate::options::{Options, TraceOptions};

/// Expands `#[trace]`.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let TraceOptions::Trace(options) = TraceOptions::parse(options)? else {
        return Ok(item);
    };
    let mut function = parse(item)?;
    let mut body = Body::of(&mut function);
    trace(&mut function, &mut body, &options)?;
    Ok(function.into_token_stream())
}

/// Adds the point that a function's own `#[trace]` asks for.
pub(crate) fn trace(function: &mut ImplItemFn, body: &mut Body, options: &Options) -> Result<()> {
    if let Some(constness) = function.sig.constness {
        return Err(Error::new(
            constness.span,
            "a `const fn` cannot be traced, expected a function that only runs at run time; \
             remove `const` or `#[trace]`",
        ));
    }
    let arguments = arguments(&function.sig);
    check_names(options, &arguments)?;
    let place = place_of(&function.sig);
    add_point(function, body, options, &arguments, &place);
    Ok(())
}

/// How a body runs, hence how a point is put around it.
pub(crate) enum Body {
    Sync,
    Async,
    /// A sync function whose last expression is a future, boxed or not, which does the work. It
    /// has so many points already.
    Future(usize),
}

impl Body {
    pub(crate) fn of(function: &mut ImplItemFn) -> Self {
        if function.sig.asyncness.is_some() {
            return Self::Async;
        }
        match future_of(&mut function.block) {
            Some(Expr::Async(_)) => Self::Future(0),
            _ => Self::Sync,
        }
    }
}

/// Puts a point around what the body is now. `place` is where the function is, as an expression.
pub(crate) fn add_point(
    function: &mut ImplItemFn,
    body: &mut Body,
    options: &Options,
    arguments: &[Argument],
    place: &TokenStream,
) {
    let name = options.name_or(&function.sig.ident);
    let info = start_info(&function.sig.ident, options, arguments, place);
    let output = output(&function.sig.output);
    let inspect = stop_info(&output, options);
    let block = &mut function.block;
    let traced = match body {
        Body::Sync => quote! {{
            ::osprofiler::__private::enter(#name, #info).run(move || -> #output #block, #inspect)
        }},
        Body::Async => {
            let block = async_block(&output, block);
            quote! {{
                ::osprofiler::__private::begin(#name, #info)
                    .of(async move #block, #inspect)
                    .await
            }}
        }
        Body::Future(points) => {
            let held = format_ident!("info{points}", span = Span::mixed_site());
            *points += 1;
            if let Some(future) = future_of(block) {
                *future = Expr::Verbatim(quote! {
                    ::osprofiler::__private::traced(#name, #held, #future, #inspect)
                });
            }
            let block = inner_block(block);
            quote! {{
                let #held = ::osprofiler::__private::start_info(#info);
                #block
            }}
        }
    };
    *block = parse_quote!(#traced);
}

/// A closure that makes the start info. It borrows the arguments, and is gone before they move.
fn start_info(
    name: &Ident,
    options: &Options,
    arguments: &[Argument],
    place: &TokenStream,
) -> TokenStream {
    let function = Ident::new("function", Span::mixed_site());
    let name = name.unraw().to_string();
    let more = options.info.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream);
    let args = if options.hide_args {
        TokenStream::new()
    } else {
        let args = arguments
            .iter()
            .filter(|arg| !arg.is_skipped(options))
            .map(|arg| show_argument(arg, options, &function));
        quote! {
            let #function = #function.args();
            #(#args)*
        }
    };
    quote! {
        || {
            let #function = ::osprofiler::__private::Function::new(#place, #name);
            #args
            #function.info(#more)
        }
    }
}

fn show_argument(arg: &Argument, options: &Options, function: &Ident) -> TokenStream {
    let Argument { cfgs, name, .. } = arg;
    let text = name.unraw().to_string();
    let allow = text.starts_with('_').then(|| quote!(#[allow(clippy::used_underscore_binding)]));
    let value = if arg.is_masked(options) {
        quote!("***")
    } else {
        let shown = show(&quote!(&#name));
        quote!(&#shown)
    };
    quote! {
        #(#cfgs)*
        #allow
        let #function = #function.arg(#text, #value);
    }
}

/// Whether a value can be shown is known only where its type is: by which trait has the method.
fn show(reference: &TokenStream) -> TokenStream {
    quote! {{
        use ::osprofiler::__private::show::*;
        (&::osprofiler::__private::Value(#reference)).osprofiler_show()
    }}
}

/// A closure that makes the stop info from a reference to what the function returns.
fn stop_info(returned: &Type, options: &Options) -> TokenStream {
    if matches!(returned, Type::Never(_)) {
        return quote!(|_| ::osprofiler::__private::Info::new());
    }
    let output = Ident::new("output", Span::mixed_site());
    let failure = quote! {{
        use ::osprofiler::__private::failure::*;
        (&&&&::osprofiler::__private::Output(#output)).osprofiler_failure()
    }};
    if !options.show_result {
        return quote!(|#output| #failure);
    }
    let shown = show(&output.to_token_stream());
    quote!(|#output| ::osprofiler::__private::with_result(#failure, || #shown))
}

/// The return type, with `_` for what cannot be written in a body.
fn output(output: &ReturnType) -> Type {
    struct EraseImpl;
    impl VisitMut for EraseImpl {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if matches!(ty, Type::ImplTrait(_)) {
                *ty = parse_quote!(_);
            }
            visit_mut::visit_type_mut(self, ty);
        }
    }
    match output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => {
            let mut ty = (**ty).clone();
            EraseImpl.visit_type_mut(&mut ty);
            ty
        }
    }
}

/// Tells an async block its type, for which there is no syntax.
fn async_block(output: &Type, block: &Block) -> TokenStream {
    match output {
        Type::Infer(_) | Type::Never(_) => block.to_token_stream(),
        _ => {
            let block = inner_block(block);
            quote! {{
                if false {
                    return ::osprofiler::__private::output::<#output>();
                }
                #block
            }}
        }
    }
}

/// The block with braces that count as ours: nobody is to be told that they are not needed.
fn inner_block(block: &Block) -> Block {
    let braces = block.brace_token.span.join();
    Block { brace_token: Brace(Span::call_site().located_at(braces)), stmts: block.stmts.clone() }
}

/// The last expression of a block: the future, if there is one. What is in `Box::pin(...)` is it.
fn future_of(block: &mut Block) -> Option<&mut Expr> {
    let Some(Stmt::Expr(last, None)) = block.stmts.last_mut() else {
        return None;
    };
    match (is_boxed(last), last) {
        (_, Expr::Block(inner)) => future_of(&mut inner.block),
        (true, Expr::Call(call)) => call.args.first_mut(),
        (_, last) => Some(last),
    }
}

/// Whether an expression is a call of `Box::pin`.
fn is_boxed(expr: &Expr) -> bool {
    let Expr::Call(ExprCall { func, .. }) = expr else {
        return false;
    };
    let Expr::Path(ExprPath { path, .. }) = &**func else {
        return false;
    };
    let mut names = path.segments.iter().rev().map(|segment| &segment.ident);
    names.next().is_some_and(|name| name == "pin") && names.next().is_some_and(|name| name == "Box")
}

/// Where a function is: the type if it is known to be in an `impl` block, else the module.
fn place_of(sig: &Signature) -> TokenStream {
    let in_impl = matches!(sig.inputs.first(), Some(FnArg::Receiver(_)))
        || mentions_self(sig.to_token_stream());
    if in_impl {
        type_place(&parse_quote!(Self))
    } else {
        quote!(::osprofiler::__private::module_path!())
    }
}

/// The name of a type, as an expression.
pub(crate) fn type_place(ty: &Type) -> TokenStream {
    quote!(::osprofiler::__private::type_name::<#ty>())
}

fn mentions_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => mentions_self(group.stream()),
        _ => false,
    })
}

fn parse(item: TokenStream) -> Result<ImplItemFn> {
    syn::parse2(item.clone()).map_err(|error| what_it_is.parse2(item).err().unwrap_or(error))
}

/// Fails with a better message than the parser's if the item is no function with a body.
fn what_it_is(input: ParseStream<'_>) -> Result<()> {
    Attribute::parse_outer(input)?;
    input.parse::<Visibility>()?;
    input.parse::<Option<Token![default]>>()?;
    if input.fork().parse::<Signature>().is_err() {
        return Err(input.error(
            "`#[trace]` is for functions; for an `impl` block or a trait there is `#[trace_impl]`",
        ));
    }
    input.parse::<Signature>()?;
    if input.peek(Token![;]) {
        return Err(input.error(
            "a function without a body has nothing to trace, expected `{`; to trace what \
             implements a trait, put `#[trace_impl]` on the trait",
        ));
    }
    // The rest is for the compiler to complain of.
    input.parse::<TokenStream>().map(drop)
}
