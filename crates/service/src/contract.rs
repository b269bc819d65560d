//! A service's trait as it was written, read and judged: what cannot be a service is refused here, with the reason at its
//! place.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident};
use syn::{
    Attribute, Error, FnArg, GenericArgument, ItemTrait, Pat, PathArguments, Result, ReturnType, TraitItem,
    TraitItemFn, Type, Visibility,
};

use crate::options::{self, Batched, Idempotent};

/// What clients of every service have.
const RESERVED: [&str; 11] = [
    "blocking",
    "call",
    "called_by",
    "client",
    "clone",
    "connect",
    "contract",
    "health",
    "is_local",
    "peer",
    "within",
];

/// The trait.
pub(crate) struct Contract {
    /// The path of the crate `syncline-wire`.
    pub(crate) wire: TokenStream,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) methods: Vec<Method>,
}

/// One of its methods.
pub(crate) struct Method {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) name: Ident,
    /// The variant of requests, replies and failures.
    pub(crate) variant: Ident,
    /// The type of its argument `call`, if it has one.
    pub(crate) call: Option<Type>,
    pub(crate) arguments: Vec<(Ident, Type)>,
    /// What it answers.
    pub(crate) answer: Type,
    /// Why it may not.
    pub(crate) error: Option<Type>,
    pub(crate) is_stream: bool,
    pub(crate) deadline: std::time::Duration,
    pub(crate) idempotent: Option<Idempotent>,
    pub(crate) batched: Option<Batched>,
}

impl Contract {
    pub(crate) fn read(attribute: TokenStream, definition: ItemTrait, wire: TokenStream) -> Result<Self> {
        if !attribute.is_empty() {
            return Err(Error::new_spanned(
                attribute,
                "bounds stand on the implementation, not on the trait",
            ));
        }
        if !definition.generics.params.is_empty() {
            let reason = "a service cannot be generic: both sides must know its types";
            return Err(Error::new_spanned(&definition.generics, reason));
        }
        if !definition.supertraits.is_empty() {
            let reason = "a service needs no supertraits: it is `Send + Sync + 'static` anyway";
            return Err(Error::new_spanned(&definition.supertraits, reason));
        }
        let methods = definition.items.iter().map(Method::read).collect::<Result<Vec<_>>>()?;
        let ItemTrait { attrs: attributes, vis: visibility, ident: name, .. } = definition;
        Ok(Self { wire, attributes, visibility, name, methods })
    }

    /// The name of something that is made for this service, such as `CounterClient`.
    pub(crate) fn named(&self, suffix: &str) -> Ident {
        format_ident!("{}{suffix}", self.name)
    }
}

impl Method {
    fn read(item: &TraitItem) -> Result<Self> {
        let TraitItem::Fn(TraitItemFn { attrs, sig, default, .. }) = item else {
            return Err(Error::new_spanned(item, "a service has methods only"));
        };
        if let Some(default) = default {
            return Err(Error::new_spanned(default, "a service's method has no body of its own"));
        }
        if !sig.generics.params.is_empty() {
            return Err(Error::new_spanned(&sig.generics, "a service's method cannot be generic"));
        }
        if RESERVED.iter().any(|reserved| sig.ident == reserved) {
            let reason = "every client has a method of this name already; choose another";
            return Err(Error::new_spanned(&sig.ident, reason));
        }
        let by_shared_reference = sig
            .receiver()
            .is_some_and(|receiver| receiver.to_token_stream().to_string().replace(' ', "") == "&self");
        if !by_shared_reference {
            let reason = "a service's method takes `&self`: many calls are answered at once, so what changes needs a lock";
            return Err(Error::new_spanned(&sig.inputs, reason));
        }
        let (mut call, mut arguments) = (None, Vec::new());
        for (at, input) in sig.inputs.iter().skip(1).enumerate() {
            let FnArg::Typed(input) = input else { continue };
            if at == 0 && is_call(&input.ty) {
                call = Some((*input.ty).clone());
                continue;
            }
            if let Type::Reference(_) = &*input.ty {
                let reason = "an argument travels, so it must own what it is: not a reference (`call: &Call<'_>` comes first)";
                return Err(Error::new_spanned(&input.ty, reason));
            }
            let Pat::Ident(name) = &*input.pat else {
                return Err(Error::new_spanned(&input.pat, "an argument of a service has a plain name"));
            };
            arguments.push((name.ident.clone(), (*input.ty).clone()));
        }
        let output = match &sig.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, output) => (**output).clone(),
        };
        let is_stream = sig.asyncness.is_none();
        if is_stream && generic(&output, "Replies").is_none() {
            let reason = "a service's method is `async`, or returns `Replies<T>`";
            return Err(Error::new_spanned(sig, reason));
        }
        let (answer, error) = match generic(&output, "Result").as_deref() {
            Some([answer, error]) => (answer.clone(), Some(error.clone())),
            Some(_) => {
                let reason = "write the error out: `Result<T, E>`";
                return Err(Error::new_spanned(&output, reason));
            }
            None => (output, None),
        };
        let mut method = Self {
            attributes: Vec::new(),
            name: sig.ident.clone(),
            variant: camel(&sig.ident),
            call,
            arguments,
            answer,
            error,
            is_stream,
            deadline: std::time::Duration::ZERO,
            idempotent: None,
            batched: None,
        };
        attrs.iter().try_for_each(|attribute| method.heed(attribute))?;
        Ok(method)
    }

    fn heed(&mut self, attribute: &Attribute) -> Result<()> {
        let path = attribute.path();
        if path.is_ident("deadline") {
            self.deadline = options::deadline(attribute)?;
        } else if path.is_ident("idempotent") {
            self.idempotent = Some(options::idempotent(attribute)?);
        } else if path.is_ident("batched") {
            if self.is_stream || self.call.is_some() || self.arguments.is_empty() || self.arguments.len() > 4
            {
                let reason = "a batched method is `async` and has one to four arguments, without `call`";
                return Err(Error::new_spanned(attribute, reason));
            }
            self.batched = Some(options::batched(attribute)?);
        } else {
            self.attributes.push(attribute.clone());
        }
        Ok(())
    }

    /// What both sides compare.
    pub(crate) fn signature(&self) -> String {
        let text = |tokens: &dyn ToTokens| tokens.to_token_stream().to_string().replace(' ', "");
        let arguments: Vec<_> = self.arguments.iter().map(|(_, kind)| text(kind)).collect();
        let answer = text(&self.answer);
        let error = self.error.as_ref().map_or(String::new(), |error| format!(" or {}", text(error)));
        format!("({}) -> {answer}{error}", arguments.join(", "))
    }

    pub(crate) fn argument_names(&self) -> impl Iterator<Item = &Ident> {
        self.arguments.iter().map(|(name, _)| name)
    }
}

/// Whether a type is `&Call` or `&Call<'_>`.
fn is_call(kind: &Type) -> bool {
    let Type::Reference(reference) = kind else { return false };
    let Type::Path(path) = &*reference.elem else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "Call")
}

/// The arguments of a generic type, if its name is `name`.
fn generic(kind: &Type, name: &str) -> Option<Vec<Type>> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(Vec::new()) };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(kind) => Some(kind.clone()),
        _ => None,
    });
    Some(types.collect())
}

/// `pull_all` as `PullAll`.
fn camel(name: &Ident) -> Ident {
    let words = name.to_string();
    let words = words.trim_start_matches("r#").split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    });
    Ident::new(&words.collect::<String>(), name.span())
}
