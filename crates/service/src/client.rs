//! The caller's side: the methods of an asynchronous and of a blocking client.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::contract::{Contract, Method};
use crate::server::{bound, constant};

/// Both clients.
pub(crate) fn write(contract: &Contract) -> TokenStream {
    let Contract { wire, visibility, name, methods, .. } = contract;
    let [client, blocking] = ["Client", "Blocking"].map(|suffix| contract.named(suffix));
    let bound = bound(contract);
    let future = quote!(::core::future::Future);
    let outputs: Vec<_> = methods.iter().map(|method| output(contract, method)).collect();
    let heads: Vec<_> = methods
        .iter()
        .map(|Method { name, arguments, .. }| {
            let arguments = arguments.iter().map(|(name, kind)| quote!(#name: #kind));
            quote!(fn #name(&self, #(#arguments),*))
        })
        .collect();
    let documented = methods.iter().map(|method| {
        let lines = method.attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
        quote!(#(#lines)*)
    });
    let documented: Vec<_> = documented.collect();
    let asked = methods.iter().map(|method| asked(contract, method));
    let waited = methods.iter().map(|method| {
        let (name, names) = (&method.name, method.argument_names());
        quote! {
            match self.wait(#client::#name(self.client(), #(#names),*)) {
                Ok(outcome) => outcome,
                Err(error) => Err(error.into()),
            }
        }
    });
    let about_client = format!("The methods of [`{name}`], for a client of it.");
    let about_blocking = format!("The methods of [`{name}`], for a blocking client of it.");
    quote! {
        #[doc = #about_client]
        #[allow(dead_code, missing_docs)]
        #visibility trait #client {
            #(#documented #heads -> impl #future<Output = #outputs> + ::core::marker::Send;)*
        }

        #[allow(unreachable_patterns)]
        impl<S: #bound> #client for #wire::Client<S> {
            #(#heads -> impl #future<Output = #outputs> + ::core::marker::Send { async move { #asked } })*
        }

        #[doc = #about_blocking]
        #[allow(dead_code, missing_docs)]
        #visibility trait #blocking {
            #(#documented #heads -> #outputs;)*
        }

        impl<S: #bound> #blocking for #wire::Blocking<S> {
            #(#heads -> #outputs { #waited })*
        }
    }
}

/// What a method of a client yields.
fn output(contract: &Contract, method: &Method) -> TokenStream {
    let (wire, answer) = (&contract.wire, &method.answer);
    match &method.error {
        Some(error) => quote!(::core::result::Result<#answer, #wire::CallError<#error>>),
        None => quote!(::core::result::Result<#answer, #wire::Error>),
    }
}

/// How a client asks: the object itself where it is in this process, else by a message.
fn asked(contract: &Contract, method: &Method) -> TokenStream {
    let (direct, elsewhere) = (direct(contract, method), elsewhere(contract, method));
    let (wire, constant) = (&contract.wire, constant(contract, method));
    quote! {
        const METHOD: #wire::Method = #constant;
        if let ::core::option::Option::Some(hosted) = self.__direct() {
            let call = self.__begin(hosted, METHOD).await;
            #direct
        }
        #elsewhere
    }
}

fn direct(contract: &Contract, method: &Method) -> TokenStream {
    let Contract { wire, name, .. } = contract;
    let (method_name, names) = (&method.name, method.argument_names());
    if method.batched.is_some() {
        let join = format_ident!("__{method_name}");
        return quote! {
            let outcome = hosted.run(&call, move || #join(hosted, #(#names),*)).await;
            return outcome.map_err(|error| match error {
                #wire::CallError::Service(error) => error.into(),
                #wire::CallError::Wire(error) => error.into(),
            });
        };
    }
    let call = method.call.as_ref().map(|_| quote!(&call,));
    let invoked = quote!(<S as #name>::#method_name(service, #call #(#names),*));
    let service = quote!(let service: &S = hosted.service(););
    match (method.is_stream, &method.error) {
        (false, Some(_)) => quote! {
            #service
            return hosted.run(&call, || #invoked).await;
        },
        (is_stream, _) => {
            let awaited = (!is_stream).then(|| quote!(.await));
            quote! {
                #service
                let outcome = hosted.run(&call, || async {
                    ::core::result::Result::<_, #wire::Never>::Ok(#invoked #awaited)
                });
                return outcome.await.map_err(#wire::Error::from);
            }
        }
    }
}

fn elsewhere(contract: &Contract, method: &Method) -> TokenStream {
    let wire = &contract.wire;
    let [request, reply, failure] = ["Request", "Reply", "Failure"].map(|suffix| contract.named(suffix));
    let (variant, text) = (&method.variant, method.name.to_string());
    let names = method.argument_names();
    let outcome = match method.idempotent {
        // On the heap: the way through a socket is long, and would make the future of a call in this process as large.
        None => quote!(::std::boxed::Box::pin(self.__ask(&METHOD, #request::#variant { #(#names),* })).await),
        Some(_) => {
            let cloned = names.map(|name| quote!(#name: ::core::clone::Clone::clone(&#name)));
            quote!(::std::boxed::Box::pin(self.__ask_again(&METHOD, || #request::#variant { #(#cloned),* })).await)
        }
    };
    let own = method.error.as_ref().map(|_| {
        quote!(Err(#wire::CallError::Service(#failure::#variant(error))) => Err(#wire::CallError::Service(error)),)
    });
    quote! {
        match #outcome {
            Ok(#reply::#variant(answer)) => Ok(answer),
            #own
            Err(#wire::CallError::Service(#failure::__Batch(text))) => Err(#wire::Error::Batch(text).into()),
            Err(#wire::CallError::Wire(error)) => Err(error.into()),
            _ => Err(#wire::Error::mismatch(#text).into()),
        }
    }
}
