"""A Secret shows itself nowhere."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from typing import Any

import pytest

from infra_errors import IoError, Secret, SecretUrl


def test_only_reveal_gives_the_value() -> None:
    secret = Secret("hunter2")
    assert "hunter2" == secret.reveal()
    assert b"x" == Secret(b"x").reveal()
    assert "hunter2" == Secret(secret).reveal()
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", "%s" % secret]  # noqa: UP031
    assert ["***", "Secret('***')", "***", "***", "Secret('***')", "***"] == shown


def test_a_secret_url_shows_what_is_not_secret() -> None:
    url = SecretUrl("postgres://app:hunter2@db/main?sslmode=require&password=hunter2")
    assert "postgres://***@db/main?sslmode=require&password=***" == str(url) == f"{url:5}"
    assert f"SecretUrl('{url}')" == repr(url)
    assert "***" == str(SecretUrl("hunter2"))
    assert str(url) == IoError("x", url=url).context["url"]


def test_equality_is_only_with_a_secret() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("ä") != Secret("b")
    assert Secret("a") != Secret(b"a")
    assert Secret("a") != "a"
    assert 1 == len({Secret("a"), Secret("a")})
    assert Secret("x")
    assert not Secret("")


@pytest.mark.parametrize(
    "use",
    [
        len,
        iter,
        lambda s: s[0],
        lambda s: s + "x",
        lambda s: "x" + s,
        lambda s: "x" in s,
        json.dumps,
        pickle.dumps,
        lambda s: pickle.dumps({"a": s}, 0),
        bytes,
        sorted,
        lambda s: s.__getstate__(),
    ],
    ids=[
        "len",
        "iter",
        "index",
        "add",
        "radd",
        "in",
        "json",
        "pickle",
        "nested",
        "bytes",
        "sorted",
        "getstate",
    ],
)
def test_nothing_else_reads_it(use: Any) -> None:
    with pytest.raises(TypeError) as caught:
        use(Secret("hunter2"))
    assert "hunter2" not in str(caught.value)


def test_pickling_says_why_not() -> None:
    with pytest.raises(TypeError, match="not pickled, because the bytes would show it"):
        pickle.dumps(SecretUrl("http://h/"))


def test_it_is_immutable_and_its_own_copy() -> None:
    secret = Secret("x")
    assert secret is copy.copy(secret) is copy.deepcopy(secret)
    with pytest.raises(AttributeError, match="immutable"):
        secret._value = "y"
    with pytest.raises(AttributeError, match="immutable"):
        del secret._value
    with contextlib.suppress(TypeError):
        secret.__init__("y")  # type: ignore[misc]
    assert "x" == secret.reveal()
    with pytest.raises(AttributeError):
        secret.other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [5, None, ["x"], bytearray(b"x")])
def test_only_text_and_bytes_are_held(value: Any) -> None:
    with pytest.raises(TypeError, match="holds str or bytes"):
        Secret(value)


def test_a_secret_url_is_text() -> None:
    with pytest.raises(TypeError, match="a SecretUrl holds str"):
        SecretUrl(b"http://h/")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:hun ter2@h/db", "postgres://***@h/db"),
        ("postgres://u:hun@ter2@h/db", "postgres://***@h/db"),
        ("https://s3/b?X-Amz-Signature=hunter2", "https://s3/b?X-Amz-Signature=***"),
    ],
)
def test_a_careless_url_is_masked_too(url: str, shown: str) -> None:
    assert shown == str(SecretUrl(url))


def test_it_can_be_subscripted_at_run_time() -> None:
    assert Secret[str].__origin__ is Secret  # type: ignore[attr-defined]
