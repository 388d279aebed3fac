"""Import contracts that import-linter lacks: public names only, and an allow list."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from grimp import ImportGraph


class PublicNamesOnly(Contract):
    """Forbid `from infra_errors._core import X` outside infra_errors itself."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        breaks = sorted(
            (importer, imported)
            for importer in graph.modules
            for imported in graph.find_modules_directly_imported_by(importer)
            if _root(importer) != _root(imported) and _is_private(imported)
        )
        return ContractCheck(kept=not breaks, metadata={"breaks": breaks})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["breaks"]:
            output.print_error(f"- {importer} imports the private {imported}")


class AllowList(Contract):
    """Let some modules import only the standard library and what is listed."""

    modules = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        bound = cast("list[str]", self.modules)
        allowed = [*cast("list[str]", self.allowed), *bound]
        breaks = sorted(
            (importer, imported)
            for importer in graph.modules
            if _inside(importer, bound)
            for imported in graph.find_modules_directly_imported_by(importer)
            if not _inside(imported, allowed) and _root(imported) not in sys.stdlib_module_names
        )
        return ContractCheck(kept=not breaks, metadata={"breaks": breaks})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["breaks"]:
            output.print_error(f"- {importer} imports {imported}, which its list does not allow")


def _root(module: str) -> str:
    return module.partition(".")[0]


def _is_private(module: str) -> bool:
    """Whether a module of ours is not for others; `__future__` and the like are for all."""
    parts = module.split(".")
    return any(part.startswith("_") and not part.startswith("__") for part in parts[1:])


def _inside(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
