"""`OtelBuilder`: the settings, one step after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from infra_otel.settings import OtelSettings, SignalOptions

if TYPE_CHECKING:
    from infra_otel.redaction import Redaction
    from infra_otel.settings import Exporter, Signal

__all__ = ["OtelBuilder"]


class OtelBuilder:
    """Builds OtelSettings; each step returns the builder, each value is checked by `build`.

    >>> built = OtelBuilder().service("shop", "1.2").sampler("always_on").exporter("otlp").build()
    >>> (built.service_name, built.exporter)
    ('shop', 'otlp')
    """

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._endpoints: dict[Signal, str] = {}

    def service(self, name: str, version: str = "") -> Self:
        """Say what the service is called."""
        self._fields |= {"service_name": name, "service_version": version}
        return self

    def resource(self, **attributes: Any) -> Self:
        """Add attributes of the resource; an underscore in a name stands for a dot."""
        found = self._fields.setdefault("resource", {})
        found |= {name.replace("_", "."): value for name, value in attributes.items()}
        return self

    def sampler(self, name: str, ratio: float = 1.0) -> Self:
        """Say which traces are kept."""
        self._fields |= {"sampler": name, "sampler_ratio": ratio}
        return self

    def exporter(
        self, name: Exporter, *, signal: Signal | None = None, endpoint: str | None = None
    ) -> Self:
        """Say where all signals go, or one; called again for the same, it adds an exporter."""
        field = signal or "exporter"
        before = self._fields.get(field, ())
        self._fields[field] = (*before, name)
        if endpoint is not None and signal is not None:
            self._endpoints[signal] = endpoint
        elif endpoint is not None:
            self._fields["endpoint"] = endpoint
        return self

    def batch(
        self, queue: int | None = None, size: int | None = None, delay: float | None = None
    ) -> Self:
        """Say how many items wait at most, how many are sent at once, after how many seconds."""
        steps = {"queue_size": queue, "batch_size": size, "batch_delay": delay}
        self._fields |= {name: value for name, value in steps.items() if value is not None}
        return self

    def redaction(self, redaction: Redaction | None) -> Self:
        """Say what is masked."""
        self._fields["redaction"] = redaction
        return self

    def build(self) -> OtelSettings:
        """Return the settings; raises `otel.bad_setting`."""
        signals = {name: SignalOptions(endpoint=url) for name, url in self._endpoints.items()}
        return OtelSettings(**self._fields, signals=signals)
