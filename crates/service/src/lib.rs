//! The attribute `#[service]`: from one trait a typed server, an asynchronous and a blocking client.
//!
//! `contract` reads a trait and refuses what cannot be a service, `server` and `client` write their sides, `host` binds an
//! implementation to what serves it, `options` reads the attributes. Programs use it as `syncline_wire::service`; it is
//! a crate of its own because procedural macros must be. syn and quote are its only dependencies.

mod client;
mod contract;
mod host;
mod options;
mod server;

use proc_macro::TokenStream;
use quote::quote;
use syn::{Item, parse_macro_input};

/// Makes a service of a trait, and binds an implementation of the trait to it.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use syncline_wire::{Client, Replies, service};
///
/// /// Counts.
/// #[service]
/// pub trait Counter {
///     /// Adds, and tells the sum.
///     async fn add(&self, by: u64) -> Result<u64, String>;
///     /// The sum; asking again does no harm.
///     #[idempotent]
///     async fn sum(&self) -> u64;
///     /// The numbers up to the sum, one after another.
///     fn up(&self) -> Replies<u64>;
/// }
///
/// #[derive(Default)]
/// struct Sum(AtomicU64);
///
/// #[service]
/// impl Counter for Sum {
///     async fn add(&self, by: u64) -> Result<u64, String> {
///         if by == 0 {
///             return Err("nothing to add".to_owned());
///         }
///         Ok(self.0.fetch_add(by, Ordering::Relaxed) + by)
///     }
///     async fn sum(&self) -> u64 {
///         self.0.load(Ordering::Relaxed)
///     }
///     fn up(&self) -> Replies<u64> {
///         Replies::of(1..=self.0.load(Ordering::Relaxed))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let counter = Client::local(Arc::new(Sum::default()));
/// assert_eq!(counter.add(2).await.unwrap(), 2);
/// assert_eq!(counter.add(0).await.unwrap_err().to_string(), "nothing to add");
/// assert_eq!(counter.sum().await.unwrap(), 2);
/// assert_eq!(counter.up().await.unwrap().next().await.unwrap(), Some(1));
/// # });
/// ```
///
/// From a trait `Counter` it makes, beside the trait itself, `CounterClient`, by which a `Client` of an implementation has
/// the methods, and `CounterBlocking` for a `Blocking` one; both must be in scope where they are called. An implementation in
/// another module names the trait by its path, `impl counting::Counter for Sum`, since what was made lies beside it. A method returns
/// what the service returns in a `Result`: with `syncline_wire::Error` where the service itself always answers, and with
/// `CallError` of its error where it returns a `Result`. Within one process the client calls the method of the object
/// itself. The types of arguments and results must be serde's; an error must also be `Display` and `Debug`.
///
/// A method is `async`, or returns `Replies`. It may take `call: &Call<'_>` first, which tells who calls, how long the
/// answer is wanted, and whether it still is; clients do not see that argument. Its attributes:
///
/// - `#[deadline("5s")]`: how long callers wait unless they say otherwise. Without it, for ever.
/// - `#[idempotent]` or `#[idempotent(tries = 8, pause = "20ms")]`: when the service is lost, it is asked again, so many
///   times altogether, with pauses that double from this one. Its arguments must be `Clone`.
/// - `#[batched(size = 8, timeout = "10ms")]`, also with `pad` and `parallel = 2`: the calls of several callers are handled
///   as one. The implementation's arguments and result are then batches (`Stack`): for a caller's `f32` or
///   `Tensor<f32>` a `Tensor<f32>` with a new first axis. Arguments and errors must be `Clone`.
///
/// On an implementation, `#[service(concurrency = 1)]` bounds how many calls are answered at once (1 makes it an actor), and
/// `queue = 100` how many may wait for their turn. `batching = Self::gather` names a function
/// `fn gather(&self, method: &'static str, written: Batching) -> Batching` by which the object decides how calls of its batched
/// methods are gathered, where only it knows, for example, how many will call.
///
/// What cannot be a service is refused by the compiler with the reason:
///
/// ```compile_fail
/// #[syncline_wire::service]
/// trait Borrows {
///     async fn read(&self, text: &str) -> u64; // an argument must own what it is
/// }
/// ```
///
/// ```compile_fail
/// #[syncline_wire::service]
/// trait Synchronous {
///     fn read(&self) -> u64; // neither `async` nor a stream
/// }
/// ```
///
/// ```compile_fail
/// #[syncline_wire::service]
/// trait Changes {
///     async fn write(&mut self, value: u64); // many calls at once: `&self`, and a lock
/// }
/// ```
///
/// ```compile_fail
/// #[syncline_wire::service]
/// trait Generic<T> {
///     async fn read(&self) -> T; // both sides must know the types
/// }
/// ```
#[proc_macro_attribute]
pub fn service(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand(attribute, item, quote!(::syncline_wire))
}

/// The same for programs that depend on the facade `syncline` alone, which exports it as `service`.
#[proc_macro_attribute]
pub fn service_of_facade(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand(attribute, item, quote!(::syncline::wire))
}

fn expand(attribute: TokenStream, item: TokenStream, wire: proc_macro2::TokenStream) -> TokenStream {
    let written = match parse_macro_input!(item as Item) {
        Item::Trait(definition) => {
            contract::Contract::read(attribute.into(), definition, wire).map(|contract| {
                let (server, client) = (server::write(&contract), client::write(&contract));
                quote!(#server #client)
            })
        }
        Item::Impl(implementation) => host::write(attribute.into(), implementation, wire),
        other => Err(syn::Error::new_spanned(
            other,
            "`#[service]` stands on a trait or on an implementation of one",
        )),
    };
    written.unwrap_or_else(|error| error.to_compile_error()).into()
}
