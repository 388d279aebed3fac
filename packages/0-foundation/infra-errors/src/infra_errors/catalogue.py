"""The catalogue: every error class that the installed packages declare, as rows.

A package takes part by an entry point in the group `infra_errors.catalogue` that names the module
with its classes.
"""

from __future__ import annotations

import sys

from infra_errors import group  # noqa: F401 - its class is one of our own rows
from infra_errors._chain import describe
from infra_errors._leaves import BadCatalogueError
from infra_errors.errors import InfraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["catalogue"]

_GROUP = "infra_errors.catalogue"


def catalogue() -> list[dict[str, Any]]:
    """One row a class, sorted by code.

    Returns:
        Rows {class, code, category, status, http_status, grpc_code, retryable, bases, doc}.

    Raises:
        ConfigError: `errors.bad_catalogue` for a declared module that does not import.
    """
    packages = {module.partition(".")[0] for module in _load()}
    rows = {
        (cls.code, name): _row(cls, name)
        for cls in _tree(InfraError)
        if "_generated" not in cls.__dict__
        and cls.__module__.partition(".")[0] in packages
        and "<locals>" not in cls.__qualname__
        for name in [f"{cls.__module__}.{cls.__qualname__}"]
    }
    return [rows[key] for key in sorted(rows)]


def _load() -> list[str]:
    from importlib.metadata import entry_points

    modules = ["infra_errors"]
    for point in entry_points(group=_GROUP):
        if point.module not in sys.modules:
            try:
                __import__(point.module)
            except ImportError as exc:
                message = f"{point.module}, declared as {point.name}: {describe(exc)}"
                raise BadCatalogueError(message) from exc
        modules.append(point.module)
    return modules


def _tree(root: type[InfraError]) -> Iterator[type[InfraError]]:
    seen = {root}
    waiting = [root]
    while waiting:
        cls = waiting.pop()
        yield cls
        new = [sub for sub in cls.__subclasses__() if sub not in seen]
        seen.update(new)
        waiting.extend(new)


def _row(cls: type[InfraError], name: str) -> dict[str, Any]:
    return {
        "class": name,
        "code": cls.code,
        "category": cls.category.value,
        "status": cls.status.name,
        "http_status": cls.http_status,
        "grpc_code": cls.status.grpc_code,
        "retryable": cls.retryable,
        "bases": [base.__name__ for base in cls.__bases__],
        "doc": (cls.__doc__ or "").strip().partition("\n")[0],
    }
