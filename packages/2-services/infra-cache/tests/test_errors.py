"""The error tree: categories, statuses and codes."""

from __future__ import annotations

import pytest

from infra_cache import errors
from infra_errors import CacheError, InfraError


def leaves() -> list[type[InfraError]]:
    found = [getattr(errors, name) for name in errors.__all__]
    return [kind for kind in found if isinstance(kind, type)]


@pytest.mark.parametrize("kind", leaves())
def test_every_leaf_is_a_cache_error_with_a_code_of_this_package(kind: type[InfraError]) -> None:
    assert issubclass(kind, CacheError)
    assert kind.code.startswith("cache.")


def test_codes_are_unique_and_only_what_may_be_repeated_says_so() -> None:
    codes = [kind.code for kind in leaves()]
    assert len(codes) == len(set(codes))
    assert {"CacheUnavailable", "CacheTimeout", "LoadTimeout", "LockHeld", "RateLimitExceeded"} == {
        kind.__name__ for kind in leaves() if kind.retryable
    }
