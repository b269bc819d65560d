"""Systems with barriers under a stream of jobs: every formula that is known, bounds, and a simulator.

Distributions of task sizes: ``exp:RATE``, ``shifted:SHIFT,RATE``, ``erlang:M,RATE``, ``gamma:SHAPE,RATE``,
``hyper:P,RATE1,RATE2``, ``uniform:A,B``, ``weibull:SHAPE,SCALE``, ``lognormal:MU,SIGMA``, ``pareto:SHAPE,SCALE``, ``const:X``,
``file:PATH``. Arrivals: ``exp:RATE`` (Poisson), ``det:RATE``, ``renewal:DISTRIBUTION``, ``file:PATH``.

>>> from syncline import queue
>>> answer = queue.mean(system="split-merge", workers=2, arrivals="exp:0.5", service="exp:1")
>>> [(each.kind, round(each.value, 6)) for each in answer.estimates()][0]
('exact', 5.0)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Union

from ._ask import Path, path
from ._ask import ask as _ask
from ._document import Document
from ._frames import frame as _frame

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas

__all__ = ["Answer", "Estimate", "Series", "Simulated", "Sweep", "bound", "mean", "optimal_tasks", "scaling", "simulate", "stability", "sweep"]

Rates = Union[str, float, Iterable[float]]


class Estimate(Document):
    """A number, what it is, and where it comes from."""

    value: float
    kind: str
    """``exact``, ``approximation``, ``upper bound``, ``lower bound`` or ``fit``."""
    method: str
    validity: str
    source: str


class _Quantity(Document):
    _parts = {"estimates": Estimate}


class Answer(Document):
    """What is known of a system."""

    model: str
    arrival_rate: float
    utilisation: float
    answers: list[Document]

    _parts = {"answers": _Quantity}

    def estimates(self) -> list[Estimate]:
        """All numbers, of all quantities, in order."""
        return [estimate for quantity in self.answers for estimate in quantity.estimates]

    def to_pandas(self) -> pandas.DataFrame:
        """One row a number."""
        rows = [{"quantity": one.quantity, **each} for one in self.answers for each in one.estimates]
        return _frame(rows)


class Simulated(Document):
    """What a simulation measured; each value with its standard error and half of its 95 % interval."""

    model: str
    mean: Document
    wait: Document
    throughput: Document
    jobs: int
    quantiles: list[Document]


class Series(Document):
    """A curve over the arrival rate."""

    name: str
    kind: str
    points: list[Document]

    @property
    def arrival_rate(self) -> npt.NDArray[np.float64]:
        """Where it was looked at."""
        return self._column("arrival_rate")

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """What was found there."""
        return self._column("value")

    @property
    def half_width(self) -> npt.NDArray[np.float64]:
        """Half of the 95 % interval; 0 for formulas."""
        return self._column("half_width")

    def _column(self, name: str) -> npt.NDArray[np.float64]:
        import numpy

        return numpy.array([point[name] for point in self.points], dtype=numpy.float64)


class Sweep(Document):
    """Curves over the arrival rate, one for each formula and for the simulation."""

    series: list[Series]

    _parts = {"series": Series}

    def to_pandas(self) -> pandas.DataFrame:
        """One row a point."""
        rows = [{"name": one.name, "kind": one.kind, **point} for one in self.series for point in one.points]
        return _frame(rows)


def stability(*, system: str, workers: int, arrivals: str, service: str, **options: Any) -> Answer:
    """The largest stable arrival rate, and how far the given one is from it."""
    return Answer(_ask("queue", "stability", options=_system(system, workers, arrivals, service, options)))


def mean(*, system: str, workers: int, arrivals: str, service: str, **options: Any) -> Answer:
    """The mean time from arrival to departure by every formula known for the system.

    Raises :class:`SynclineError` where the system is not stable.
    """
    return Answer(_ask("queue", "mean", options=_system(system, workers, arrivals, service, options)))


def bound(
    *, system: str, workers: int, arrivals: str, service: str, quantile: float = 1e-6, **options: Any
) -> Answer:
    """The time that a job exceeds with at most the probability ``quantile``, exactly or as a bound."""
    options["quantile"] = quantile
    return Answer(_ask("queue", "bound", options=_system(system, workers, arrivals, service, options)))


def simulate(*, system: str, workers: int, arrivals: str, service: str, **options: Any) -> Simulated:
    """Simulates the system; further options are those of ``syncline queue simulate``, such as ``jobs`` and ``seed``.

    >>> found = simulate(system="split-merge", workers=2, arrivals="exp:0.5", service="exp:1", jobs=100_000)
    >>> abs(found.mean.value - 5.0) < 4 * found.mean.half_width_95
    True
    """
    return Simulated(_ask("queue", "simulate", options=_system(system, workers, arrivals, service, options)))


def sweep(*, system: str, workers: int, service: str, arrival_rate: Rates, **options: Any) -> Sweep:
    """Every formula, and the simulated value, at each arrival rate: numbers, or ``"0.1..1.4:0.1"``."""
    given = {"system": system, "workers": workers, "service": service, "arrival_rate": arrival_rate, **options}
    return Sweep(_ask("queue", "sweep", options=given))


def optimal_tasks(**options: Any) -> Document:
    """Into how many tasks a job should be cut, given what each task costs; options as of ``syncline queue optimal-tasks``."""
    return Document(_ask("queue", "optimal-tasks", options=options))


def scaling(file: Path, *, law: str, **options: Any) -> Document:
    """Fits a law of scaling (``ernest``, ``usl``, ...) to a file of a few runs, and tells other sizes."""
    return Document(_ask("queue", "scaling", options={"law": law, **options}, values=[path(file)]))


def _system(system: str, workers: int, arrivals: str, service: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"system": system, "workers": workers, "arrivals": arrivals, "service": service, **options}
