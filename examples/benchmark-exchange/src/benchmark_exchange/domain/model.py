"""A model and its versions, each under the very label its results were published with."""

from __future__ import annotations

import attrs

from benchmark_exchange.domain._check import check_text
from benchmark_exchange.domain.ids import ModelId, ModelVersionId

__all__ = ["ModelRef", "ModelVersion"]


@attrs.frozen
class ModelRef:
    """How a result names its model: a name, and a version where the submitter tells them apart."""

    name: str
    version: str = ""

    def __attrs_post_init__(self) -> None:
        check_text("model", "model", self.name, 200)
        if self.version:
            check_text("model", "version", self.version, 200 - len(self.name) - 1)

    @property
    def label(self) -> str:
        """The model version's one name: the name as it was given, then the version."""
        return f"{self.name} {self.version}" if self.version else self.name


@attrs.frozen(kw_only=True)
class ModelVersion:
    """One version of a model; `label` is verbatim, `slug` names the model in addresses."""

    id: ModelVersionId
    model: ModelId
    slug: str
    label: str
