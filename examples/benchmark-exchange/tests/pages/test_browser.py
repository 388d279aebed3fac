"""The pages in a real browser: readable small and dark, without JavaScript, and by everybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BOARD = "/benchmarks/alpaca-eval-2/leaderboard"
PAGES = ["/", BOARD, f"{BOARD}?board=verified", "/nowhere"]
QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--force-prefers-reduced-motion",
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Iterator[str]:
    """A served exchange with the real table."""
    folder = tmp_path_factory.mktemp("browser")
    env = os.environ | {"EXCHANGE_DATA": str(folder / "data"), "EXCHANGE_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "benchmark_exchange"]
    subprocess.run([*command, "import", table], env=env, cwd=folder, check=True)
    serve = [*command, "serve", "--port", "0"]
    with subprocess.Popen(serve, env=env, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium; skipped where it or its driver is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        reason = "no chromium with chromedriver on PATH"
        (pytest.fail if os.environ.get("INFRA_REQUIRE_SERVERS") == "1" else pytest.skip)(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    with webdriver.Chrome(options=options, service=service) as opened:
        yield opened


def show(browser: Any, address: str, *, width: int, scheme: str, scripts: bool = True) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    browser.get(address)


def count(browser: Any, selector: str) -> int:
    return len(browser.find_elements("css selector", selector))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_accessibility_violation_and_no_sideways_scroll(
    browser: Any, url: str, path: str, width: int, scheme: str
):
    axe_module = pytest.importorskip("axe_selenium_python")
    show(browser, url + path, width=width, scheme=scheme)
    axe = axe_module.Axe(browser)
    axe.inject()
    found = axe.run()["violations"]
    assert [] == [(violation["id"], violation["nodes"][0]["html"]) for violation in found]
    content = browser.execute_script("return document.documentElement.scrollWidth")
    assert content <= width
    logged = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [] == [entry for entry in logged if "404" not in entry["message"]]


def test_the_chart_has_a_bar_a_model_and_is_seen(browser: Any, url: str):
    show(browser, url + BOARD, width=1280, scheme="light")
    assert 223 == count(browser, "svg .bar") == count(browser, "tbody tr")
    chart = browser.find_element("css selector", "svg.chart")
    assert chart.is_displayed()
    bars = browser.find_elements("css selector", "svg .bar")
    first, last = (bars[index].rect for index in (0, -1))
    assert first["width"] > 5
    assert last["x"] > first["x"] + 500
    assert last["x"] + last["width"] <= chart.rect["x"] + chart.rect["width"]


def test_on_a_small_screen_the_table_scrolls_and_the_page_does_not(browser: Any, url: str):
    show(browser, url + BOARD, width=360, scheme="light")
    region = browser.find_element("css selector", ".scroll")
    widths = "return [arguments[0].clientWidth, arguments[0].scrollWidth]"
    visible, whole = browser.execute_script(widths, region)
    assert visible <= 360 < whole
    text = browser.find_elements("css selector", "svg text")[5]
    size = browser.execute_script("return getComputedStyle(arguments[0]).fontSize", text)
    assert float(size.removesuffix("px")) >= 12


def test_without_javascript_everything_is_there(browser: Any, url: str):
    show(browser, url + BOARD, width=360, scheme="light", scripts=False)
    assert 223 == count(browser, "svg .bar") == count(browser, "tbody tr")
    browser.find_element("css selector", "tbody a").click()
    assert "Result of" in browser.find_element("css selector", "h1").text


def test_the_keyboard_goes_through_the_page_in_reading_order(browser: Any, url: str):
    from selenium.webdriver.common.keys import Keys

    show(browser, url + BOARD, width=1280, scheme="light")
    seen = []
    for _ in range(5):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        seen.append(browser.switch_to.active_element.text)
    assert [
        "Skip to the content",
        "Benchmark Exchange",
        "all accepted results",
        "verified results only",
        "Go to the table",
    ] == seen


def test_each_page_has_one_main_heading(browser: Any, url: str):
    for path in PAGES:
        show(browser, url + path, width=1280, scheme="light")
        assert 1 == count(browser, "h1")
