//! The attributes of OSProfiler: [`macro@trace`] for a function, [`macro@trace_impl`] for a block or a trait.
//!
//! **Do not depend on this crate**: what the attributes expand to is part of `osprofiler`, which
//! re-exports them.

mod arguments;
mod block;
mod delegate;
mod function;
mod options;

use proc_macro::TokenStream;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Item, Visibility};

use crate::options::BlockOptions;

/// Makes each call of a function a point.
///
/// ```
/// use osprofiler::{info, trace};
///
/// #[trace("rpc")]
/// async fn reserve(item: u32, count: u32) -> Result<u32, std::io::Error> {
///     Ok(lookup(item) - count)
/// }
///
/// #[trace(hide_args, info = info! { "db" => { "params" => [item] } })]
/// fn lookup(item: u32) -> u32 {
///     item % 7
/// }
/// ```
///
/// # Options
///
/// All can be left out; the name comes first. A flag can also be written `flag = false`.
///
/// | option | meaning |
/// |---|---|
/// | `"name"` | name of the point; without it, that of the function |
/// | `info = EXPR` | more start info: an `Info`, or a closure that makes one, as [`info!`] writes; it can use the arguments by reference, and is evaluated only while tracing |
/// | `hide_args` | record no arguments |
/// | `skip(a, b)` | leave these arguments out |
/// | `show(a, b)` | record these arguments although their names say secret |
/// | `show_result` | record what is returned, unless it is an error |
/// | `skip` | alone: leave the function as it is; for methods under [`macro@trace_impl`] |
///
/// # What is recorded
///
/// The start record has `function`: `name` is the path of the function, or for a method that of its
/// type and then its own; `args` are the arguments by name, and `kwargs` is there because Python
/// has it.
///
/// ```json
/// {"function": {"name": "shop::reserve", "args": "(item: 1, count: 2)", "kwargs": "{}"}}
/// ```
///
/// - Arguments are formatted before the body begins, and only while tracing: with `Debug` if their
///   type has it, else as their type in angle brackets. For a generic parameter its bounds decide.
///   `self` is never recorded; of a pattern, the names that it binds are.
/// - Arguments whose names say secret are recorded as `***`: names that contain `access_key`,
///   `api_key`, `apikey`, `authorization`, `bearer`, `connection_string`, `cookie`, `credential`,
///   `database_url`, `dsn`, `encryption_key`, `hmac_key`, `jwt`, `passphrase`, `passwd`, `password`,
///   `private_key`, `pwd`, `secret`, `signing_key`, `token` or `transport_url`. So is what a pattern
///   takes from a field of such a name, what it takes such a name from (`login @ Login { password, .. }`),
///   and what another macro named, with two underscores in front: `#[async_trait]` hides patterns
///   that way. A secret deeper in an argument is not found: `skip` such arguments, or leave it out
///   of `Debug`.
/// - If the function returns an `Err`, of whatever alias of `Result`, the stop record has its type as
///   `etype` and what it says as `message`; after a panic `etype` is `panic`, and the panic goes on.
///   A future that is dropped before it is ready leaves `cancelled`.
/// - With `show_result` the stop record has `function: {"result": ...}`.
///
/// # What it expands to
///
/// The body becomes a closure, so that `?` and `return` end the point. A `#[trace]` on
/// `fn count(item: u32) -> u32 { item % 7 }` makes of it
///
/// ```
/// fn count(item: u32) -> u32 {
///     osprofiler::__private::enter("count", || {
///         let function = osprofiler::__private::Function::new(module_path!(), "count").args();
///         // For each argument, by method resolution: `{item:?}`, or the name of its type.
///         let function = function.arg("item", &format!("{item:?}"));
///         function.info(())
///     })
///     .run(
///         move || -> u32 { item % 7 },
///         // By method resolution: the error if the type is a `Result`.
///         |_result| osprofiler::Info::new(),
///     )
/// }
/// # assert_eq!(count(8), 1);
/// ```
///
/// where `enter` and `run` cost one thread-local load and one branch if the thread is not tracing.
/// The body of an `async fn` becomes an async block, which is a point from its first poll until it is
/// ready or dropped.
///
/// A sync function whose last expression is an async block, also in `Box::pin(...)`, is traced as
/// that future. This is what `#[async_trait]` makes of a method, so the two can be used together.
///
/// # Limits
///
/// A `const fn` cannot be traced. `#[track_caller]` ends at the function, as with any closure.
/// Arguments that the body does not use are dropped after those that it uses.
///
/// [`info!`]: https://docs.rs/osprofiler/latest/osprofiler/macro.info.html
#[proc_macro_attribute]
pub fn trace(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |item| function::expand(options.into(), item))
}

/// Makes each call of a block's methods a point; on a trait, each call through a wrapper.
///
/// # On an `impl` block
///
/// ```
/// use osprofiler::{trace, trace_impl};
///
/// struct Stock(u32);
///
/// #[trace_impl("stock", trace_constructors)]
/// impl Stock {
///     pub fn new() -> Self {
///         Self(7)
///     }
///
///     pub fn take(&mut self, count: u32) -> Option<u32> {
///         self.0 = self.0.checked_sub(count)?;
///         Some(self.0)
///     }
///
///     #[trace(skip)]
///     pub fn count(&self) -> u32 {
///         self.0
///     }
/// }
/// # assert_eq!(Stock::new().take(3), Some(4));
/// ```
///
/// Each method that is traced is as if it had [`#[trace]`](macro@trace), with the options of the
/// block; its `function.name` is `path::Type::method`. Traced are the methods that have a visibility
/// (`pub`, `pub(crate)`), and in the implementation of a trait all, with these exceptions and
/// additions:
///
/// | option | meaning |
/// |---|---|
/// | `"name"`, `info`, `hide_args`, `skip(..)`, `show(..)`, `show_result` | as for [`macro@trace`], for every method; without a name each point has that of its method |
/// | `trace_private` | trace private methods too |
/// | `trace_associated` | trace functions without `self` too, unless they are constructors |
/// | `trace_constructors` | trace constructors too: functions without `self` that return `Self`, or something whose first type argument is `Self`, such as `Result<Self, E>` or `Arc<Self>` |
/// | `allow_multiple_trace = false` | a method that has a `#[trace]` of its own besides does not compile; by default it makes two points, that of the block outside |
///
/// A method with `#[trace(skip)]` is never traced, nor is a `const fn`.
///
/// # On a trait
///
/// A trait cannot reach into what implements it elsewhere. So it is left as it is, and implemented
/// for a wrapper, [`TracedImpl<T>`], where `T` implements it: each method of the wrapper makes a
/// point and calls that of `T`.
///
/// ```
/// use osprofiler::{TracedImpl, trace_impl};
///
/// #[trace_impl("db", show_result)]
/// trait Store {
///     fn get(&self, key: &str) -> Option<String>;
///     async fn put(&mut self, key: String, value: String);
/// }
/// # struct Memory;
/// # impl Store for Memory {
/// #     fn get(&self, key: &str) -> Option<String> { Some(key.to_owned()) }
/// #     async fn put(&mut self, _key: String, _value: String) {}
/// # }
///
/// let store = TracedImpl::new(Memory);
/// assert!(store.get("a").is_some());
/// ```
///
/// This is what it adds, for `get`:
///
/// ```
/// # use osprofiler::{Info, TracedImpl};
/// # trait Store { fn get(&self, key: &str) -> Option<String>; }
/// impl<T: Store> Store for TracedImpl<T> {
///     fn get(&self, key: &str) -> Option<String> {
///         let name = std::any::type_name::<T>();
///         osprofiler::__private::enter("db", || {
///             let function = osprofiler::__private::Function::new(name, "get").args();
///             function.arg("key", &format!("{key:?}")).info(())
///         })
///         .run(
///             move || -> Option<String> { T::get(self, key) },
///             |result| Info::new().with("result", &format!("{result:?}")),
///         )
///     }
/// }
/// ```
///
/// The options are those for an `impl` block, except `trace_private`. Required and default methods,
/// associated types and constants, generic methods, `async fn`, `-> impl Future` and boxed futures
/// are all delegated; a method with `#[trace(skip)]` and one that is not selected makes no point. A
/// default method with a `#[trace]` of its own makes two. `#[async_trait]` can stand above or below.
///
/// The wrapper does not take patterns apart. `(left, right): (u32, u32)` is recorded whole, under a
/// name made of its place: `arg1`, `arg2` and so on. If any name in it says secret it is masked, if
/// any is skipped it is left out, and what no name is bound to is not recorded.
///
/// What cannot be delegated is an error at its place:
///
/// - `Self` in an argument, or in a result other than `Self`, `Result<Self, E>` and `Option<Self>`,
///   which are wrapped again; `Self::Item` is no difficulty.
/// - `self: Rc<Self>` and `self: Arc<Self>`: what is shared cannot be taken out of its wrapper.
/// - A bound on `Self` of a single method, other than `Sized`, `Send`, `Sync` and `Unpin`.
/// - A supertrait that the wrapper does not have. It has what `T` has of `Send`, `Sync`, `Unpin`,
///   `Clone`, `Copy`, `Debug`, `Display`, `Error`, `Default`, the comparisons and `Hash`, and every
///   trait under this attribute; implement others of your own for `TracedImpl<T>`.
/// - An `unsafe` trait, and members that a macro makes.
///
/// If there is a blanket implementation, `impl<T: Other> Store for T`, the attribute cannot be used
/// unless it is certain that the wrapper is no `Other`.
///
/// [`TracedImpl<T>`]: https://docs.rs/osprofiler/latest/osprofiler/struct.TracedImpl.html
#[proc_macro_attribute]
pub fn trace_impl(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |item| {
        let options = BlockOptions::parse(options.into())?;
        match syn::parse2::<Item>(item.clone())? {
            Item::Impl(block) => block::expand(&options, block),
            Item::Trait(item) => delegate::expand(&options, item),
            _ => refuse.parse2(item),
        }
    })
}

fn refuse(input: ParseStream<'_>) -> syn::Result<proc_macro2::TokenStream> {
    Attribute::parse_outer(input)?;
    input.parse::<Visibility>()?;
    Err(input.error(
        "`#[trace_impl]` is for `impl` blocks and traits; for a function there is `#[trace]`",
    ))
}

/// Gives what `expand` makes of the item. If that fails, gives the item as it is, so that nothing
/// else is reported missing.
fn expand(
    item: TokenStream,
    expand: impl FnOnce(proc_macro2::TokenStream) -> syn::Result<proc_macro2::TokenStream>,
) -> TokenStream {
    let item: proc_macro2::TokenStream = item.into();
    let expanded = expand(item.clone()).unwrap_or_else(|error| {
        let error = error.to_compile_error();
        quote::quote!(#error #item)
    });
    expanded.into()
}
