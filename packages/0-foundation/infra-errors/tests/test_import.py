"""What importing costs, and that every public name is there."""

from __future__ import annotations

import builtins
import importlib
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import infra_errors

SOURCE = str(Path(infra_errors.__file__).parent.parent)
UNWANTED = [
    "typing",
    "re",
    "asyncio",
    "inspect",
    "logging",
    "dataclasses",
    "json",
    "random",
    "threading",
    "email",
    "tokenize",
]


def modules_after(statement: str) -> set[str]:
    code = f"import sys; sys.path.insert(0, {SOURCE!r}); {statement}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.mark.subprocess
def test_importing_the_package_loads_nothing_heavy() -> None:
    new = modules_after("import infra_errors") - modules_after("pass")
    assert new <= {"infra_errors", "__future__"}


@pytest.mark.subprocess
def test_raising_an_error_loads_nothing_heavy() -> None:
    new = modules_after(
        "import infra_errors; str(infra_errors.NotFoundError('no such user', id=1))"
    )
    assert set() == new & set(UNWANTED)


@pytest.mark.parametrize("name", infra_errors.__all__)
def test_every_public_name_is_reachable(name: str) -> None:
    assert getattr(infra_errors, name) is not None
    assert name in dir(infra_errors)


def test_the_public_names_are_those_of_the_design() -> None:
    design = """
        InfraError ConfigError ValidationError IoError HttpError AuthError ExternalError CryptoError
        SerializationError MessageQueueError VectorError SchemaError DatabaseError CacheError
        StorageError NotFoundError ConflictError UnauthenticatedError PermissionDeniedError
        RateLimitedError DeadlineExceededError UnavailableError Violation boundary Problem Secret
        SecretUrl redact retry RetryPolicy Deadline CircuitBreaker Status Category error_class
        OpaqueError ErrorGroup InfraResult register import_extra parse_retry_after is_sensitive
        add_sensitive redact_text mask_phone RetryEvent RetryBudget BreakerState Permit Bulkhead
        CircuitOpenError BulkheadFullError catalogue GiveUpEvent
    """
    assert set(design.split()) == set(infra_errors.__all__)


def test_the_public_names_are_sorted_and_none_hides_a_builtin() -> None:
    assert sorted(infra_errors.__all__) == infra_errors.__all__
    assert set() == set(infra_errors.__all__) & set(dir(builtins))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        infra_errors.nope  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["retry", "redact", "catalogue"])
def test_a_function_is_not_replaced_by_the_module_of_its_name(name: str) -> None:
    importlib.import_module(f"infra_errors.{name}")
    assert isinstance(getattr(infra_errors, name), FunctionType)


def test_infra_result_is_an_alias_of_its_argument() -> None:
    def process() -> infra_errors.InfraResult[None]:
        raise infra_errors.ValidationError("Invalid input")

    with pytest.raises(infra_errors.ValidationError):
        process()


def test_classes_report_their_public_module() -> None:
    for name in ("InfraError", "StorageError", "NotFoundError", "ErrorGroup", "Problem"):
        assert getattr(infra_errors, name).__module__ == "infra_errors"
