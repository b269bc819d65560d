//! An implementation, bound to what serves it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, ItemImpl, Result};

use crate::options::{self, Bounds};

/// The implementation as it is, and `Service` for its type.
pub(crate) fn write(
    attribute: TokenStream,
    implementation: ItemImpl,
    wire: TokenStream,
) -> Result<TokenStream> {
    let Bounds { concurrency, queue, batching } = options::bounds(attribute)?;
    let Some((path, _)) = &implementation.trait_ else {
        let reason = "`#[service]` stands on the implementation of a trait that has `#[service]`, too";
        return Err(Error::new_spanned(&implementation.self_ty, reason));
    };
    // What was made for the trait lies beside it.
    let beside = |name: proc_macro2::Ident| {
        let mut path = path.clone();
        if let Some(last) = path.segments.last_mut() {
            last.ident = name;
        }
        path
    };
    let Some(name) = path.segments.last().map(|last| last.ident.clone()) else {
        return Err(Error::new_spanned(path, "a trait has a name"));
    };
    let [request, reply, failure] =
        ["Request", "Reply", "Failure"].map(|suffix| beside(format_ident!("{name}{suffix}")));
    let answer = beside(format_ident!("__answer_{}", name.to_string().to_lowercase()));
    let contract = beside(format_ident!("{}_CONTRACT", name.to_string().to_uppercase()));
    let written = |number: Option<usize>| match number {
        Some(number) => quote!(::core::option::Option::Some(#number)),
        None => quote!(::core::option::Option::None),
    };
    let (concurrency, queue) = (written(concurrency), written(queue));
    let batching = batching.map(|decide| {
        quote! {
            fn batching(&self, method: &'static str, written: #wire::Batching) -> #wire::Batching {
                #decide(self, method, written)
            }
        }
    });
    let (generics, kind, clause) =
        (&implementation.generics, &implementation.self_ty, &implementation.generics.where_clause);
    let (parameters, ..) = generics.split_for_impl();
    Ok(quote! {
        #implementation

        impl #parameters #wire::Service for #kind #clause {
            type Request = #request;
            type Reply = #reply;
            type Error = #failure;

            async fn call(
                &self,
                call: &#wire::Call<'_>,
                request: #request,
            ) -> ::core::result::Result<#reply, #failure> {
                #answer(self, call, request).await
            }

            fn contract() -> #wire::Contract {
                #contract
            }

            fn method(request: &#request) -> #wire::Method {
                request.__method()
            }

            fn bounds(&self) -> #wire::Bounds {
                #wire::Bounds { concurrency: #concurrency, queue: #queue }
            }

            #batching
        }
    })
}
