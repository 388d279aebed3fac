"""What telemetry can be told, and the values it refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs

from infra_errors import Secret
from infra_otel.errors import bad_setting
from infra_otel.redaction import Redaction

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

__all__ = ["Exporter", "OtelSettings", "SignalOptions"]

Exporter = Literal[
    "auto", "none", "stdout", "stderr", "console", "otlp", "jaeger", "prometheus", "memory"
]
Signal = Literal["traces", "metrics", "logs"]
Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["none", "gzip"]

SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")
EXPORTERS = (
    *("auto", "none", "stdout", "stderr", "console"),
    *("otlp", "jaeger", "prometheus", "memory"),
)
SAMPLERS = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)
PROPAGATORS = ("tracecontext", "baggage", "none")
_BATCH = 512
# an exporter that takes only some signals; the others stay without one
_ONLY: dict[str, tuple[str, ...]] = {"jaeger": ("traces",), "prometheus": ("metrics",)}


def _one_of(known: tuple[str, ...]) -> Any:
    def check(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
        if value is not None and value not in known:
            raise bad_setting(field.name, f"{value!r} is none of {', '.join(known)}")

    return check


def _is_count(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise bad_setting(field.name, "must be a whole number of at least 1")


def _is_seconds(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise bad_setting(field.name, "must be a number of seconds above 0")


def _is_ratio(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise bad_setting(field.name, "must be a number from 0 to 1")


def _is_endpoint(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is None:
        return
    scheme, found, rest = str(value).partition("://")
    if not found or scheme not in {"http", "https"} or not rest.strip("/"):
        raise bad_setting(field.name, "must be a URL like http://localhost:4318")


def _to_names(value: Any) -> Any:
    """One name stays a name; a sequence of one is that one."""
    if isinstance(value, list | tuple):
        return tuple(value) if len(value) != 1 else value[0]
    return value


def _are_exporters(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    for name in names_of(value):
        if name not in EXPORTERS:
            raise bad_setting(field.name, f"{name!r} is none of {', '.join(EXPORTERS)}")
        if field.name in SIGNALS and field.name not in _ONLY.get(name, SIGNALS):
            takes = " and ".join(_ONLY[name])
            raise bad_setting(field.name, f"{name} takes only {takes}")
    if isinstance(value, tuple) and (not value or {"none", "auto"} & set(value)):
        raise bad_setting(field.name, "several exporters cannot hold none or auto")


def _to_headers(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    # kept as Secret: a header of an exporter is a key to somebody's account
    return {
        str(name).lower(): text if isinstance(text, Secret) else Secret(str(text))
        for name, text in value.items()
    }


def _is_mapping(_: Any, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise bad_setting(field.name, "must be a mapping of names to values")


def names_of(value: Any) -> tuple[Any, ...]:
    """Return the exporters that a field names."""
    return value if isinstance(value, tuple) else () if value is None else (value,)


def setting(default: Any, help: str, *, unit: str = "", secret: bool = False, **how: Any) -> Any:
    """Make a field with what is told of it; `OTEL_*` names follow a grammar of their own."""
    return attrs.field(
        default=default, metadata={"help": help, "unit": unit, "secret": secret}, **how
    )


@attrs.frozen(kw_only=True)
class SignalOptions:
    """What differs for one signal; None is as for the others. Times are in seconds.

    An `endpoint` here is used as it is, with its path, where that of `OtelSettings` is a base to
    which `/v1/traces`, `/v1/metrics` or `/v1/logs` is added.
    """

    endpoint: str | None = attrs.field(default=None, validator=_is_endpoint)
    protocol: Protocol | None = attrs.field(
        default=None, validator=_one_of(("http/protobuf", "grpc"))
    )
    headers: Mapping[str, str | Secret[str]] | None = attrs.field(
        default=None, converter=_to_headers, validator=_is_mapping
    )
    compression: Compression | None = attrs.field(default=None, validator=_one_of(("none", "gzip")))
    certificate: str | None = None
    export_timeout: float | None = attrs.field(default=None, validator=_is_seconds)
    queue_size: int | None = attrs.field(default=None, validator=_is_count)
    batch_size: int | None = attrs.field(default=None, validator=_is_count)
    batch_delay: float | None = attrs.field(default=None, validator=_is_seconds)


@attrs.frozen(kw_only=True)
class OtelSettings:
    """What to send where. Times are in seconds, although `OTEL_*` variables are milliseconds.

    A field that is left at its default counts as not given: `configure` then takes `OTEL_*`.
    Settings with headers do not pickle, because a header is often a key.

    Raises OtelConfigError `otel.bad_setting`, which names the field.
    """

    service_name: str = setting("", "what the service is called")
    service_version: str = setting("", "its version")
    service_namespace: str = setting("", "the system it belongs to")
    environment: str = setting("", "where it runs: production, staging, …")
    resource: Mapping[str, AttributeValue] = setting(
        attrs.Factory(dict), "attributes over those found out", validator=_is_mapping
    )
    exporter: Exporter | tuple[Exporter, ...] = setting(
        "auto", "where all signals go", converter=_to_names, validator=_are_exporters
    )
    traces: Exporter | tuple[Exporter, ...] | None = setting(
        None, "where traces go instead", converter=_to_names, validator=_are_exporters
    )
    metrics: Exporter | tuple[Exporter, ...] | None = setting(
        None, "where metrics go instead", converter=_to_names, validator=_are_exporters
    )
    logs: Exporter | tuple[Exporter, ...] | None = setting(
        None, "where logs go instead", converter=_to_names, validator=_are_exporters
    )
    endpoint: str | None = setting(None, "the OTLP collector", validator=_is_endpoint)
    protocol: Protocol = setting(
        "http/protobuf", "how it is spoken to", validator=_one_of(("http/protobuf", "grpc"))
    )
    headers: Mapping[str, str | Secret[str]] = setting(
        attrs.Factory(dict),
        "headers for it",
        secret=True,
        converter=_to_headers,
        validator=_is_mapping,
    )
    compression: Compression = setting(
        "gzip", "of what is sent to it", validator=_one_of(("none", "gzip"))
    )
    certificate: str | None = setting(None, "a file of whom to trust for https")
    sampler: str = setting(
        "parentbased_traceidratio", "which traces are kept", validator=_one_of(SAMPLERS)
    )
    sampler_ratio: float = setting(1.0, "the share of traces to keep", validator=_is_ratio)
    propagators: tuple[str, ...] = setting(
        ("tracecontext", "baggage"), "what crosses to other services", converter=tuple
    )
    queue_size: int = setting(2048, "items that wait; more are dropped", validator=_is_count)
    batch_size: int = setting(_BATCH, "items sent at once", validator=_is_count)
    batch_delay: float = setting(5.0, "an item waits at most", unit="s", validator=_is_seconds)
    export_timeout: float = setting(
        10.0, "one export takes at most, with retries", unit="s", validator=_is_seconds
    )
    metric_interval: float = setting(60.0, "between exports", unit="s", validator=_is_seconds)
    cardinality_limit: int = setting(
        2000, "attribute sets an instrument tells apart", validator=_is_count
    )
    redaction: Redaction | None = setting(attrs.Factory(Redaction), "what is masked")
    log_level: str = setting("", "of OpenTelemetry's own loggers")
    disabled: bool = setting(False, "nothing is recorded at all")
    signals: Mapping[Signal, SignalOptions] = setting(
        attrs.Factory(dict), "what differs for one signal", validator=_is_mapping
    )

    @propagators.validator
    def _are_known(self, _: attrs.Attribute[Any], value: Any) -> None:
        for name in value:
            if name not in PROPAGATORS:
                raise bad_setting("propagators", f"{name!r} is none of {', '.join(PROPAGATORS)}")

    @redaction.validator
    def _is_redaction(self, _: attrs.Attribute[Any], value: Any) -> None:
        if value is not None and not isinstance(value, Redaction):
            raise bad_setting("redaction", "must be a Redaction, or None for none")

    @signals.validator
    def _are_signals(self, _: attrs.Attribute[Any], value: Any) -> None:
        for name, options in value.items():
            if name not in SIGNALS or not isinstance(options, SignalOptions):
                raise bad_setting("signals", f"{name!r} is no signal with SignalOptions")

    @log_level.validator
    def _is_level(self, _: attrs.Attribute[Any], value: Any) -> None:
        _one_of(("", *LEVELS))(None, _, str(value).lower())

    def __attrs_post_init__(self) -> None:
        # the default batch just shrinks with the queue
        if self.queue_size < self.batch_size != _BATCH:
            raise bad_setting("batch_size", "must be at most queue_size")
        if self.redaction is None and self.environment == "production":
            raise bad_setting("redaction", "cannot be switched off when environment is production")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> OtelSettings:
        """Read the `OTEL_*` variables.

        Args:
            environ: the variables, those of the process by default. An empty one is not set.
            overrides: fields that go over what the variables say.

        Raises:
            OtelConfigError: `otel.bad_setting`, naming the variable or the field.
        """
        from infra_otel._environ import layered

        return layered(cls, None, overrides, environ)

    def exporters(self, signal: Signal) -> tuple[str, ...]:
        """Return where a signal goes: names of exporters, none of them `none` or `auto`."""
        if self.disabled:
            return ()
        given = getattr(self, signal)
        names = names_of(self.exporter if given is None else given)
        found: list[str] = []
        for name in names:
            known = "stdout" if name == "console" else name
            if known == "auto":
                known = "otlp" if self._endpoint(signal) else "none"
            if known != "none" and signal in _ONLY.get(known, SIGNALS) and known not in found:
                found.append(known)
        return tuple(found)

    def option(self, signal: Signal, name: str) -> Any:
        """Return one of the fields of `SignalOptions` as it holds for a signal."""
        found = getattr(self.signals.get(signal), name, None)
        return getattr(self, name) if found is None else found

    def target(self, signal: Signal) -> str:
        """Return the URL a signal is sent to by OTLP."""
        own = self.signals.get(signal)
        if own is not None and own.endpoint is not None:
            return own.endpoint
        is_grpc = self.option(signal, "protocol") == "grpc"
        base = self.endpoint or f"http://localhost:{4317 if is_grpc else 4318}"
        return base if is_grpc else f"{base.rstrip('/')}/v1/{signal}"

    def _endpoint(self, signal: Signal) -> str | None:
        own = self.signals.get(signal)
        return self.endpoint if own is None or own.endpoint is None else own.endpoint


LEVELS = ("debug", "info", "warn", "warning", "error", "critical", "fatal")
