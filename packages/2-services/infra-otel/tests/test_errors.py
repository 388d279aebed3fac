"""The error tree: one category, a code for each leaf."""

from __future__ import annotations

from infra_errors import ConfigError
from infra_otel import errors


def test_every_error_is_a_config_error_with_a_code_of_its_own() -> None:
    found = [getattr(errors, name) for name in errors.__all__]
    kinds = [it for it in found if isinstance(it, type) and issubclass(it, ConfigError)]
    assert len(errors.__all__) - 1 == len(kinds)
    assert {
        "otel.bad_setting",
        "otel.missing_extra",
        "otel.already_configured",
        "otel.existing_provider",
    } == {kind.code for kind in kinds}
    assert not any(kind.retryable for kind in kinds)
