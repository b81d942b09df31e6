//! The attributes of OSProfiler.

use proc_macro::TokenStream;

mod arguments;
mod block;
mod delegate;
mod function;
mod options;

/// Makes a point of each call.
#[proc_macro_attribute]
pub fn trace(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |item| function::expand(options.into(), item))
}

/// Makes a point of each call of a block's methods.
#[proc_macro_attribute]
pub fn trace_impl(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(item, |item| block::expand(options.into(), item))
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
