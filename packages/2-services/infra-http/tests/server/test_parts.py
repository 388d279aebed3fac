"""Settings, the ambient request, threads, and what an import loads."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from infra_errors import ConfigError, Deadline, ValidationError
from infra_http import ServerSettings, current_request_id, request_scope
from infra_http.propagation import current_idempotency_key
from infra_http.server import run
from infra_http.server.threads import Threads


def test_the_defaults_serve_this_machine_alone():
    settings = ServerSettings()
    assert ("127.0.0.1", 8000, 1, "auto", ()) == (
        settings.host,
        settings.port,
        settings.workers,
        settings.server,
        settings.trusted_proxies,
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"port": -1}, "port"),
        ({"port": 65536}, "port"),
        ({"port": True}, "port"),
        ({"host": ""}, "host"),
        ({"host": "a b"}, "host"),
        ({"workers": 0}, "workers"),
        ({"server": "gunicorn"}, "uvicorn"),
        ({"trusted_proxies": "10.0.0.1/8"}, "trusted_proxies"),
        ({"trusted_proxies": ("proxy",)}, "networks"),
        ({"uds": ""}, "uds"),
        ({"ssl_certfile": "c.pem"}, "together"),
    ],
    ids=lambda it: str(it),
)
def test_a_value_that_cannot_work_is_refused_by_name(given, told):
    with pytest.raises(ConfigError, match=told):
        ServerSettings(**given)


def test_networks_may_come_as_one_text():
    settings = ServerSettings(trusted_proxies="10.0.0.0/8, unix")
    assert ("10.0.0.0/8", "unix") == settings.trusted_proxies


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"app": "nowhere:app"}, "nowhere"),
        ({"app": "infra_http"}, "module:attr"),
        ({"app": "infra_http.server:nothing"}, "nothing"),
        ({"app": print, "workers": 2}, "module:attr"),
        ({"app": print, "colour": "red"}, "colour"),
        ({"app": print, "server": "gunicorn"}, "gunicorn"),
    ],
    ids=["module", "no attr", "attr", "workers", "option", "server"],
)
def test_run_refuses_what_it_cannot_serve(how, told):
    if how.get("workers"):
        pytest.importorskip("uvicorn", reason="the server is looked for first")
    with pytest.raises(ConfigError, match=told):
        run(**how)


def test_without_a_server_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match="infra-http") as caught:
        run(print, server="uvicorn")
    assert "http.missing_extra" == caught.value.code
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'infra-http\[uvicorn\]'") as caught:
        run(print)
    assert "http.missing_extra" == caught.value.code


def test_an_address_in_use_is_told():
    pytest.importorskip("uvicorn")
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ConfigError, match="cannot listen") as caught:
            run(print, port=taken.getsockname()[1])
    assert "http.cannot_listen" == caught.value.code


@pytest.mark.subprocess
def test_importing_the_server_loads_no_server():
    code = (
        "import sys, infra_http.server; "
        "print([m for m in ('uvicorn', 'granian', 'multiprocessing.context') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == found.stdout.strip()


# ---- the ambient request -------------------------------------------------------------------------


async def test_a_request_scope_holds_in_its_body_and_in_tasks_started_there():
    with request_scope(request_id="r1", idempotency_key="k", deadline=60):
        with request_scope(request_id="r2"):
            assert ("r2", "k") == (current_request_id(), current_idempotency_key())
        assert "r1" == current_request_id()
        assert 50 < Deadline.current().remaining() <= 60

        async def below():
            return current_request_id()

        assert "r1" == await asyncio.create_task(below())
    assert (None, None, None) == (
        current_request_id(),
        current_idempotency_key(),
        Deadline.current(),
    )


@pytest.mark.parametrize("id", ["", "a b", "a\n", "x" * 129, "\u00e9"])
def test_a_request_id_that_could_forge_a_log_line_is_refused(id):
    with pytest.raises(ValidationError), request_scope(request_id=id):
        pass
    assert current_request_id() is None


# ---- threads -------------------------------------------------------------------------------------


@pytest.mark.threads
async def test_at_most_so_many_functions_run_at_once_and_the_rest_waits():
    threads, gate, lock, counts = Threads(limit=3), threading.Event(), threading.Lock(), [0, 0]

    def work(number):
        with lock:
            counts[0] += 1
            counts[1] = max(counts)
        gate.wait(30)
        with lock:
            counts[0] -= 1
        return number

    jobs = [asyncio.create_task(threads.run(work, number)) for number in range(10)]
    while counts[0] < 3:  # noqa: ASYNC110 - a thread counts
        await asyncio.sleep(0.001)
    gate.set()
    assert list(range(10)) == await asyncio.gather(*jobs)
    assert 3 == counts[1]
    threads.close()


@pytest.mark.threads
async def test_threads_are_used_again_and_errors_come_back():
    threads, names = Threads(), set()

    def work(number):
        names.add(threading.current_thread().name)
        if number == 3:
            raise StopIteration
        if number == 4:
            raise KeyError(number)

    for number in range(3):
        await threads.run(work, number)
    assert 1 == len(names)
    with pytest.raises(RuntimeError):
        await threads.run(work, 3)
    with pytest.raises(KeyError):
        await threads.run(work, 4)
    threads.close()


@pytest.mark.threads
async def test_a_caller_that_is_cancelled_does_not_wait_for_its_thread():
    threads, entered, gate = Threads(limit=1), threading.Event(), threading.Event()

    def work(number):
        entered.set()
        gate.wait(30)
        return number

    job = asyncio.create_task(threads.run(work, 1))
    while not entered.is_set():  # noqa: ASYNC110 - a thread sets it
        await asyncio.sleep(0.001)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    gate.set()
    assert 2 == await threads.run(work, 2)
    threads.close()
