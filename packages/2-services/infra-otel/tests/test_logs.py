"""Log lines: their fields, what cannot be encoded, and the root logger given back."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context

from infra_errors import NotFoundError
from infra_otel import (
    JsonFormatter,
    OtelConfigError,
    Redaction,
    _state,
    configure_logging,
    current_trace_id,
    logs,
    span,
)


def line(message: object = "hello", *args: object, level: int = 20, **extra: Any) -> dict[str, Any]:
    """Format one record and read it back."""
    logger = logging.getLogger("shop.cart")
    exc_info = extra.pop("exc_info", None)
    record = logger.makeRecord("shop.cart", level, "f.py", 1, message, args, exc_info, "fn", extra)
    record.created = 1_700_000_000.123456
    text = JsonFormatter(static={"region": "eu"}).format(record)
    assert "\n" not in text
    text.encode("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_a_line_has_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state, "service_name", "shop")
    assert {
        "timestamp": "2023-11-14T22:13:20.123456Z",
        "level": "info",
        "logger": "shop.cart",
        "message": "3 items",
        "service": "shop",
        "region": "eu",
        "user": 7,
    } == line("%d items", 3, user=7)


@pytest.mark.parametrize(
    ("number", "name"),
    [(5, "debug"), (10, "debug"), (20, "info"), (25, "info"), (30, "warn"), (50, "error")],
    ids=str,
)
def test_levels_have_four_names(number: int, name: str) -> None:
    assert name == line(level=number)["level"]


def test_a_line_within_a_span_has_its_trace() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from infra_otel.testing import capture

    with capture(), span("load") as opened:
        found = line()
        assert current_trace_id() == found["trace_id"]
        assert f"{opened.get_span_context().span_id:016x}" == found["span_id"]
    assert "trace_id" not in line()


def test_the_request_id_of_the_baggage_is_a_field() -> None:
    token = context.attach(baggage.set_baggage("request.id", "r1"))
    try:
        assert "r1" == line()["request.id"]
    finally:
        context.detach(token)
    assert "request.id" not in line()


def test_an_exception_is_told_with_code_type_and_stack() -> None:
    try:
        raise NotFoundError("no such user", password="hunter2")
    except NotFoundError:
        found = line(exc_info=sys.exc_info())
    assert ("general.not_found", "NotFoundError") == (found["error.code"], found["error.type"])
    assert "test_logs" in found["error.stack"]
    assert "hunter2" not in found["error.stack"]
    try:
        raise ValueError("token=hunter2")
    except ValueError:
        found = line(exc_info=sys.exc_info())
    assert "error.code" not in found
    assert "hunter2" not in str(found)


def test_secrets_are_masked_in_message_and_extras() -> None:
    found = line("password=%s", "hunter2", api_key="hunter2", note="to +4915112345678")
    assert ("password=***", "***", "to ********5678") == (
        found["message"],
        found["api_key"],
        found["note"],
    )
    own = JsonFormatter(redaction=Redaction(words=["ticket"]))
    record = logging.makeLogRecord({"msg": "ticket=5", "ticket": 5})
    assert {"ticket=***", "***"} <= set(json.loads(own.format(record)).values())


def test_an_extra_of_our_name_stands_beside_ours() -> None:
    found = line(level_="x", logger="mine", service="s")
    assert ("shop.cart", "mine", "s") == (found["logger"], found["extra.logger"], found["service"])


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"raw", "b'raw'"),
        ({1}, "{1}"),
        (10**5000, hex(10**5000)),
        (float("nan"), "nan"),
        ({"a": [float("inf"), 1]}, {"a": ["inf", 1]}),
        ("\udc80", "\udc80"),
        (Mute(), "<Mute without repr>"),
        ({"a": Mute(), (1, 2): 3}, {"a": "<Mute without repr>", "(1, 2)": 3}),
    ],
    ids=["bytes", "set", "huge", "nan", "inf", "surrogate", "mute", "mixed"],
)
def test_what_cannot_be_encoded_is_told_some_way(value: object, told: object) -> None:
    assert told == line(value=value)["value"]


def test_without_the_accelerator_the_same_is_refused() -> None:
    assert '{"a": "ü"}' == logs._encoder.encode({"a": "ü"}) == logs._encode({"a": "ü"})
    for encode in (logs._encoder.encode, logs._encode):
        with pytest.raises(ValueError):
            encode({"a": float("nan")})


def test_a_value_that_holds_itself_is_told_some_way() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert line(plain=1, endless=endless)["plain"] == 1


def test_a_message_whose_arguments_do_not_fit_is_told_with_them() -> None:
    assert "%d items ('many')" == line("%d items", "many")["message"]
    assert "<Mute without repr>" in line("%s", Mute())["message"]
    assert "a\nb" == line("a\nb")["message"]
    assert "\udc80" == line("\udc80")["message"]


@given(
    st.text(),
    st.dictionaries(
        st.text(st.characters(categories=["Ll"]), min_size=3),
        st.none() | st.text() | st.integers() | st.floats() | st.binary(),
    ),
)
def test_every_record_becomes_one_line_of_json(message: str, extra: dict[str, Any]) -> None:
    extra = {f"x{name}": value for name, value in extra.items()}
    assert "level" in line(message, **extra)


def test_configured_logging_writes_json_and_restores(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    before, level = list(root.handlers), root.level
    handle = configure_logging(level="warn", levels={"shop.loud": "DEBUG"}, format="json")
    logging.getLogger("shop").info("hidden")
    logging.getLogger("shop").warning("shown")
    logging.getLogger("shop.loud").debug("loud")
    lines = capsys.readouterr().err.splitlines()
    assert ["shown", "loud"] == [json.loads(it)["message"] for it in lines]
    handle.restore()
    handle.restore()
    assert (before, level) == (root.handlers, root.level)
    assert logging.NOTSET == logging.getLogger("shop.loud").level


def test_a_second_configuration_goes_back_to_the_first(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    first = configure_logging(format="json", stream="stdout")
    second = configure_logging(format="text")
    logging.getLogger("shop").warning("to stderr")
    second.restore()
    logging.getLogger("shop").warning("to stdout")
    first.restore()
    out, err = capsys.readouterr()
    assert ("to stdout" in out, "to stderr" in err) == (True, True)
    assert 1 == len(out.splitlines())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "is_json"), [(Terminal, False), (io.StringIO, True)])
def test_auto_is_text_on_a_terminal(
    root: logging.Logger, monkeypatch: pytest.MonkeyPatch, stream: type[Any], is_json: bool
) -> None:
    written: Any = stream()
    monkeypatch.setattr(sys, "stderr", written)
    handle = configure_logging()
    logging.getLogger("shop").warning("token=hunter2\nsecond", extra={"user": 7})
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        logging.getLogger("shop").exception("failed")
    text = written.getvalue()
    handle.restore()
    assert is_json == text.startswith("{")
    assert "hunter2" not in text
    if not is_json:
        first, *_ = text.splitlines()
        assert first.endswith(r"warn  shop: token=***\nsecond user=7")
        assert "ValueError: password=***" in text


@pytest.mark.parametrize(
    "given_",
    [{"level": "loud"}, {"levels": {"a": "x"}}, {"format": "xml"}, {"stream": "tape"}],
    ids=["level", "levels", "format", "stream"],
)
def test_a_wrong_option_changes_nothing(root: logging.Logger, given_: dict[str, Any]) -> None:
    before = list(root.handlers)
    with pytest.raises(OtelConfigError) as caught:
        configure_logging(**given_)
    assert "otel.bad_setting" == caught.value.code
    assert before == root.handlers


def test_records_go_to_opentelemetry_where_it_is_asked_for(root: logging.Logger) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from infra_otel._bridge import OtelHandler
    from infra_otel.testing import capture

    with capture() as telemetry:
        handle = configure_logging(otlp=True, format="json")
        token = context.attach(baggage.set_baggage("request.id", "r1"))
        with span("load"):
            logging.getLogger("shop").warning(
                "sent \udc80",
                extra={"huge": 2**70, "n": 1, "x": "\udc80", "d": {"k": {1}}, "l": [b"b", None]},
            )
        context.detach(token)
        handle.restore()
        (record,) = [it for it in telemetry.logs if "sent" in str(it.log_record.body)]
    log = record.log_record
    found: dict[str, Any] = dict(log.attributes or {})
    assert ("sent \\udc80", "WARN", hex(2**70), 1) == (
        log.body,
        log.severity_text,
        found["huge"],
        found["n"],
    )
    assert {"k": "{1}"} == dict(found["d"])
    assert "r1" == found["request.id"]
    assert log.trace_id == telemetry.span("load").context.trace_id
    assert [] == [it for it in root.handlers if isinstance(it, OtelHandler)]


def test_what_is_logged_during_an_export_is_not_sent_on() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

    from infra_otel.testing import capture

    with capture() as telemetry:
        token = context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        logging.getLogger("shop").warning("during an export")
        context.detach(token)
        logging.getLogger("shop").warning("after it")
    assert ["after it"] == [it.log_record.body for it in telemetry.logs]
