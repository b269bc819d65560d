//! The service's side: the trait, what travels, and how a request finds its method.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::contract::{Contract, Method};
use crate::options::{Batched, written};

/// The trait, its messages, and the function by which an implementation answers them.
pub(crate) fn write(contract: &Contract) -> TokenStream {
    let (definition, messages) = (definition(contract), messages(contract));
    let (answer, batches) = (answer(contract), batches(contract));
    quote!(#definition #messages #answer #batches)
}

fn definition(contract: &Contract) -> TokenStream {
    let Contract { wire, attributes, visibility, name, methods } = contract;
    let methods = methods.iter().map(|method| {
        let Method { attributes, name, answer, error, .. } = method;
        let call = method.call.as_ref().map(|kind| quote!(call: #kind,));
        let batch = |kind: &syn::Type| match method.batched {
            Some(_) => quote!(<#kind as #wire::Stack>::Batch),
            None => quote!(#kind),
        };
        let arguments = method.arguments.iter().map(|(name, kind)| {
            let kind = batch(kind);
            quote!(#name: #kind)
        });
        let answer = batch(answer);
        let output = match error {
            Some(error) => quote!(::core::result::Result<#answer, #error>),
            None => answer,
        };
        let output = match method.is_stream {
            true => output,
            false => quote!(impl ::core::future::Future<Output = #output> + ::core::marker::Send),
        };
        quote!(#(#attributes)* fn #name(&self, #call #(#arguments),*) -> #output;)
    });
    quote! {
        #(#attributes)*
        #visibility trait #name: ::core::marker::Send + ::core::marker::Sync + 'static {
            #(#methods)*
        }
    }
}

fn messages(contract: &Contract) -> TokenStream {
    let Contract { wire, visibility, name, methods, .. } = contract;
    let [request, reply, failure] = ["Request", "Reply", "Failure"].map(|suffix| contract.named(suffix));
    let serde = quote!(#wire::__private::serde).to_string().replace(' ', "");
    let derived = quote! {
        #[doc(hidden)]
        #[allow(missing_docs, clippy::enum_variant_names, clippy::large_enum_variant)]
        #[derive(#wire::__private::serde::Serialize, #wire::__private::serde::Deserialize)]
        #[serde(crate = #serde)]
    };
    let requests = methods.iter().map(|Method { variant, arguments, .. }| {
        let fields = arguments.iter().map(|(name, kind)| quote!(#name: #kind));
        quote!(#variant { #(#fields),* })
    });
    let replies = methods.iter().map(|Method { variant, answer, .. }| quote!(#variant(#answer)));
    let failures: Vec<_> = methods
        .iter()
        .filter_map(|Method { variant, error, .. }| error.as_ref().map(|error| (variant, quote!(#error))))
        .collect();
    let (variants, errors): (Vec<_>, Vec<_>) = failures.into_iter().unzip();
    let named = methods.iter().map(|method| {
        let (variant, constant) = (&method.variant, constant(contract, method));
        quote!(#request::#variant { .. } => #constant)
    });
    let (text, lines) = (
        name.to_string(),
        methods.iter().map(|method| {
            let (name, signature) = (method.name.to_string(), method.signature());
            quote!((#name, #signature))
        }),
    );
    let constant = format_ident!("{}_CONTRACT", name.to_string().to_uppercase());
    quote! {
        #derived
        #visibility enum #request { #(#requests),* }

        impl #request {
            #[doc(hidden)]
            #visibility fn __method(&self) -> #wire::Method {
                match *self { #(#named),* }
            }
        }

        #derived
        #visibility enum #reply { #(#replies),* }

        #derived
        #[derive(Debug)]
        #visibility enum #failure { #(#variants(#errors),)* __Batch(::std::string::String) }

        impl ::core::fmt::Display for #failure {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    #(Self::#variants(error) => ::core::fmt::Display::fmt(error, f),)*
                    Self::__Batch(text) => f.write_str(text),
                }
            }
        }

        #[doc(hidden)]
        #visibility const #constant: #wire::Contract =
            #wire::Contract { service: #text, methods: &[#(#lines),*] };
    }
}

/// The description of a method, as an expression.
pub(crate) fn constant(contract: &Contract, method: &Method) -> TokenStream {
    let (wire, name, deadline) = (&contract.wire, method.name.to_string(), written(method.deadline));
    let tries = method.idempotent.map_or(1, |idempotent| idempotent.tries);
    let pause = written(method.idempotent.map_or_else(Default::default, |idempotent| idempotent.pause));
    let batched = method.batched.is_some();
    quote!(#wire::Method { name: #name, deadline: #deadline, tries: #tries, pause: #pause, batched: #batched })
}

/// What an implementation must be, to be called by this service's client.
pub(crate) fn bound(contract: &Contract) -> TokenStream {
    let (wire, name) = (&contract.wire, &contract.name);
    let [request, reply, failure] = ["Request", "Reply", "Failure"].map(|suffix| contract.named(suffix));
    quote!(#name + #wire::Service<Request = #request, Reply = #reply, Error = #failure>)
}

fn answer(contract: &Contract) -> TokenStream {
    let Contract { wire, visibility, name, methods, .. } = contract;
    let [request, reply, failure] = ["Request", "Reply", "Failure"].map(|suffix| contract.named(suffix));
    let function = format_ident!("__answer_{}", name.to_string().to_lowercase());
    let arms = methods.iter().map(|method| {
        let Method { name: method_name, variant, .. } = method;
        let (names, again): (Vec<_>, Vec<_>) = (method.argument_names().collect(), method.argument_names().collect());
        let call = method.call.as_ref().map(|_| quote!(call,));
        let invoked = quote!(<S as #name>::#method_name(service, #call #(#again),*));
        let answered = match (method.batched, method.is_stream, &method.error) {
            (Some(_), ..) => {
                let join = format_ident!("__{method_name}");
                let own_error = match &method.error {
                    Some(_) => quote!(Err(#failure::#variant(error))),
                    None => quote!(match error {}),
                };
                quote! {
                    match #wire::Hosted::<S>::of(call) {
                        ::core::option::Option::Some(hosted) => match #join(hosted, #(#again),*).await {
                            Ok(answer) => Ok(#reply::#variant(answer)),
                            Err(#wire::CallError::Service(error)) => #own_error,
                            Err(#wire::CallError::Wire(error)) => {
                                Err(#failure::__Batch(::std::string::ToString::to_string(&error)))
                            }
                        },
                        ::core::option::Option::None => Err(#failure::__Batch("no host gathers batches here".into())),
                    }
                }
            }
            (None, true, _) => quote!(Ok(#reply::#variant(#invoked))),
            (None, false, None) => quote!(Ok(#reply::#variant(#invoked.await))),
            (None, false, Some(_)) => {
                quote!(#invoked.await.map(#reply::#variant).map_err(#failure::#variant))
            }
        };
        quote!(#request::#variant { #(#names),* } => { #answered })
    });
    let bound = bound(contract);
    quote! {
        #[doc(hidden)]
        #[allow(unused_variables)]
        #visibility async fn #function<S: #bound>(
            service: &S,
            call: &#wire::Call<'_>,
            request: #request,
        ) -> ::core::result::Result<#reply, #failure> {
            match request { #(#arms),* }
        }
    }
}

/// Where the calls of batched methods gather, and how each joins them.
fn batches(contract: &Contract) -> TokenStream {
    let Contract { wire, methods, name, .. } = contract;
    let batched: Vec<_> = methods.iter().filter_map(|method| Some((method, method.batched?))).collect();
    if batched.is_empty() {
        return TokenStream::new();
    }
    let batches = format_ident!("__{name}Batches");
    let error = |method: &Method| match &method.error {
        Some(error) => quote!(#error),
        None => quote!(#wire::Never),
    };
    let fields = batched.iter().map(|(method, _)| {
        let (name, answer, error) = (&method.name, &method.answer, error(method));
        let kinds = method.arguments.iter().map(|(_, kind)| kind);
        quote!(#name: #wire::Batcher<(#(#kinds,)*), #answer, #error>)
    });
    let bound = bound(contract);
    let joins = batched.iter().map(|(method, Batched { size, timeout, pad, parallel })| {
        let (method_name, answer, error) = (&method.name, &method.answer, error(method));
        let (join, timeout) = (format_ident!("__{method_name}"), written(*timeout));
        let text = method_name.to_string();
        let arguments = method.arguments.iter().map(|(name, kind)| quote!(#name: #kind));
        let (first, second, third): (Vec<_>, Vec<_>, Vec<_>) = (
            method.argument_names().collect(),
            method.argument_names().collect(),
            method.argument_names().collect(),
        );
        let invoked = quote!(<S as #name>::#method_name(&**hosted.service(), #(#third),*).await);
        let handled = if method.error.is_some() { invoked } else { quote!(Ok(#invoked)) };
        quote! {
            #[doc(hidden)]
            async fn #join<S: #bound>(
                hosted: &#wire::Hosted<S>,
                #(#arguments),*
            ) -> ::core::result::Result<#answer, #wire::CallError<#error>> {
                    let written =
                        #wire::Batching { size: #size, timeout: #timeout, pad: #pad, parallel: #parallel };
                    let batching = #wire::Service::batching(&**hosted.service(), #text, written);
                    let Some(batches) = hosted.slot::<#batches>() else {
                        return Err(#wire::Error::Batch("another service gathers here".into()).into());
                    };
                    batches
                        .#method_name
                        .join(
                            hosted,
                            batching,
                            (#(#first,)*),
                            |hosted, (#(#second,)*)| async move { #handled },
                            |hosted| hosted.slot::<#batches>().map(|batches| &batches.#method_name),
                        )
                        .await
            }
        }
    });
    quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #[derive(Default)]
        struct #batches { #(#fields),* }

        #(#joins)*
    }
}
