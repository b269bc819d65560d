//! Byte streams: Unix sockets, TCP and TLS behind one type, so that what is above need not know which.

use crate::{Address, Error, Identity, Limits, Result, tls};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixSocket, UnixStream};

pub(crate) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Pause between attempts to reach a server that does not listen yet.
const RETRY: Duration = Duration::from_millis(5);

/// An open connection, as its two halves.
pub(crate) struct Stream {
    pub read: ReadHalf,
    pub write: WriteHalf,
}

impl Stream {
    /// Connects, waiting up to [`Limits::connect`] for a server that does not listen yet.
    pub(crate) async fn connect(address: &Address, identity: &Identity, limits: &Limits) -> Result<Stream> {
        let refused = |error: io::Error| match tls::is_refusal(&error) {
            true => Error::Untrusted { peer: address.to_string(), reason: error.to_string() },
            false => Error::io("connect to", address)(error),
        };
        let mut last = match Stream::attempt(address, identity, limits).await {
            Err(error) if is_not_there_yet(&error) && !limits.connect.is_zero() => error,
            outcome => return outcome.map_err(refused),
        };
        let attempts = async {
            loop {
                tokio::time::sleep(RETRY).await;
                match Stream::attempt(address, identity, limits).await {
                    Err(error) if is_not_there_yet(&error) => last = error,
                    outcome => break outcome,
                }
            }
        };
        let outcome = tokio::time::timeout(limits.connect, attempts).await;
        outcome.unwrap_or_else(|_| Err(last)).map_err(refused)
    }

    async fn attempt(address: &Address, identity: &Identity, limits: &Limits) -> io::Result<Stream> {
        let attempt = async {
            match address {
                Address::Unix(path) => Ok(UnixStream::connect(path).await?.into()),
                Address::Tcp { host, port } => TcpStream::connect((host.as_str(), *port)).await?.try_into(),
                Address::Tls { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    tls::connect(prepared(stream)?, &identity.token).await
                }
                Address::Sim(_) => Err(only_in_a_simulation()),
            }
        };
        let in_time = tokio::time::timeout(limits.handshake, attempt).await;
        in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

fn only_in_a_simulation() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "such an address exists within a simulation only")
}

/// What a starting server looks like from outside.
fn is_not_there_yet(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotFound, WouldBlock};
    matches!(error.kind(), ConnectionRefused | NotFound | WouldBlock)
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Stream {
        let (read, write) = stream.into_split();
        Stream { read: Box::new(read), write: Box::new(write) }
    }
}

impl TryFrom<TcpStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<Stream> {
        let (read, write) = prepared(stream)?.into_split();
        Ok(Stream { read: Box::new(read), write: Box::new(write) })
    }
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    // Frames leave whole; waiting to merge them would only add the peer's acknowledgement to each round trip.
    stream.set_nodelay(true)?;
    if stream.peer_addr()?.ip().is_loopback() {
        leave_unpaced(&stream);
    }
    Ok(stream)
}

/// Within a machine nothing is lost and nothing congested. Where the system's choice is BBR, its pacing timers can halve
/// the speed of a 1 MiB message. A system that does not have the option works all the same.
fn leave_unpaced(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = rustix::net::sockopt::set_tcp_congestion(stream, "reno");
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

/// A bound socket.
pub(crate) enum Acceptor {
    Unix(UnixListener),
    Tcp(TcpListener),
    Tls(TcpListener, tls::Acceptor),
}

/// Somebody who has connected, and may still have to agree on how to talk.
pub(crate) enum Accepted {
    Open(Stream),
    Tls(TcpStream, tls::Acceptor),
}

impl Accepted {
    /// As long as the other side takes.
    pub(crate) async fn into_stream(self) -> io::Result<Stream> {
        match self {
            Accepted::Open(stream) => Ok(stream),
            Accepted::Tls(stream, acceptor) => tls::accept(prepared(stream)?, &acceptor).await,
        }
    }
}

impl Acceptor {
    /// Binds, and returns the address bound (with the port that the system chose).
    pub(crate) async fn bind(address: &Address, identity: &Identity) -> io::Result<(Acceptor, Address)> {
        match address {
            Address::Unix(path) => Ok((Acceptor::Unix(bind_owner_only(path)?), address.clone())),
            Address::Tcp { host, port } => {
                let listener = TcpListener::bind((host.as_str(), *port)).await?;
                let bound = Address::Tcp { host: host.clone(), port: listener.local_addr()?.port() };
                Ok((Acceptor::Tcp(listener), bound))
            }
            Address::Tls { host, port } => {
                let acceptor = tls::acceptor(&identity.token)?;
                let listener = TcpListener::bind((host.as_str(), *port)).await?;
                let bound = Address::Tls { host: host.clone(), port: listener.local_addr()?.port() };
                Ok((Acceptor::Tls(listener, acceptor), bound))
            }
            Address::Sim(_) => Err(only_in_a_simulation()),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Acceptor::Unix(listener) => Accepted::Open(listener.accept().await?.0.into()),
            Acceptor::Tcp(listener) => Accepted::Open(listener.accept().await?.0.try_into()?),
            Acceptor::Tls(listener, acceptor) => Accepted::Tls(listener.accept().await?.0, acceptor.clone()),
        })
    }
}

/// Nobody can connect between `bind` and `listen`, so the socket is never reachable with wider permissions.
fn bind_owner_only(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)
}
