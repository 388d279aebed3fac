"""Compiled libraries, imported at their first use; a missing one says what to install."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from infra_crypto.errors import MissingExtra

__all__ = ["load"]


def load(module: str, *, distribution: str = "cryptography") -> Any:
    """
    Return a module of a distribution that may be missing, as in a browser.

    Raises MissingExtra (`crypto.missing_extra`) that names the distribution.
    """
    try:
        return import_module(module)
    except ImportError as exc:
        msg = f"infra-crypto needs {distribution} for this: pip install '{distribution}'"
        raise MissingExtra(msg, distribution=distribution, module=module) from exc
