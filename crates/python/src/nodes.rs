//! Programs of nodes and services whose bodies are Python's.
//!
//! A service is an object of Python behind one method: which of its methods is meant stands beside the arguments, which are a
//! [`Message`].
//! What Python does runs on threads of its own, so that a service can take several calls at once and no node's runtime is
//! held up; in virtual time these take turns (`turns`).

use std::{
    future::{Future, poll_fn},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};
use syncline::{
    prelude::service,
    program::{self, Context, Error, Executor, Handle, NodeResult, Program, Run, Task},
    wire::{self, CallError, Client, Network, ServiceError},
};
use tokio::{runtime, sync::OnceCell, task};

use crate::{
    errors::{SynclineError, UsageError, failed, interrupted},
    message::{Answer, Message},
    places,
    turns::{self, Broken},
};

/// A service of Python.
#[service]
pub(crate) trait Methods {
    /// Calls a method.
    async fn ask(&self, method: String, message: Message) -> Result<Message, ServiceError>;
}

/// An object of Python, as it is served.
pub(crate) struct Object {
    ctx: Context,
    make: Arc<Py<PyAny>>,
    made: OnceCell<Arc<Py<PyAny>>>,
    may_pickle: bool,
}

impl Object {
    fn new(ctx: &Context, make: &Arc<Py<PyAny>>, may_pickle: bool) -> Self {
        Self { ctx: ctx.clone(), make: Arc::clone(make), made: OnceCell::new(), may_pickle }
    }

    /// What the calls go to, which is made once.
    async fn made(&self) -> Result<Arc<Py<PyAny>>, String> {
        let make = || async {
            let (make, node) = (Arc::clone(&self.make), Node::new(&self.ctx));
            apart(&self.ctx, move |py| Ok(Arc::new(make.call1(py, (node,))?))).await
        };
        self.made.get_or_try_init(make).await.cloned()
    }
}

#[service]
impl Methods for Object {
    async fn ask(&self, method: String, message: Message) -> Result<Message, ServiceError> {
        let object = self.made().await.map_err(ServiceError::new)?;
        let may_pickle = self.may_pickle;
        let called = apart(&self.ctx, move |py| {
            let answer = answered(object.bind(py), &method, message, may_pickle);
            answer.or_else(|error| Message::refusal(py, &method, &error))
        });
        called.await.map_err(ServiceError::new)
    }
}

/// What a method of an object comes to, by a function that is given its name and its arguments.
fn answered(
    object: &Bound<'_, PyAny>,
    method: &str,
    message: Message,
    may_pickle: bool,
) -> PyResult<Message> {
    let (args, kwargs) = message.arguments(object.py(), may_pickle)?;
    let answer = object.call1((method, args, kwargs))?.extract()?;
    Message::answer(method, answer, may_pickle)
}

/// What Python gives, on a thread of its own; what it raises as a sentence.
async fn apart<T: Send + 'static>(
    ctx: &Context,
    work: impl FnOnce(Python<'_>) -> PyResult<T> + Send + 'static,
) -> Result<T, String> {
    let work = || Python::attach(|py| work(py).map_err(|error| error.to_string()));
    if ctx.clock().is_virtual() {
        return turns::in_turns(ctx.name(), work).await?;
    }
    task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// A node, as its body in Python sees it.
#[pyclass(frozen, module = "syncline._native")]
#[derive(Clone)]
pub(crate) struct Node {
    ctx: Context,
    /// The node's own; nothing in virtual time.
    runtime: Option<runtime::Handle>,
}

impl Node {
    /// Within the node's runtime, where it has one.
    fn new(ctx: &Context) -> Self {
        let runtime = (!ctx.clock().is_virtual()).then(runtime::Handle::current);
        Self { ctx: ctx.clone(), runtime }
    }

    /// Waits on this thread, which is not the runtime's, without the interpreter's lock.
    ///
    /// # Errors
    /// When the node is gone: a runtime that is shut down panics in whoever still waits by it. In virtual time also on threads that the
    /// node's own code has started.
    fn wait<T: Send + 'static>(
        &self,
        py: Python<'_>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> PyResult<T> {
        let wait = AssertUnwindSafe(|| match &self.runtime {
            Some(runtime) => Ok(runtime.block_on(future)),
            None => turns::wait(future),
        });
        match py.detach(|| catch_unwind(wait)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Broken::Elsewhere)) => Err(UsageError::new_err(
                "in virtual time only a node's own thread can call and wait: use `client.futures` in place of threads",
            )),
            Ok(Err(Broken::Gone)) | Err(_) => Err(SynclineError::new_err("the program has stopped")),
        }
    }
}

#[pymethods]
impl Node {
    #[getter]
    fn name(&self) -> String {
        self.ctx.name().to_owned()
    }

    #[getter]
    fn rank(&self) -> usize {
        self.ctx.rank()
    }

    #[getter]
    fn size(&self) -> usize {
        self.ctx.size()
    }

    #[getter]
    fn incarnation(&self) -> u32 {
        self.ctx.incarnation()
    }

    /// Asks the whole program to stop.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let ctx = self.ctx.clone();
        self.wait(py, async move { ctx.stop().await })?.map_err(failed)
    }

    /// Waits until the program is asked to stop.
    fn wait_for_stop(&self, py: Python<'_>) -> PyResult<()> {
        let ctx = self.ctx.clone();
        self.wait(py, async move { ctx.stopped().await })
    }

    /// Whether time is virtual.
    #[getter]
    fn is_virtual(&self) -> bool {
        self.ctx.clock().is_virtual()
    }

    /// Seconds since the program began.
    fn now(&self) -> f64 {
        self.ctx.clock().now().as_secs_f64()
    }

    /// Whether the program is asked to stop within so many seconds.
    fn stopped_within(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let time =
            Duration::try_from_secs_f64(seconds).map_err(|error| UsageError::new_err(error.to_string()))?;
        let ctx = self.ctx.clone();
        self.wait(py, async move { ctx.stopped_within(time).await })
    }

    /// A client of a service.
    fn connect(&self, py: Python<'_>, service: &Service) -> PyResult<Caller> {
        let (ctx, handle) = (self.ctx.clone(), service.handle.clone());
        let client = self.wait(py, async move { handle.connect(&ctx).await })?.map_err(failed)?;
        Ok(Caller { client, node: self.clone(), may_pickle: service.may_pickle })
    }
}

/// A service of a program.
#[pyclass(frozen, module = "syncline._native")]
pub(crate) struct Service {
    handle: Handle<Object>,
    may_pickle: bool,
}

#[pymethods]
impl Service {
    #[getter]
    fn name(&self) -> String {
        self.handle.name().to_string()
    }
}

/// A client of a service, in one node.
#[pyclass(frozen, module = "syncline._native")]
pub(crate) struct Caller {
    client: Client<Object>,
    node: Node,
    may_pickle: bool,
}

#[pymethods]
impl Caller {
    /// Calls a method, and waits for what it comes to.
    fn call<'py>(
        &self,
        py: Python<'py>,
        method: String,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Answer<'py>> {
        let message = Message::call(&method, args, kwargs, self.may_pickle)?;
        let client = self.client.clone();
        let answer = self.node.wait(py, async move { client.ask(method, message).await })?;
        answer.map_err(failed)?.answered(py, self.may_pickle)
    }

    /// Calls a method, and goes on meanwhile.
    fn begin(
        &self,
        py: Python<'_>,
        method: String,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
    ) -> PyResult<Begun> {
        let message = Message::call(&method, args, kwargs, self.may_pickle)?;
        let (ctx, client) = (self.node.ctx.clone(), self.client.clone());
        #[expect(clippy::async_yields_async, reason = "the call goes on, and is waited for later")]
        let call = async move { ctx.spawn(async move { client.ask(method, message).await }) };
        let task = self.node.wait(py, call)?;
        Ok(Begun { task: Mutex::new(Some(task)), node: self.node.clone(), may_pickle: self.may_pickle })
    }
}

/// How a call ends.
type End = Result<Message, CallError<ServiceError>>;

/// A call whose answer is still to come.
#[pyclass(frozen, module = "syncline._native")]
pub(crate) struct Begun {
    /// Nothing once somebody has waited.
    task: Mutex<Option<Task<End>>>,
    node: Node,
    may_pickle: bool,
}

#[pymethods]
impl Begun {
    /// Waits for the answer: once.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Answer<'py>> {
        let task = mem::take(&mut *self.task.lock().unwrap_or_else(PoisonError::into_inner));
        let task = task.ok_or_else(|| UsageError::new_err("the answer has been waited for already"))?;
        self.node.wait(py, task)?.map_err(failed)?.map_err(failed)?.answered(py, self.may_pickle)
    }
}

/// A program in the making; nothing once it has been launched.
#[pyclass(module = "syncline._native")]
pub(crate) struct Nodes {
    program: Mutex<Option<Program<()>>>,
    may_pickle: bool,
}

impl Nodes {
    fn program(&mut self) -> PyResult<&mut Program<()>> {
        let program = self.program.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut();
        program.ok_or_else(|| UsageError::new_err("the program has been launched already"))
    }
}

#[pymethods]
impl Nodes {
    /// With `may_pickle` other values travel pickled.
    #[new]
    fn new(name: &str, may_pickle: bool) -> Self {
        Self { program: Mutex::new(Some(Program::new(name))), may_pickle }
    }

    /// Adds services: `make` is called in each node with it, and gives what is called with the name of a method and its
    /// arguments, and tells whether that raised and what it gave or raised. With `run` that is called with the node in each as well, and the node ends when it returns.
    #[pyo3(signature = (label, count, make, run=None))]
    fn serve(
        &mut self,
        label: &str,
        count: usize,
        make: Py<PyAny>,
        run: Option<Py<PyAny>>,
    ) -> PyResult<Vec<Service>> {
        let (make, may_pickle) = (Arc::new(make), self.may_pickle);
        let build = move |ctx: &Context| Ok(Object::new(ctx, &make, may_pickle));
        let group = self.program()?.group(label, count);
        let handles = match run {
            None => group.serve(build),
            Some(run) => {
                let run = Arc::new(run);
                group.serve_and_run(build, async move |object: Arc<Object>, ctx: Context| {
                    let (run, made) = (Arc::clone(&run), object.made().await?);
                    body(&ctx, move |py, node| run.call1(py, (node, &*made)).map(drop)).await
                })
            }
        };
        Ok(handles.into_iter().map(|handle| Service { handle, may_pickle }).collect())
    }

    /// Adds nodes: `run` is called with each.
    fn nodes(&mut self, label: &str, count: usize, run: Py<PyAny>) -> PyResult<()> {
        let run = Arc::new(run);
        self.program()?.nodes(label, count, async move |ctx: Context| {
            let run = Arc::clone(&run);
            body(&ctx, move |py, node| run.call1(py, (node,)).map(drop)).await
        });
        Ok(())
    }

    /// Launches the program. In the process of a node it does not return.
    ///
    /// `seed` and `network` are of virtual time.
    #[pyo3(signature = (on, seed=None, network=None))]
    fn launch(
        &mut self,
        py: Python<'_>,
        on: &str,
        seed: Option<u64>,
        network: Option<&str>,
    ) -> PyResult<Running> {
        let executor = executor(on, seed, network).map_err(UsageError::new_err)?;
        self.program()?;
        let program = self.program.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let program = program.ok_or_else(|| failed("the program is gone"))?;
        let run = py.detach(|| program::launch(program, executor)).map_err(raised)?;
        Ok(Running(Mutex::new(Some(run))))
    }
}

/// Where a program is to run.
fn executor(on: &str, seed: Option<u64>, network: Option<&str>) -> Result<Executor, String> {
    let executor = places::executor(on)?;
    if !executor.is_sim() && (seed.is_some() || network.is_some()) {
        return Err(format!("`seed` and `network` are of virtual time, on `sim`, and not on `{on}`"));
    }
    let executor = seed.into_iter().fold(executor, Executor::seed);
    let network: Option<Network> = match network {
        Some(text) => Some(text.parse().map_err(|error: wire::NetworkError| error.to_string())?),
        None => None,
    };
    Ok(network.into_iter().fold(executor, Executor::network))
}

/// Runs a node's body in Python. A thread of Python cannot be ended, so the node takes care of its own end: it is not dropped when
/// the program stops, but may go on for as long as the executor's notice is.
async fn body(
    ctx: &Context,
    work: impl FnOnce(Python<'_>, Node) -> PyResult<()> + Send + 'static,
) -> NodeResult<()> {
    let node = Node::new(ctx);
    // Asking for it once is what tells so; to wait for it would look as if the node did nothing else.
    poll_fn(|context| {
        let _ = pin!(ctx.stopped()).poll(context);
        Poll::Ready(())
    })
    .await;
    Ok(apart(ctx, move |py| work(py, node)).await?)
}

/// A program that has been launched.
#[pyclass(frozen, module = "syncline._native")]
pub(crate) struct Running(Mutex<Option<Run<()>>>);

#[pymethods]
impl Running {
    /// Asks it to stop.
    fn stop(&self) {
        if let Some(run) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            run.stop();
        }
    }

    /// Waits for its end.
    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        let ended = py.detach(|| {
            let run = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            run.map_or(Ok(()), Run::wait)
        });
        match ended {
            // Asked for by a node or by `stop`.
            Ok(()) | Err(Error::Stopped) => Ok(()),
            Err(error) => Err(raised(error)),
        }
    }
}

fn raised(error: Error) -> PyErr {
    match error {
        Error::Interrupted(by) => interrupted(by),
        error => SynclineError::new_err(error.to_string()),
    }
}
