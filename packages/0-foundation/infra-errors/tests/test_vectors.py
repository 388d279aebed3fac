"""The cases that every language runs: tests/vectors/errors.json and problem.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra_errors import InfraError, Problem, Status, catalogue, is_sensitive, redact_text

HERE = Path(__file__).resolve()
VECTORS = next(
    (
        found
        for parent in HERE.parents
        if (found := parent / "tests" / "vectors" / "errors.json").is_file()
    ),
    HERE,
).parent
if not (VECTORS / "errors.json").is_file():
    pytest.skip("the shared vectors are not part of this distribution", allow_module_level=True)


def cases(suite: str) -> list[Any]:
    content = json.loads((VECTORS / f"{suite}.json").read_bytes())
    assert (suite, 1) == (content["suite"], content["version"])
    return content["cases"]  # type: ignore[no-any-return]


OPERATIONS = {
    "round_trip": lambda wire: InfraError.from_dict(wire).to_dict(),
    "read": lambda wire: InfraError.from_dict(wire).to_dict(),
    "is_sensitive": lambda keys: [is_sensitive(key) for key in keys],
    "redact_text": redact_text,
    "status_from_http": lambda numbers: [Status.from_http(number).name for number in numbers],
    "from_error": lambda wire, options: Problem.from_error(
        InfraError.from_dict(wire), **options
    ).to_dict(),
    "parse": lambda obj, http: Problem.parse(obj, http_status=http).to_dict(),
    "to_error": lambda obj, http: Problem.parse(obj, http_status=http).to_error().to_dict(),
    "headers": lambda wire: Problem.from_error(InfraError.from_dict(wire)).headers(),
}


@pytest.mark.parametrize(
    "case", [*cases("errors"), *cases("problem")], ids=lambda case: f"{case['op']}: {case['id']}"
)
def test_a_shared_vector_holds(case: dict[str, Any]) -> None:
    run = OPERATIONS[case["op"]]
    if "error" in case:
        with pytest.raises(InfraError) as caught:
            run(*case["args"])
        assert case["error"] == {
            "code": caught.value.code,
            "category": caught.value.category.value,
        }
        return
    assert case["result"] == run(*case["args"])
    if case["op"] == "round_trip":
        assert case["args"][0] == case["result"]


def test_there_are_enough_and_each_code_of_the_catalogue_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [])
    assert len(cases("errors")) >= 60
    assert len(cases("problem")) >= 30
    seen = [case["id"] for case in cases("errors")]
    for row in catalogue():
        # "library." is the example in the package's docstring
        if row["class"].startswith("infra_errors.") and not row["code"].startswith("library."):
            assert 1 == seen.count(f"catalogue {row['code']}")


def test_no_vector_shows_a_secret_in_its_result() -> None:
    for case in [*cases("errors"), *cases("problem")]:
        assert "hunter2" not in json.dumps(case.get("result"))
