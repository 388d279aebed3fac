"""Metrics: counters, gauges and histograms whose attributes can be bound once.

>>> hits = meter("shop").counter("shop.hits", unit="{hit}")
>>> hits.add(1, {"page": "home"})
>>> hits.bind(page="home").add()
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import metrics as _api
from opentelemetry.metrics import Observation

from infra_otel.semconv import SCHEMA_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.metrics import CallbackOptions

__all__ = ["Counter", "Gauge", "Histogram", "Meter", "UpDownCounter", "meter"]

_logger = logging.getLogger("infra_otel")
_INFINITY = math.inf


class _Instrument:
    __slots__ = ("_add", "_attributes", "_told", "name", "otel")
    _method = "add"

    def __init__(
        self,
        name: str,
        otel: Any,
        attributes: dict[str, Any] | None = None,
        told: list[str] | None = None,
    ) -> None:
        self.name = name
        #: the OpenTelemetry instrument below
        self.otel = otel
        self._add: Callable[..., None] = getattr(otel, self._method)
        self._attributes = attributes
        self._told = [] if told is None else told

    def bind(self, /, **attributes: Any) -> Self:
        """Return the instrument with these attributes fixed; `**{"http.route": …}` for dots."""
        both = {**(self._attributes or {}), **attributes}
        # the SDK sorts them at each call, which is fastest for what is sorted
        return type(self)(self.name, self.otel, dict(sorted(both.items())), self._told)

    def _with(self, attributes: Mapping[str, Any] | None) -> Any:
        if attributes is None:
            return self._attributes
        return attributes if self._attributes is None else {**self._attributes, **attributes}

    def _refuse(self, value: object) -> None:
        if not self._told:
            self._told.append(self.name)
            _logger.warning("metric %s: %r is dropped, and so are others like it", self.name, value)


class Counter(_Instrument):
    """A sum that only grows."""

    __slots__ = ()

    def add(self, n: float = 1, attributes: Mapping[str, Any] | None = None) -> None:
        """Add; what is negative or no number is dropped, which is logged once."""
        if 0 <= n < _INFINITY:
            self._add(n, self._attributes if attributes is None else self._with(attributes))
        else:
            self._refuse(n)


class UpDownCounter(_Instrument):
    """A sum that grows and shrinks."""

    __slots__ = ()

    def add(self, n: float, attributes: Mapping[str, Any] | None = None) -> None:
        """Add, or take away what is negative; what is no number is dropped."""
        if -_INFINITY < n < _INFINITY:
            self._add(n, self._attributes if attributes is None else self._with(attributes))
        else:
            self._refuse(n)


class Gauge(_Instrument):
    """A value that is what it was set to last."""

    __slots__ = ()
    _method = "set"

    def set(self, v: float, attributes: Mapping[str, Any] | None = None) -> None:
        """Set; what is no number is dropped."""
        if -_INFINITY < v < _INFINITY:
            self._add(v, self._attributes if attributes is None else self._with(attributes))
        else:
            self._refuse(v)


class Histogram(_Instrument):
    """A distribution: count, sum and buckets."""

    __slots__ = ()
    _method = "record"

    def record(self, v: float, attributes: Mapping[str, Any] | None = None) -> None:
        """Record; what is negative or no number is dropped."""
        if 0 <= v < _INFINITY:
            self._add(v, self._attributes if attributes is None else self._with(attributes))
        else:
            self._refuse(v)

    def timer(self, attributes: Mapping[str, Any] | None = None) -> Timer:
        """Record how many seconds a `with` block takes, also if it raises."""
        return Timer(self, attributes)


class Timer:
    """The `with` block of `Histogram.timer`."""

    __slots__ = ("_attributes", "_histogram", "_since")

    def __init__(self, histogram: Histogram, attributes: Mapping[str, Any] | None) -> None:
        self._histogram, self._attributes = histogram, attributes

    def __enter__(self) -> Self:
        self._since = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._histogram.record(time.perf_counter() - self._since, self._attributes)


class Meter:
    """Makes instruments; made before `configure`, they work from then on."""

    __slots__ = ("otel",)

    def __init__(self, otel: _api.Meter) -> None:
        #: the OpenTelemetry meter below
        self.otel = otel

    def counter(self, name: str, *, unit: str = "", description: str = "") -> Counter:
        """Make a counter. A unit is UCUM's: `s`, `By`, `{request}`."""
        return Counter(name, self.otel.create_counter(name, unit, description))

    def up_down_counter(self, name: str, *, unit: str = "", description: str = "") -> UpDownCounter:
        """Make an up-down-counter."""
        return UpDownCounter(name, self.otel.create_up_down_counter(name, unit, description))

    def gauge(self, name: str, *, unit: str = "", description: str = "") -> Gauge:
        """Make a gauge."""
        return Gauge(name, self.otel.create_gauge(name, unit, description))

    def histogram(
        self,
        name: str,
        *,
        unit: str = "",
        description: str = "",
        buckets: Sequence[float] | None = None,
    ) -> Histogram:
        """Make a histogram; `buckets` are the upper bounds, in its unit."""
        made = self.otel.create_histogram(
            name, unit, description, explicit_bucket_boundaries_advisory=buckets
        )
        return Histogram(name, made)

    def observable_counter(
        self, name: str, callback: Callable[[], Any], *, unit: str = "", description: str = ""
    ) -> None:
        """Have a growing sum asked for at each collection, as `observable_gauge` does."""
        self.otel.create_observable_counter(name, [_observed(name, callback)], unit, description)

    def observable_gauge(
        self,
        name: str,
        callback: Callable[[], float | Iterable[tuple[float, Mapping[str, Any]]]],
        *,
        unit: str = "",
        description: str = "",
    ) -> None:
        """Have a value asked for, once at each collection.

        Args:
            name: of the metric.
            callback: returns a number, or pairs of a number and its attributes. One that raises is
                logged, and nothing is told this time.
            unit: by UCUM.
            description: for people.
        """
        self.otel.create_observable_gauge(name, [_observed(name, callback)], unit, description)


def meter(name: str, version: str | None = None) -> Meter:
    """Return a meter.

    Args:
        name: the instrumented library or part of the application.
        version: its version.
    """
    return Meter(_api.get_meter(name, version or "", schema_url=SCHEMA_URL))


def _observed(
    name: str, callback: Callable[[], float | Iterable[tuple[float, Mapping[str, Any]]]]
) -> Callable[[CallbackOptions], list[Observation]]:
    def observe(_: CallbackOptions) -> list[Observation]:
        try:
            found = callback()
            if isinstance(found, int | float):
                return [Observation(found)]
            return [Observation(value, dict(attributes)) for value, attributes in found]
        except Exception as exc:  # noqa: BLE001  # the other instruments are still collected
            _logger.warning("metric %s: its callback raised %s", name, type(exc).__name__)
            return []

    return observe
