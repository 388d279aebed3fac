"""Errors survive pickle, copy and deepcopy, also where the receiver lacks their class."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import infra_errors
from infra_errors import (
    CacheError,
    Category,
    DatabaseError,
    DeadlineExceededError,
    ErrorGroup,
    HttpError,
    InfraError,
    IoError,
    NotFoundError,
    OpaqueError,
    Problem,
    Status,
    StorageError,
    UnavailableError,
    ValidationError,
    Violation,
    error_class,
)

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def there_and_back(error: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(error, protocol))


class KeywordOnlyError(HttpError):
    """The shape that other libraries cannot unpickle: a constructor with required keywords."""

    code = "test.keyword_only"

    def __init__(self, message: str, *, request: str, response: int) -> None:
        super().__init__(message, status_code=response, request=request)
        self.request = request
        self.live = object()


class ForeignError(Exception):
    pass


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_everything_about_an_error_survives(protocol: int) -> None:
    error = ValidationError(
        "bad",
        code="shop.bad",
        status=Status.OUT_OF_RANGE,
        http_status=416,
        retryable=True,
        retry_after=1.5,
        violations=[Violation("/a", "no", "range", "s", "h")],
        when=1,
    )
    error.add_note("seen twice")
    error.__dict__["attempts"] = 3
    error.__cause__ = KeyError("k")
    error.__context__ = OSError(2, "gone", "/a")
    back = there_and_back(error, protocol)
    assert ValidationError is type(back)
    assert error.to_dict() == back.to_dict()
    assert error.args == back.args
    assert isinstance(back.violations[0], Violation)
    assert "KeyError('k')" == repr(back.__cause__)
    assert "/a" == back.__context__.filename
    assert back.__suppress_context__
    assert back.__traceback__ is None


def test_a_constructor_with_required_keywords_is_not_called() -> None:
    back = there_and_back(KeywordOnlyError("refused", request="GET /", response=404))
    assert KeywordOnlyError is type(back)
    assert ("GET /", 404, 502) == (back.request, back.status_code, back.http_status)
    assert not hasattr(back, "live")


@pytest.mark.parametrize(
    "cls",
    [getattr(infra_errors, name) for name in infra_errors.__all__ if name.endswith("Error")],
)
def test_each_class_survives(cls: type[Any]) -> None:
    if cls is OpaqueError:
        assert "m" == there_and_back(OpaqueError("t", "m")).message
        return
    back = there_and_back(cls("m"))
    assert cls is type(back)
    assert ("m", cls.code) == (back.message, back.code)


def test_a_combined_class_survives() -> None:
    cls = error_class(Category.CACHE, Status.UNAVAILABLE)
    assert cls is type(there_and_back(cls()))


def test_a_class_of_a_function_comes_back_where_it_is_known() -> None:
    class LocalError(NotFoundError, CacheError):
        code = "test.local_pickle"

    assert LocalError is type(there_and_back(LocalError()))


@pytest.mark.subprocess
def test_a_class_the_receiver_lacks_comes_back_as_both_axes(tmp_path: Path) -> None:
    (tmp_path / "sender_only.py").write_text(
        "from infra_errors import *\n"
        "class RowError(NotFoundError, DatabaseError):\n    code = 'sender.row'\n"
        "class ManyError(ErrorGroup):\n    code = 'sender.many'\n"
    )
    send = (
        "import sys, pickle, sender_only as s\n"
        "g = s.ManyError('many', [s.RowError('no row', row=5)])\n"
        "sys.stdout.buffer.write(pickle.dumps(g))"
    )
    source = str(Path(infra_errors.__file__).parent.parent)
    run = subprocess.run(
        [sys.executable, "-c", send],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": f"{tmp_path}:{source}"},
    )
    group = pickle.loads(run.stdout)
    assert (ErrorGroup, "sender.many") == (type(group), group.code)
    (row,) = group.exceptions
    assert error_class(Category.DATABASE, Status.NOT_FOUND) is type(row)
    assert ("sender.row", {"row": 5}) == (row.code, dict(row.context))


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("x"),
        KeyError("k"),
        OSError(2, "no", "/a"),
        OSError("x"),
        StopIteration(3),
        TimeoutError(),
        KeyboardInterrupt(),
        SystemExit(2),
        ValueError("a", 1, (None, 2.5)),
        RuntimeError(),
    ],
)
def test_a_builtin_cause_survives_as_itself(exc: BaseException) -> None:
    exc.add_note("n")
    error = IoError("x")
    error.__cause__ = exc
    back = there_and_back(error).__cause__
    assert type(exc) is type(back)
    assert (exc.args, str(exc), ["n"]) == (back.args, str(back), back.__notes__)


def test_a_foreign_cause_travels_as_its_name_and_text() -> None:
    error = IoError("x")
    error.__cause__ = ForeignError("it broke")
    error.__cause__.__cause__ = ValueError("below")
    error.__cause__.add_note("n")
    back = there_and_back(error).__cause__
    assert OpaqueError is type(back)
    assert back.type_name.endswith("ForeignError")
    assert ("it broke", ["n"]) == (back.message, back.__notes__)
    assert isinstance(back.__cause__, ValueError)
    again = there_and_back(there_and_back(error)).__cause__
    assert back.type_name == again.type_name


def test_a_builtin_with_odd_arguments_travels_as_text() -> None:
    error = IoError("x")
    error.__cause__ = ValueError(object())
    assert "ValueError" == there_and_back(error).__cause__.type_name
    error.__cause__ = UnicodeDecodeError("utf-8", b"\xff hunter2", 0, 1, "bad")
    assert OpaqueError is type(there_and_back(error).__cause__)


def test_groups_and_what_hangs_on_them_survive() -> None:
    shared = KeyError("shared")
    inner = ErrorGroup("inner", [DeadlineExceededError(), ExceptionGroup("plain", [shared])], a=1)
    group = ErrorGroup("outer", [NotFoundError(), inner, ForeignError("f")], b=2)
    group.__cause__ = shared
    back = there_and_back(group)
    assert group.to_dict() == back.to_dict()
    assert ExceptionGroup is type(back.exceptions[1].exceptions[1])
    assert back.__cause__ is back.exceptions[1].exceptions[1].exceptions[0]


@pytest.mark.deep_stack
def test_groups_nested_deeper_than_the_stack_survive() -> None:
    deep: Exception = NotFoundError("x")
    for _ in range(3000):
        deep = ErrorGroup("one level", [deep])
    back = pickle.loads(pickle.dumps(deep))
    for _ in range(3000):
        (back,) = back.exceptions
    assert isinstance(back, NotFoundError)


def test_a_circle_of_causes_stays_one() -> None:
    error = IoError("a")
    error.__cause__ = DatabaseError("b")
    error.__cause__.__cause__ = error
    back = there_and_back(error)
    assert back is back.__cause__.__cause__


@pytest.mark.deep_stack
def test_a_chain_of_ten_thousand_causes_is_cut() -> None:
    top = found = IoError("0")
    for n in range(10_000):
        found.__cause__ = IoError(str(n + 1))
        found = found.__cause__
    found, depth = there_and_back(top), 0
    while isinstance(found, IoError):
        found, depth = found.__cause__, depth + 1
    assert 9 == depth
    assert "chain cut" == found.message
    assert len(pickle.dumps(top)) < 10_000
    assert top.root_cause().message == "10000"


def test_copy_keeps_the_live_cause_and_deepcopy_equals_pickle() -> None:
    cause = ForeignError("live")
    error = KeywordOnlyError("x", request="r", response=503)
    error.__cause__ = cause
    shallow, deep = copy.copy(error), copy.deepcopy(error)
    assert shallow.__cause__ is cause
    assert shallow.live is error.live
    assert OpaqueError is type(deep.__cause__)
    assert pickle.dumps(deep) == pickle.dumps(there_and_back(error))
    group = ErrorGroup("g", [error])
    assert group.exceptions == copy.copy(group).exceptions


def test_a_problem_survives() -> None:
    problem = Problem.from_error(NotFoundError(), request_id="r")
    assert problem == there_and_back(problem)


def test_hash_and_identity_are_those_of_an_exception() -> None:
    assert IoError("x") != IoError("x")
    assert 1 == len({error := UnavailableError(), error})


TEXT = st.text(max_size=30)
LEAVES = st.builds(
    lambda cls, message, fields, note: _noted(cls(message, **fields), note),
    st.sampled_from([IoError, StorageError, NotFoundError, DeadlineExceededError, ValidationError]),
    TEXT,
    st.dictionaries(
        st.sampled_from(["a", "b", "password"]), TEXT | st.integers() | st.floats(), max_size=3
    ),
    TEXT,
) | st.builds(ValueError, TEXT)


def _noted(error: InfraError, note: str) -> InfraError:
    error.add_note(note)
    return error


def _caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


TREES = st.recursive(
    LEAVES,
    lambda children: (
        st.builds(
            lambda message, members: ErrorGroup(message, members),
            TEXT,
            st.lists(children, min_size=1, max_size=4),
        )
        | st.builds(_caused, children, children)
    ),
    max_leaves=12,
)


@given(TREES)
def test_any_tree_survives_pickle_deepcopy_and_the_wire(tree: BaseException) -> None:
    error = tree if isinstance(tree, InfraError) else InfraError.from_exception(tree)
    wire = error.to_dict()
    assert wire == there_and_back(error).to_dict()
    assert wire == copy.deepcopy(error).to_dict()
    assert wire == InfraError.from_dict(wire).to_dict()
