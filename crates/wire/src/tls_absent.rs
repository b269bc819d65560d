//! Without the feature `tls`: encrypted addresses are known, and refused.

use crate::Token;
use crate::transport::Stream;
use std::convert::Infallible;
use std::io;
use tokio::net::TcpStream;

/// There is none.
#[derive(Clone)]
pub(crate) struct Acceptor(Infallible);

fn absent<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this build has no encryption (feature `tls`)"))
}

pub(crate) async fn accept(_: TcpStream, acceptor: &Acceptor) -> io::Result<Stream> {
    match acceptor.0 {}
}

pub(crate) async fn connect(_: TcpStream, _: &Token) -> io::Result<Stream> {
    absent()
}

pub(crate) fn acceptor(_: &Token) -> io::Result<Acceptor> {
    absent()
}

pub(crate) fn is_refusal(_: &io::Error) -> bool {
    false
}
