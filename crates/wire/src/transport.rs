//! Byte streams: Unix sockets and TCP behind one type, so that what is above need not know which.

use crate::{Address, Error, Limits, Result};
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
    pub(crate) async fn connect(address: &Address, limits: &Limits) -> Result<Stream> {
        let mut last = match Stream::attempt(address, limits).await {
            Err(error) if is_not_there_yet(&error) && !limits.connect.is_zero() => error,
            outcome => return outcome.map_err(Error::io("connect to", address)),
        };
        let attempts = async {
            loop {
                tokio::time::sleep(RETRY).await;
                match Stream::attempt(address, limits).await {
                    Err(error) if is_not_there_yet(&error) => last = error,
                    outcome => break outcome,
                }
            }
        };
        let outcome = tokio::time::timeout(limits.connect, attempts).await;
        outcome.unwrap_or_else(|_| Err(last)).map_err(Error::io("connect to", address))
    }

    async fn attempt(address: &Address, limits: &Limits) -> io::Result<Stream> {
        let attempt = async {
            match address {
                Address::Unix(path) => Ok(UnixStream::connect(path).await?.into()),
                Address::Tcp { host, port } => TcpStream::connect((host.as_str(), *port)).await?.try_into(),
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
        // Frames leave whole; waiting to merge them would only add the peer's acknowledgement to each round trip.
        stream.set_nodelay(true)?;
        if stream.peer_addr()?.ip().is_loopback() {
            leave_unpaced(&stream);
        }
        let (read, write) = stream.into_split();
        Ok(Stream { read: Box::new(read), write: Box::new(write) })
    }
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
}

impl Acceptor {
    /// Binds, and returns the address bound (with the port that the system chose).
    pub(crate) async fn bind(address: &Address) -> io::Result<(Acceptor, Address)> {
        match address {
            Address::Unix(path) => Ok((Acceptor::Unix(bind_owner_only(path)?), address.clone())),
            Address::Tcp { host, port } => {
                let listener = TcpListener::bind((host.as_str(), *port)).await?;
                let bound = Address::Tcp { host: host.clone(), port: listener.local_addr()?.port() };
                Ok((Acceptor::Tcp(listener), bound))
            }
            Address::Sim(_) => Err(only_in_a_simulation()),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Acceptor::Unix(listener) => Ok(listener.accept().await?.0.into()),
            Acceptor::Tcp(listener) => listener.accept().await?.0.try_into(),
        }
    }
}

/// Nobody can connect between `bind` and `listen`, so the socket is never reachable with wider permissions.
fn bind_owner_only(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)
}
