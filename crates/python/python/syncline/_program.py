"""Programs of nodes and services: classes whose methods other nodes call."""

from __future__ import annotations

import functools
import os
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Optional

from . import _native
from ._errors import SynclineError, UsageError
from ._here import here, is_here


class RemoteError(SynclineError):
    """A method of a service raised: ``type_name`` says what, ``remote_traceback`` where."""

    def __init__(self, type_name: str, message: str, remote_traceback: str = "") -> None:
        super().__init__(f"{type_name}: {message}")
        self.type_name = type_name
        self.remote_traceback = remote_traceback

    def __reduce__(self) -> Any:
        message = str(self)[len(self.type_name) + 2 :]
        return type(self), (self.type_name, message, self.remote_traceback)


class Node:
    """The node in which this code runs; see :func:`this_node`."""

    def __init__(self, native: _native.Node) -> None:
        self._native = native

    @property
    def name(self) -> str:
        """Such as ``worker/2``."""
        return self._native.name

    @property
    def rank(self) -> int:
        """Its number in its group, from 0."""
        return self._native.rank

    @property
    def size(self) -> int:
        """How many nodes its group has."""
        return self._native.size

    @property
    def is_virtual(self) -> bool:
        """Whether time is virtual: the program runs on ``sim``."""
        return self._native.is_virtual

    def now(self) -> float:
        """Seconds since the program began; on ``sim`` of virtual time."""
        return self._native.now()

    def sleep(self, seconds: float) -> None:
        """Lets time pass, on ``sim`` virtual time; less, where the program is asked to stop."""
        self._native.stopped_within(seconds)

    def stop(self) -> None:
        """Asks the whole program to stop."""
        self._native.stop()

    def stopped_within(self, seconds: float) -> bool:
        """Waits for the program to be asked to stop, but no longer than this; tells whether it is."""
        return self._native.stopped_within(seconds)

    @property
    def is_stopping(self) -> bool:
        """Whether the program is asked to stop: for loops that would go on."""
        return self._native.stopped_within(0.0)

    def wait_for_stop(self) -> None:
        """Returns when the program is asked to stop."""
        self._native.wait_for_stop()

    def on_stop(self, handler: Callable[[], object]) -> None:
        """Calls ``handler`` when the program is asked to stop, on a thread of its own: for what has an event of its own to wait at,
        as by ``node.on_stop(event.set)``. Not in virtual time, where a node has one thread.
        """
        if self.is_virtual:
            raise UsageError("in virtual time a node has one thread, which can wait by itself: use stopped_within or wait_for_stop")

        def wait() -> None:
            self.wait_for_stop()
            handler()

        threading.Thread(target=wait, name="syncline-on-stop", daemon=True).start()


def this_node() -> Node:
    """The node in which this is called: in the function of a node, or in a service's constructor or method.

    Raises :class:`UsageError` elsewhere, as in threads that a node has started itself.
    """
    node = here()
    if node is None:
        raise UsageError("this code runs in no node of a program")
    return node


class Handle:
    """A service, as it is given to other nodes among their arguments: there it becomes a :class:`Client`."""

    def __init__(self, native: _native.Service) -> None:
        self._native = native

    def __repr__(self) -> str:
        return f"Handle({self._native.name!r})"

    def _connect(self, node: Node) -> Client:
        return Client(node, node._native.connect(self._native), self._native.name)


class Client:
    """A service's methods, for another node: ``client.add(1)``, or ``client.futures.add(1).result()`` to go on meanwhile.

    Arrays travel as they are, other plain values as MessagePack. What a method raises is raised here as a :class:`RemoteError`.
    """

    def __init__(self, node: Node, native: _native.Caller, name: str) -> None:
        self._node = node
        self._native = native
        self._name = name

    def __repr__(self) -> str:
        return f"Client({self._name!r})"

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        return functools.partial(self._call, method)

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _given(*self._native.call(method, args, kwargs))

    def _begin(self, method: str, *args: Any, **kwargs: Any) -> Future[Any]:
        return _Begun(self._native.begin(method, args, kwargs))

    @functools.cached_property
    def futures(self) -> Futures:
        """The same methods, which give a :class:`concurrent.futures.Future`."""
        return Futures(self)


class Futures:
    """The methods of a client, called on threads; in virtual time, where a node has but one, begun by it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pool = None if client._node.is_virtual else ThreadPoolExecutor(max_workers=64, thread_name_prefix="syncline-call")

    def __getattr__(self, method: str) -> Callable[..., Future[Any]]:
        if method.startswith("_"):
            raise AttributeError(method)
        if self._pool is None:
            return functools.partial(self._client._begin, method)
        return functools.partial(self._pool.submit, self._client._call, method)


class _Begun(Future[Any]):
    """A call in virtual time that goes on meanwhile: who asks for its result waits in virtual time."""

    def __init__(self, native: _native.Begun) -> None:
        super().__init__()
        self._native: Optional[_native.Begun] = native

    def _wait(self) -> None:
        native, self._native = self._native, None
        if native is None:
            return
        try:
            self.set_result(_given(*native.wait()))
        except BaseException as error:
            self.set_exception(error)

    def result(self, timeout: Optional[float] = None) -> Any:
        self._wait()
        return super().result(timeout)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        self._wait()
        return super().exception(timeout)


class Program:
    """A program as a graph of nodes, and what it is made of.

    >>> class Counter:
    ...     def __init__(self, start): self.sum = start
    ...     def add(self, by):
    ...         self.sum += by
    ...         return self.sum
    >>> def work(counter):
    ...     counter.add(this_node().rank)
    >>> program = Program("count")
    >>> counter = program.service("counter", Counter, 10)
    >>> program.nodes("worker", 4, work, counter)
    >>> program.run()

    On processes, the script is started again for every node, and comes to the same ``launch`` there: what stands before it is
    done in each of them, and the program must be built alike.
    """

    def __init__(self, name: str, *, pickle: bool = False) -> None:
        self._native = _native.Nodes(name, pickle)

    def service(self, label: str, kind: Callable[..., Any], *args: Any, **kwargs: Any) -> Handle:
        """Adds a service: ``kind(*args, **kwargs)`` is made in its node, and handles among the arguments are clients there. Its
        public methods can be called by those who have the handle, several at once on several threads. If it has a method
        ``run``, that runs in the node as well, which ends with it.
        """
        return self.services(label, 1, kind, *args, **kwargs)[0]

    def services(self, label: str, count: int, kind: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Handle]:
        """Adds several services of one kind."""
        made: dict[str, Any] = {}

        def make(native: _native.Node) -> Any:
            node = Node(native)
            served = _made(node, kind, args, kwargs)
            made[node.name] = served
            return functools.partial(_serve, node, served)

        def run(native: _native.Node, _: Any) -> None:
            node = Node(native)
            _made(node, made[node.name].run, (), {})

        found = self._native.serve(label, count, make, run if hasattr(kind, "run") else None)
        return [Handle(service) for service in found]

    def nodes(self, label: str, count: int, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Adds nodes that call ``function(*args, **kwargs)`` and end with it; handles among the arguments are clients there."""

        def run(native: _native.Node) -> None:
            _made(Node(native), function, args, kwargs)

        self._native.nodes(label, count, run)

    def node(self, label: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Adds one node."""
        self.nodes(label, 1, function, *args, **kwargs)

    def launch(self, on: str = "threads", *, seed: Optional[int] = None, network: Optional[str] = None) -> Run:
        """Starts the program. In the process of a node it does not return.

        ``on`` is ``threads`` (of this process), ``processes`` or ``tmux`` (of this machine), ``ssh:hosts.txt`` or ``slurm`` (of
        hosts that have this interpreter and its packages at the same path), or ``sim``: virtual time, on one thread at a time. There a
        program whose nodes do the same does the same again, step by step, and time passes by :meth:`Node.sleep` and on the
        ``network`` only (such as ``1Gbit/100us``; by default messages take no time); ``seed`` decides among what happens at the
        same time.

        >>> def tick():
        ...     this_node().sleep(3600)
        ...     print(this_node().name, this_node().now())
        >>> program = Program("ticks")
        >>> program.node("clock", tick)
        >>> program.run("sim")
        clock/0 3600.0
        """
        if on not in ("threads", "sim"):
            start_again()
        return Run(self._native.launch(on, seed, network))

    def run(self, on: str = "threads", *, seed: Optional[int] = None, network: Optional[str] = None) -> None:
        """Launches the program and waits for its end."""
        self.launch(on, seed=seed, network=network).wait()


class Run:
    """A program that has been launched."""

    def __init__(self, native: _native.Running) -> None:
        self._native = native

    def stop(self) -> None:
        """Asks it to stop."""
        self._native.stop()

    def wait(self) -> None:
        """Returns when all nodes that run have ended, or one has asked the program to stop.

        Raises :class:`SynclineError` when a node has failed, with its name, and :class:`KeyboardInterrupt`.
        """
        self._native.wait()


def start_again() -> None:
    """Says how this script is started again for nodes that are processes, and makes ready for being one."""
    _native.started_by(sys.executable, _this_script(), sys.argv[1:])
    if _native.enrol() is not None:
        # Its lines are passed on one by one, and the process ends without the interpreter's last words.
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _this_script() -> list[str]:
    """What comes first among the interpreter's arguments, to run this program again."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return ["-m", spec.name.removesuffix(".__main__") if hasattr(str, "removesuffix") else spec.name]
    if getattr(main, "__file__", None) is None:
        raise UsageError("a program on processes is started again for each node, so it must be a script: use threads here")
    return [os.path.abspath(str(main.__file__))]


def _made(node: Node, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """What a function gives in a node; what it raises is shown where it happened, and is the node's failure."""
    is_here(node)
    try:
        return function(*_connected(node, args), **_connected(node, kwargs))
    except BaseException as error:
        if node.is_stopping:
            return None
        traceback.print_exc()
        raise RuntimeError(f"{type(error).__name__}: {error}") from None
    finally:
        is_here(None)


def _connected(node: Node, value: Any) -> Any:
    """The same value, with clients in the place of handles; without any it is the very same."""
    if isinstance(value, Handle):
        return value._connect(node)
    if not _has_handles(value):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_connected(node, item) for item in value)
    return {key: _connected(node, item) for key, item in value.items()}


def _has_handles(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(_has_handles(item) for item in value)
    if type(value) is dict:
        return any(_has_handles(item) for item in value.values())
    return isinstance(value, Handle)


def _serve(node: Node, served: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Any]:
    """Calls a method of a served object; tells whether it raised, and what it gave or raised."""
    is_here(node)
    try:
        if method.startswith("_") or method == "run" or not callable(getattr(type(served), method, None)):
            raise AttributeError(f"{type(served).__name__} has no public method `{method}`")
        return False, getattr(served, method)(*args, **kwargs)
    except Exception as error:
        return True, (type(error).__name__, str(error), traceback.format_exc())
    finally:
        is_here(None)


def _given(has_raised: bool, value: Any) -> Any:
    """What a method gave; what it raised is raised."""
    if has_raised:
        raise RemoteError(*value)
    return value
