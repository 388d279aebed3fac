"""Every metric that a dashboard shows is made by the code of some package."""

from __future__ import annotations

import re

from infra_otel import semconv
from tools.house import ROOT

INSTRUMENT = re.compile(r"create_[a-z_]+\(\s*(?:[\"']([a-z._]+)[\"']|(?:semconv\.)?([A-Z_]+))")


def made_by_the_code() -> set[str]:
    """Return the names of the instruments that the packages create."""
    names = set()
    for file in ROOT.glob("packages/*/*/src/**/*.py"):
        for name, constant in INSTRUMENT.findall(file.read_text("utf-8")):
            names.add(name or getattr(semconv, constant, constant))
    return names


def test_each_metric_of_the_dashboards_is_emitted_by_a_package() -> None:
    assert set() == set(semconv.METRICS) - made_by_the_code()


def test_an_instrument_is_found_by_its_name_and_by_its_constant() -> None:
    assert {"http.client.request.duration", semconv.REQUEST_DURATION} <= made_by_the_code()
