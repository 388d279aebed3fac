"""The `OTEL_*` variables, read into fields of OtelSettings, and the layers of `configure`.

OpenTelemetry specification 1.x, "Environment Variable Specification" and "OTLP Exporter": times
are milliseconds, an empty value is not set, headers and resource attributes are percent-encoded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import attrs

from infra_errors import Secret
from infra_otel.errors import OtelConfigError, bad_setting
from infra_otel.settings import SIGNALS, OtelSettings, SignalOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["layered", "origins", "read"]

Read = tuple[Any, str]  # a value, and the variable it stands in


def _milliseconds(text: str) -> float:
    return float(text) / 1000


def _flag(text: str) -> bool:
    # the specification: anything but "true" is false
    return text.strip().lower() == "true"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for pair in text.split(","):
        if not pair.strip():
            continue
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            message = "must be name=value, separated by commas"
            raise ValueError(message)
        found[unquote(name.strip())] = unquote(value.strip())
    return found


def _secrets(text: str) -> dict[str, Secret[str]]:
    return {name: Secret(value) for name, value in _pairs(text).items()}


def _protocol(text: str) -> str:
    if text == "http/json":
        message = "http/json is not supported; http/protobuf and grpc are"
        raise ValueError(message)
    return text


_FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "OTEL_SDK_DISABLED": ("disabled", _flag),
    "OTEL_LOG_LEVEL": ("log_level", str.lower),
    "OTEL_TRACES_EXPORTER": ("traces", _names),
    "OTEL_METRICS_EXPORTER": ("metrics", _names),
    "OTEL_LOGS_EXPORTER": ("logs", _names),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("endpoint", str),
    "OTEL_EXPORTER_OTLP_HEADERS": ("headers", _secrets),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("protocol", _protocol),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("export_timeout", _milliseconds),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("compression", str),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": ("certificate", str),
    "OTEL_TRACES_SAMPLER": ("sampler", str),
    "OTEL_TRACES_SAMPLER_ARG": ("sampler_ratio", float),
    "OTEL_PROPAGATORS": ("propagators", _names),
    "OTEL_METRIC_EXPORT_INTERVAL": ("metric_interval", _milliseconds),
}
_BATCH = {"traces": "OTEL_BSP_", "logs": "OTEL_BLRP_"}
_OWN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ENDPOINT": ("endpoint", str),
    "HEADERS": ("headers", _secrets),
    "PROTOCOL": ("protocol", _protocol),
    "TIMEOUT": ("export_timeout", _milliseconds),
    "COMPRESSION": ("compression", str),
    "CERTIFICATE": ("certificate", str),
}
# resource attributes that are fields; the last two are the old and the new name of one thing
_RESOURCE = {
    "service.name": "service_name",
    "service.version": "service_version",
    "service.namespace": "service_namespace",
    "deployment.environment": "environment",
    "deployment.environment.name": "environment",
}


def read(environ: Mapping[str, str] | None) -> dict[str, Read]:
    """Read the fields that variables give, each with the variable's name.

    A field of one signal is `traces.endpoint`. Raises `otel.bad_setting`, naming the variable.
    """
    given = os.environ if environ is None else environ
    found: dict[str, Read] = {}
    for variable, (field, parse) in _FIELDS.items():
        _take(given, variable, field, parse, found)
    for signal in SIGNALS:
        if (batch := _BATCH.get(signal)) is not None:
            for name, field, parse in (
                ("EXPORT_TIMEOUT", "export_timeout", _milliseconds),
                ("SCHEDULE_DELAY", "batch_delay", _milliseconds),
                ("MAX_QUEUE_SIZE", "queue_size", int),
                ("MAX_EXPORT_BATCH_SIZE", "batch_size", int),
            ):
                _take(given, f"{batch}{name}", f"{signal}.{field}", parse, found)
        for name, (field, parse) in _OWN.items():
            variable = f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}"
            _take(given, variable, f"{signal}.{field}", parse, found)
    _take(given, "OTEL_RESOURCE_ATTRIBUTES", "resource", _pairs, found)
    if "resource" in found:
        attributes, variable = found["resource"]
        for name, field in _RESOURCE.items():
            if name in attributes:
                found[field] = attributes.pop(name), variable
    _take(given, "OTEL_SERVICE_NAME", "service_name", str, found)
    _check(found)
    return found


def _take(
    environ: Mapping[str, str],
    variable: str,
    field: str,
    parse: Callable[[str], Any],
    found: dict[str, Read],
) -> None:
    text = environ.get(variable, "").strip()
    if not text:
        return
    try:
        found[field] = parse(text), variable
    except ValueError as exc:
        # the text itself may be a key
        told = str(exc) if str(exc).startswith(("must", "http/json")) else "must be a number"
        raise bad_setting(variable, told) from None


def _check(found: dict[str, Read]) -> None:
    """Try each value alone, so that a refusal names its variable."""
    for field, (value, variable) in found.items():
        try:
            if "." in field:
                SignalOptions(**{field.partition(".")[2]: value})
            else:
                OtelSettings(**{field: value})
        except OtelConfigError as exc:
            told = exc.message.partition(": ")[2]
            raise bad_setting(variable, told) from None


def _given(settings: OtelSettings | None) -> dict[str, Any]:
    if settings is None:
        return {}
    plain = OtelSettings()
    names = [field.name for field in attrs.fields(OtelSettings)]
    return {
        name: getattr(settings, name)
        for name in names
        if getattr(settings, name) != getattr(plain, name)
    }


def layered(
    cls: type[OtelSettings],
    settings: OtelSettings | None,
    overrides: Mapping[str, Any],
    environ: Mapping[str, str] | None,
) -> OtelSettings:
    """Lay overrides over settings over the environment over the defaults."""
    unknown = sorted(set(overrides) - {field.name for field in attrs.fields(cls)})
    if unknown:
        raise bad_setting(", ".join(unknown), "no such setting")
    given = {**_given(settings), **overrides}
    return cls(**{**_from_environ(read(environ), given), **given})


def origins(overrides: Mapping[str, Any], environ: Mapping[str, str] | None) -> dict[str, str]:
    """Return where each field that is not a default comes from: "argument" or a variable."""
    found = read(environ)
    kept = _from_environ(found, overrides)
    names = {field: found[field][1] for field in kept if field in found}
    for field, (_, variable) in found.items():
        signal, _, option = field.partition(".")
        if option and option not in overrides:
            names[f"signals.{signal}.{option}"] = variable
    return names | dict.fromkeys(overrides, "argument")


def _from_environ(found: dict[str, Read], given: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what the program has given, also where a variable is about one signal only."""
    fields: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {}
    for field, (value, _) in found.items():
        signal, _, option = field.partition(".")
        if option:
            if option not in given:
                own.setdefault(signal, {})[option] = value
        elif field in SIGNALS and "exporter" in given:
            continue
        elif field not in given:
            fields[field] = value
    if own and "signals" not in given:
        fields["signals"] = {signal: SignalOptions(**values) for signal, values in own.items()}
    if "resource" in fields and not fields["resource"]:
        del fields["resource"]
    return fields
