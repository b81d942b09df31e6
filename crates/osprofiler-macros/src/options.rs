//! What is written in the parentheses of an attribute.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, Ident, LitBool, LitStr, Meta, Result, Token, token};

/// What to record of a function.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) info: Option<Expr>,
    pub(crate) hide_args: bool,
    pub(crate) show_result: bool,
    /// Arguments not to record.
    pub(crate) skip: Vec<Ident>,
    /// Arguments to record although their names say secret.
    pub(crate) show: Vec<Ident>,
}

/// What `#[trace(...)]` asks for.
pub(crate) enum TraceOptions {
    Trace(Box<Options>),
    /// `#[trace(skip)]`: leave the function as it is.
    Skip,
}

/// What `#[trace_impl(...)]` asks for.
#[derive(Default)]
pub(crate) struct BlockOptions {
    pub(crate) options: Options,
    pub(crate) trace_private: Option<Ident>,
    pub(crate) trace_associated: bool,
    pub(crate) trace_constructors: bool,
    /// Whether a method may have a `#[trace]` of its own.
    pub(crate) forbid_multiple_trace: bool,
}

impl TraceOptions {
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        Self::parser.parse2(tokens)
    }

    /// Reads the attribute of a method, where it is still unexpanded.
    pub(crate) fn of(attribute: &Attribute) -> Result<Self> {
        match &attribute.meta {
            Meta::Path(_) => Self::parse(TokenStream::new()),
            _ => attribute.parse_args_with(Self::parser),
        }
    }

    fn parser(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Options { name: parse_name(input)?, ..Options::default() };
        let mut skip_all = None;
        let names = parse_options(input, |key, input| {
            if key == "skip" && (input.is_empty() || input.peek(Token![,])) {
                skip_all = Some(key.clone());
                return Ok(());
            }
            options.set(key, input).unwrap_or_else(|| Err(unknown(key, "")))
        })?;
        match skip_all {
            None => Ok(Self::Trace(Box::new(options))),
            Some(_) if names.len() == 1 && options.name.is_none() => Ok(Self::Skip),
            Some(key) => Err(Error::new(
                key.span(),
                "`skip` alone leaves the function untraced, expected no other option beside it; \
                 to leave out arguments, name them: `skip(a, b)`",
            )),
        }
    }
}

impl BlockOptions {
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        Self::parser.parse2(tokens)
    }

    fn parser(input: ParseStream<'_>) -> Result<Self> {
        let mut block = Self::default();
        block.options.name = parse_name(input)?;
        parse_options(input, |key, input| {
            match key.to_string().as_str() {
                "trace_private" => block.trace_private = flag(input)?.then(|| key.clone()),
                "trace_associated" => block.trace_associated = flag(input)?,
                "trace_constructors" => block.trace_constructors = flag(input)?,
                "allow_multiple_trace" => block.forbid_multiple_trace = !flag(input)?,
                _ => {
                    return block.options.set(key, input).unwrap_or_else(|| {
                        let more = ", `trace_private`, `trace_associated`, `trace_constructors`, \
                                    `allow_multiple_trace`";
                        Err(unknown(key, more))
                    });
                }
            }
            Ok(())
        })?;
        Ok(block)
    }
}

impl Options {
    /// Reads what follows `key`; `None` if there is no such option.
    fn set(&mut self, key: &Ident, input: ParseStream<'_>) -> Option<Result<()>> {
        let read = match key.to_string().as_str() {
            "info" => value(input).map(|info| self.info = Some(info)),
            "hide_args" => flag(input).map(|on| self.hide_args = on),
            "show_result" => flag(input).map(|on| self.show_result = on),
            "skip" => arguments(key, input).map(|skip| self.skip = skip),
            "show" => arguments(key, input).map(|show| self.show = show),
            _ => return None,
        };
        Some(read)
    }

    /// The name of the point: as given, else that of the function.
    pub(crate) fn name_or(&self, function: &Ident) -> LitStr {
        self.name
            .clone()
            .unwrap_or_else(|| LitStr::new(&function.unraw().to_string(), function.span()))
    }
}

fn parse_name(input: ParseStream<'_>) -> Result<Option<LitStr>> {
    if !input.peek(LitStr) {
        return Ok(None);
    }
    let name = checked_name(input.parse()?)?;
    comma(input)?;
    Ok(Some(name))
}

/// Reads options with commas between them; gives their names.
fn parse_options(
    input: ParseStream<'_>,
    mut option: impl FnMut(&Ident, ParseStream<'_>) -> Result<()>,
) -> Result<Vec<Ident>> {
    let mut seen: Vec<Ident> = Vec::new();
    while !input.is_empty() {
        let key = Ident::parse_any(input).map_err(|error| {
            Error::new(
                error.span(),
                "expected a name in quotes, then options like `hide_args`, with `,` between them",
            )
        })?;
        if seen.contains(&key) {
            return Err(Error::new(key.span(), format!("`{key}` is given twice, expected once")));
        }
        option(&key, input)?;
        comma(input)?;
        seen.push(key);
    }
    Ok(seen)
}

fn checked_name(name: LitStr) -> Result<LitStr> {
    if name.value().is_empty() {
        return Err(Error::new(
            name.span(),
            "the name is empty, expected one like `\"db\"`; without a name the point has that of \
             the function",
        ));
    }
    Ok(name)
}

fn comma(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    input.parse::<Token![,]>().map(drop)
}

/// `flag`, or `flag = false`.
fn flag(input: ParseStream<'_>) -> Result<bool> {
    if !input.peek(Token![=]) {
        return Ok(true);
    }
    input.parse::<Token![=]>()?;
    let on: LitBool =
        input.parse().map_err(|error| Error::new(error.span(), "expected `true` or `false`"))?;
    Ok(on.value)
}

fn value(input: ParseStream<'_>) -> Result<Expr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn arguments(key: &Ident, input: ParseStream<'_>) -> Result<Vec<Ident>> {
    if !input.peek(token::Paren) {
        return Err(Error::new(
            key.span(),
            format!("expected the names of arguments: `{key}(a, b)`"),
        ));
    }
    let names;
    syn::parenthesized!(names in input);
    let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&names, Ident::parse_any)?;
    Ok(names.into_iter().collect())
}

fn unknown(key: &Ident, more: &str) -> Error {
    Error::new(
        key.span(),
        format!(
            "unknown option `{key}`; expected a name in quotes, then any of `info`, `hide_args`, \
             `show_result`, `skip`, `show`{more}"
        ),
    )
}
