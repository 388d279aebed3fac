"""Settings: what is refused, what the environment says, and which layer wins."""

from __future__ import annotations

from typing import Any

import pytest

from infra_errors import Secret
from infra_otel import OtelBuilder, OtelConfigError, OtelSettings, Redaction, SignalOptions
from infra_otel._environ import layered, origins


def test_what_sets_nothing_sends_nothing() -> None:
    settings = OtelSettings()
    assert [(), (), ()] == [settings.exporters(it) for it in ("traces", "metrics", "logs")]
    assert settings == OtelSettings.from_env({})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("exporter", "zipkin"),
        ("exporter", ()),
        ("exporter", ("otlp", "none")),
        ("traces", "prometheus"),
        ("logs", "jaeger"),
        ("endpoint", "localhost:4318"),
        ("endpoint", "ftp://h"),
        ("protocol", "http/json"),
        ("compression", "br"),
        ("headers", "a=b"),
        ("sampler", "sometimes"),
        ("sampler_ratio", 2.0),
        ("sampler_ratio", -0.1),
        ("sampler_ratio", True),
        ("propagators", ("b3",)),
        ("queue_size", 0),
        ("batch_size", 1.5),
        ("batch_delay", 0),
        ("export_timeout", float("inf")),
        ("metric_interval", -1),
        ("cardinality_limit", True),
        ("redaction", "none"),
        ("resource", ["a"]),
        ("log_level", "loud"),
        ("signals", {"traces": {"endpoint": "http://h"}}),
        ("signals", {"spans": SignalOptions()}),
    ],
    ids=lambda it: str(it).partition(" object")[0],
)
def test_a_value_that_cannot_work_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(OtelConfigError, match=field) as caught:
        OtelSettings(**{field: value})
    assert "otel.bad_setting" == caught.value.code


def test_a_batch_fits_its_queue() -> None:
    with pytest.raises(OtelConfigError, match="batch_size"):
        OtelSettings(queue_size=10, batch_size=11)
    assert 10 == OtelSettings(queue_size=10).queue_size  # the default batch shrinks with it


def test_redaction_cannot_be_switched_off_in_production() -> None:
    assert OtelSettings(environment="staging", redaction=None).redaction is None
    with pytest.raises(OtelConfigError, match="production"):
        OtelSettings(environment="production", redaction=None)


def test_auto_is_otlp_where_there_is_an_endpoint() -> None:
    settings = OtelSettings(endpoint="http://collector:4318")
    assert (("otlp",), "http://collector:4318/v1/logs") == (
        settings.exporters("logs"),
        settings.target("logs"),
    )
    own = OtelSettings(signals={"traces": SignalOptions(endpoint="http://t/x")})
    assert (("otlp",), (), "http://t/x") == (
        own.exporters("traces"),
        own.exporters("metrics"),
        own.target("traces"),
    )


def test_an_exporter_of_one_signal_leaves_the_others_without() -> None:
    settings = OtelSettings(exporter=("jaeger", "prometheus"), logs="console")
    assert [("jaeger",), ("prometheus",), ("stdout",)] == [
        settings.exporters(it) for it in ("traces", "metrics", "logs")
    ]
    assert () == OtelSettings(exporter="otlp", disabled=True).exporters("traces")


@pytest.mark.parametrize(
    ("protocol", "target"),
    [("http/protobuf", "http://localhost:4318/v1/traces"), ("grpc", "http://localhost:4317")],
    ids=["http", "grpc"],
)
def test_jaeger_is_otlp_to_the_port_of_its_protocol(protocol: Any, target: str) -> None:
    assert target == OtelSettings(exporter="jaeger", protocol=protocol).target("traces")


ENVIRON = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,service.version=1.2,team=a%20b,"
    "deployment.environment=staging",
    "OTEL_TRACES_EXPORTER": "otlp, console",
    "OTEL_METRICS_EXPORTER": "prometheus",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=s3cret,x=a%2Cb",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
    "OTEL_TRACES_SAMPLER": "traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0.25",
    "OTEL_PROPAGATORS": "tracecontext",
    "OTEL_METRIC_EXPORT_INTERVAL": "15000",
    "OTEL_LOG_LEVEL": "ERROR",
}


def test_every_variable_is_read() -> None:
    settings = OtelSettings.from_env(ENVIRON)
    assert (
        OtelSettings(
            service_name="shop",
            service_version="1.2",
            environment="staging",
            resource={"team": "a b"},
            traces=("otlp", "console"),
            metrics="prometheus",
            logs="none",
            endpoint="http://collector:4318",
            headers={"api-key": Secret("s3cret"), "x": Secret("a,b")},
            protocol="grpc",
            export_timeout=2.5,
            compression="none",
            certificate="ca.pem",
            sampler="traceidratio",
            sampler_ratio=0.25,
            propagators=("tracecontext",),
            metric_interval=15.0,
            log_level="error",
        )
        == settings
    )
    assert OtelSettings.from_env({"OTEL_SDK_DISABLED": "TRUE"}).disabled
    assert not OtelSettings.from_env({"OTEL_SDK_DISABLED": "1"}).disabled
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_a_variable_of_one_signal_goes_over_that_of_all(signal: Any) -> None:
    name = f"OTEL_EXPORTER_OTLP_{signal.upper()}_"
    settings = OtelSettings.from_env(
        ENVIRON
        | {
            f"{name}ENDPOINT": "http://own:1/path",
            f"{name}HEADERS": "k=v",
            f"{name}PROTOCOL": "http/protobuf",
            f"{name}TIMEOUT": "100",
            f"{name}COMPRESSION": "gzip",
            f"{name}CERTIFICATE": "own.pem",
        }
    )
    found = [settings.option(signal, it) for it in ("protocol", "export_timeout", "compression")]
    assert ["http/protobuf", 0.1, "gzip"] == found
    assert ("own.pem", {"k": Secret("v")}) == (
        settings.option(signal, "certificate"),
        settings.option(signal, "headers"),
    )
    assert "http://own:1/path" == settings.target(signal)
    other: Any = "logs" if signal == "traces" else "traces"
    assert "grpc" == settings.option(other, "protocol")


@pytest.mark.parametrize(("prefix", "signal"), [("OTEL_BSP_", "traces"), ("OTEL_BLRP_", "logs")])
def test_batch_variables_are_milliseconds_of_one_signal(prefix: str, signal: Any) -> None:
    settings = OtelSettings.from_env(
        {
            f"{prefix}SCHEDULE_DELAY": "250",
            f"{prefix}MAX_QUEUE_SIZE": "100",
            f"{prefix}MAX_EXPORT_BATCH_SIZE": "10",
            f"{prefix}EXPORT_TIMEOUT": "500",
        }
    )
    names = ("batch_delay", "queue_size", "batch_size", "export_timeout")
    assert [0.25, 100, 10, 0.5] == [settings.option(signal, name) for name in names]
    assert [5.0, 2048, 512, 10.0] == [settings.option("metrics", name) for name in names]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OTEL_TRACES_SAMPLER_ARG", "2.0"),
        ("OTEL_TRACES_SAMPLER_ARG", "half"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "-1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "x"),
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_RESOURCE_ATTRIBUTES", "novalue"),
        ("OTEL_LOG_LEVEL", "loud"),
    ],
)
def test_a_malformed_variable_is_named_and_not_shown(variable: str, text: str) -> None:
    with pytest.raises(OtelConfigError, match=variable) as caught:
        OtelSettings.from_env({variable: text})
    assert "otel.bad_setting" == caught.value.code
    assert "s3cret" not in str(caught.value)


def test_an_empty_variable_is_not_set() -> None:
    assert OtelSettings() == OtelSettings.from_env(dict.fromkeys(ENVIRON, " "))


def test_an_argument_goes_over_settings_over_the_environment_over_the_default() -> None:
    environ = {"OTEL_SERVICE_NAME": "env", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    settings = OtelSettings(service_name="settings", service_version="1")
    found = layered(OtelSettings, settings, {"service_version": "2"}, environ)
    assert ("settings", "2", 0.5, 10.0) == (
        found.service_name,
        found.service_version,
        found.sampler_ratio,
        found.export_timeout,
    )
    # an argument wins also where it says what the default says
    assert 1.0 == OtelSettings.from_env(environ, sampler_ratio=1.0).sampler_ratio


def test_an_argument_for_all_signals_goes_over_a_variable_for_one() -> None:
    environ = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://env/v1/traces",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "100",
    }
    found = OtelSettings.from_env(environ, exporter="none")
    assert () == found.exporters("traces")
    found = OtelSettings.from_env(environ, endpoint="http://argument")
    assert "http://argument/v1/traces" == found.target("traces")
    assert 0.1 == found.option("traces", "export_timeout")


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(OtelConfigError, match="servicename"):
        OtelSettings.from_env({}, servicename="x")


def test_where_a_setting_comes_from_is_told() -> None:
    environ = {"OTEL_SERVICE_NAME": "a", "OTEL_BSP_SCHEDULE_DELAY": "1"}
    assert {
        "service_name": "OTEL_SERVICE_NAME",
        "signals.traces.batch_delay": "OTEL_BSP_SCHEDULE_DELAY",
        "endpoint": "argument",
    } == origins({"endpoint": "http://h"}, environ)


def test_the_builder_makes_the_same_settings() -> None:
    redaction = Redaction(words=["ticket"])
    built = (
        OtelBuilder()
        .service("shop", "1.2")
        .resource(team="a", k8s_pod_name="p")
        .sampler("traceidratio", 0.5)
        .exporter("otlp", endpoint="http://c:4318")
        .exporter("stderr")
        .exporter("otlp", signal="traces", endpoint="http://t/v1/traces")
        .batch(queue=100, size=10, delay=1.0)
        .redaction(redaction)
        .build()
    )
    assert built == OtelSettings(
        service_name="shop",
        service_version="1.2",
        resource={"team": "a", "k8s.pod.name": "p"},
        sampler="traceidratio",
        sampler_ratio=0.5,
        exporter=("otlp", "stderr"),
        traces="otlp",
        endpoint="http://c:4318",
        signals={"traces": SignalOptions(endpoint="http://t/v1/traces")},
        queue_size=100,
        batch_size=10,
        batch_delay=1.0,
        redaction=redaction,
    )
    with pytest.raises(OtelConfigError, match="sampler_ratio"):
        OtelBuilder().sampler("traceidratio", 2.0).build()


def test_every_field_says_what_it_is_for() -> None:
    import attrs

    assert [] == [it.name for it in attrs.fields(OtelSettings) if not it.metadata.get("help")]
