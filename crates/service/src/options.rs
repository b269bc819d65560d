//! The attributes: numbers, times and flags between parentheses.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Attribute, LitInt, LitStr, Path, Result};

/// What `#[idempotent]` says.
#[derive(Clone, Copy)]
pub(crate) struct Idempotent {
    pub(crate) tries: u32,
    pub(crate) pause: Duration,
}

/// What `#[batched(..)]` says.
#[derive(Clone, Copy)]
pub(crate) struct Batched {
    pub(crate) size: usize,
    pub(crate) timeout: Duration,
    pub(crate) pad: bool,
    pub(crate) parallel: usize,
}

/// What `#[service(..)]` on an implementation says.
#[derive(Clone, Default)]
pub(crate) struct Bounds {
    pub(crate) concurrency: Option<usize>,
    pub(crate) queue: Option<usize>,
    /// What decides how calls are gathered.
    pub(crate) batching: Option<Path>,
}

pub(crate) fn idempotent(attribute: &Attribute) -> Result<Idempotent> {
    // Eight tries from 20 ms are over two seconds: about what a node needs to start again.
    let mut read = Idempotent { tries: 8, pause: Duration::from_millis(20) };
    if let syn::Meta::Path(_) = attribute.meta {
        return Ok(read);
    }
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("tries") {
            read.tries = number(&meta, 1)?;
        } else if meta.path.is_ident("pause") {
            read.pause = time(&meta.value()?.parse()?)?;
        } else {
            return Err(meta.error("`#[idempotent]` knows `tries` and `pause`"));
        }
        Ok(())
    })?;
    Ok(read)
}

pub(crate) fn batched(attribute: &Attribute) -> Result<Batched> {
    let (mut size, mut timeout, mut pad, mut parallel) = (None, None, false, 1);
    attribute.parse_nested_meta(|meta| {
        if meta.path.is_ident("size") {
            size = Some(number(&meta, 1)?);
        } else if meta.path.is_ident("timeout") {
            timeout = Some(time(&meta.value()?.parse()?)?);
        } else if meta.path.is_ident("pad") {
            pad = true;
        } else if meta.path.is_ident("parallel") {
            parallel = number(&meta, 1)?;
        } else {
            return Err(meta.error("`#[batched]` knows `size`, `timeout`, `pad` and `parallel`"));
        }
        Ok(())
    })?;
    match (size, timeout) {
        (Some(size), Some(timeout)) => Ok(Batched { size, timeout, pad, parallel }),
        _ => Err(syn::Error::new_spanned(attribute, "write `#[batched(size = 8, timeout = \"10ms\")]`")),
    }
}

pub(crate) fn deadline(attribute: &Attribute) -> Result<Duration> {
    time(&attribute.parse_args()?)
}

pub(crate) fn bounds(attribute: TokenStream) -> Result<Bounds> {
    let mut read = Bounds::default();
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("concurrency") {
            read.concurrency = Some(number(&meta, 1)?);
        } else if meta.path.is_ident("queue") {
            read.queue = Some(number(&meta, 0)?);
        } else if meta.path.is_ident("batching") {
            read.batching = Some(meta.value()?.parse()?);
        } else {
            let known = "`#[service]` on an implementation knows `concurrency`, `queue` and `batching`";
            return Err(meta.error(known));
        }
        Ok(())
    });
    parser.parse2(attribute)?;
    Ok(read)
}

/// A number that is at least `least`.
fn number<T>(meta: &ParseNestedMeta<'_>, least: T) -> Result<T>
where
    T: std::str::FromStr<Err: std::fmt::Display> + PartialOrd + std::fmt::Display,
{
    let literal: LitInt = meta.value()?.parse()?;
    let number = literal.base10_parse()?;
    if number < least {
        return Err(syn::Error::new(literal.span(), format!("this must be at least {least}")));
    }
    Ok(number)
}

/// A time such as `"10ms"`.
fn time(literal: &LitStr) -> Result<Duration> {
    let text = literal.value();
    let units = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let split = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)));
    let seconds = split.and_then(|(number, unit)| Some(number.parse::<f64>().ok()? * unit));
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| {
        syn::Error::new(literal.span(), "this is no time; write one such as \"10ms\" (ns, us, ms, s)")
    })
}

/// A time as an expression.
pub(crate) fn written(time: Duration) -> TokenStream {
    let (seconds, nanoseconds) = (time.as_secs(), time.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}
