//! A cacher: answers for another service from what it answered before.
//!
//! - CACHE-1: no answer is served that was asked for longer than [`Caching::stale_after`] ago.
//! - CACHE-2: at most [`Caching::kept`] requests have an answer kept; the one that was asked for longest ago goes first.
//! - CACHE-3: for one request the service is asked once at a time, however many wait for its answer.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use syncline_wire::{Call, CallError, Client, Packed, Service, ServiceError};

use crate::{Context, Error, Handle, Peer, Program};

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caching {
    /// From this age on an answer is still served, but asked for anew meanwhile.
    pub refresh: Duration,
    /// From this age on it is not served: who asks waits for a new one.
    pub stale_after: Duration,
    /// For how many different requests answers are kept.
    pub kept: usize,
}

impl Default for Caching {
    /// Refreshed after a second, never older than ten, sixteen requests.
    fn default() -> Self {
        Self { refresh: Duration::from_secs(1), stale_after: Duration::from_secs(10), kept: 16 }
    }
}

/// A service that answers as `S` does, from what `S` answered to the same request before. What the request is made of
/// counts, in its order. Requests with bulk data go to the service itself.
pub struct Cached<S: Service>(Handle<CacherService<S>>);

/// A node's side of a cacher.
pub struct CachedSide<S: Service>(Peer<CacherService<S>>);

/// The service behind a [`Cached`].
pub struct CacherService<S: Service>(Arc<Inner<S>>);

struct Inner<S: Service> {
    ctx: Context,
    target: Peer<S>,
    caching: Caching,
    /// The request that was asked last stands last.
    entries: Mutex<Vec<Arc<Entry>>>,
}

/// What is kept for one request.
struct Entry {
    request: Packed,
    latest: Mutex<Option<Kept>>,
    /// Held while the service is asked by somebody who waits for it.
    asking: tokio::sync::Mutex<()>,
    /// Whether a new answer is on its way though nobody waits for it.
    refreshing: AtomicBool,
}

/// An answer, and when it was asked for.
#[derive(Clone)]
struct Kept {
    asked: Duration,
    reply: Packed,
}

impl<T: Send + 'static> Program<T> {
    /// Adds a cacher of `service`.
    pub fn cacher<S: Service>(&mut self, label: &str, service: &Handle<S>, caching: Caching) -> Cached<S> {
        let service = service.clone();
        Cached(self.service(label, move |ctx| {
            let (ctx, target, entries) = (ctx.clone(), service.peer(ctx), Mutex::default());
            Ok(CacherService(Arc::new(Inner { ctx, target, caching, entries })))
        }))
    }
}

impl<S: Service> Cached<S> {
    /// The cacher, as the node of `ctx` reaches it.
    pub fn at(&self, ctx: &Context) -> CachedSide<S> {
        CachedSide(self.0.peer(ctx))
    }

    /// A client of the service whose calls are answered by the cacher. It follows the cacher when that is started again.
    ///
    /// ```
    /// use syncline_program::ready::Caching;
    /// use syncline_program::{Executor, Program, launch};
    /// use syncline_wire::service;
    ///
    /// #[service]
    /// trait Model {
    ///     async fn parameter(&self, at: usize) -> f32;
    /// }
    /// struct Ones;
    /// #[service]
    /// impl Model for Ones {
    ///     async fn parameter(&self, _: usize) -> f32 {
    ///         1.0
    ///     }
    /// }
    ///
    /// let mut program = Program::new("cached");
    /// let model = program.service("model", |_| Ok(Ones));
    /// let cached = program.cacher("cache", &model, Caching::default());
    /// let program = program.driver(async move |ctx| Ok(cached.client(&ctx).parameter(7).await?));
    /// assert_eq!(launch(program, Executor::threads())?.wait()?, 1.0);
    /// # Ok::<(), syncline_program::Error>(())
    /// ```
    pub fn client(&self, ctx: &Context) -> Client<S> {
        let side = Arc::new(self.at(ctx));
        let remote = |error: Error| CallError::Wire(syncline_wire::Error::Remote(error.to_string()));
        Client::through(ctx.clock().clone(), move |request| {
            let side = Arc::clone(&side);
            Box::pin(async move { side.call(request).await.map_err(remote) })
        })
    }
}

impl<S: Service> CachedSide<S> {
    /// Asks as one would ask the service.
    ///
    /// # Errors
    /// As [`Peer::call`].
    pub async fn call(&self, request: S::Request) -> Result<S::Reply, Error> {
        self.0.call(request).await
    }
}

impl<S: Service> Service for CacherService<S> {
    type Request = S::Request;
    type Reply = S::Reply;
    type Error = ServiceError;

    async fn call(&self, _: &Call<'_>, request: S::Request) -> Result<S::Reply, ServiceError> {
        let inner = &self.0;
        let packed = Packed::of(&request)?;
        if packed.has_tensors() {
            return Ok(inner.target.call(request).await?);
        }
        let entry = inner.entry(packed);
        if let Some(kept) = inner.fresh_enough(&entry) {
            return Ok(kept.reply.open()?);
        }
        let _asking = entry.asking.lock().await;
        // Somebody else may have asked meanwhile.
        let kept = match inner.fresh_enough(&entry) {
            Some(kept) => kept,
            None => inner.ask(&entry).await?,
        };
        Ok(kept.reply.open()?)
    }
}

impl<S: Service> Inner<S> {
    /// What is kept for this request, which is now the one asked last.
    fn entry(&self, request: Packed) -> Arc<Entry> {
        let mut entries = locked(&self.entries);
        let known = entries.iter().position(|entry| entry.request.body() == request.body());
        let entry = match known {
            Some(at) => entries.remove(at),
            None => Arc::new(Entry {
                request,
                latest: Mutex::default(),
                asking: tokio::sync::Mutex::default(),
                refreshing: AtomicBool::new(false),
            }),
        };
        entries.push(Arc::clone(&entry));
        if entries.len() > self.caching.kept.max(1) {
            entries.remove(0);
        }
        entry
    }

    /// The answer that may be served, if there is one; an older one is asked for anew.
    fn fresh_enough(self: &Arc<Self>, entry: &Arc<Entry>) -> Option<Kept> {
        let kept = locked(&entry.latest).clone()?;
        let age = self.ctx.clock().now().saturating_sub(kept.asked);
        if age >= self.caching.stale_after {
            return None;
        }
        if age >= self.caching.refresh && !entry.refreshing.swap(true, Ordering::SeqCst) {
            let (inner, entry) = (Arc::clone(self), Arc::clone(entry));
            self.ctx.spawn(async move {
                // A failure is for those who ask when the old answer is too old; it serves until then.
                let _ = inner.ask(&entry).await;
                entry.refreshing.store(false, Ordering::SeqCst);
            });
        }
        Some(kept)
    }

    /// Asks the service, and keeps what it answers.
    async fn ask(&self, entry: &Entry) -> Result<Kept, ServiceError> {
        let asked = self.ctx.clock().now();
        let reply = self.target.call(entry.request.open()?).await?;
        let kept = Kept { asked, reply: Packed::of(&reply)? };
        *locked(&entry.latest) = Some(kept.clone());
        Ok(kept)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that holds one of these locks can panic half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Service> Clone for Cached<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Service> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cached({})", self.0.name())
    }
}
