"""`InfraResult[T]`: the return type `T` of a function that may raise an InfraError."""

from __future__ import annotations

from typing import Annotated, TypeVar

from infra_errors.errors import InfraError

__all__ = ["InfraResult"]

T = TypeVar("T")

InfraResult = Annotated[T, InfraError]
