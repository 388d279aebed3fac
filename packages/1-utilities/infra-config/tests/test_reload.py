"""Reading again: which changes are seen, and what stays when the new is wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from infra_config import (
    ConfigLoadError,
    DotEnvSource,
    EnvSource,
    FileSource,
    Loaded,
    MissingFile,
    Reloader,
    SecretsDirSource,
    load,
    setting,
)
from infra_errors import Secret


@attrs.frozen
class Server:
    host: str = "x"
    port: int = 0


@attrs.frozen
class Settings:
    name: str = "none"
    server: Server | None = None
    token: Secret[str] | None = setting(None, env="TOKEN")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.toml"
    path.write_text('name = "one"\n')
    return path


def reader(*sources: Any) -> Callable[[], Loaded[Settings]]:
    return lambda: load(Settings, *sources)


def settled(reloader: Reloader[Any]) -> bool:
    """Look as often as a change needs; whether the second look has read it."""
    assert not reloader.check()
    return reloader.check()


def test_a_file_that_did_not_change_is_not_read_again(file: Path):
    reloader = Reloader(reader(FileSource(file)))
    before = reloader.current
    assert not reloader.check()
    assert before is reloader.current


def test_a_change_is_told_with_old_new_and_paths(file: Path):
    told: list[Any] = []
    reloader = Reloader(
        reader(FileSource(file)),
        on_change=lambda *what: told.append((*what, reloader.current is what[1])),
    )
    first = reloader.current
    file.write_text('name = "three"\nserver.port = 1\n')
    assert settled(reloader)
    assert Settings("three", Server(port=1)) == reloader.current.value
    paths = ("name", "server.host", "server.port")
    assert [(first, reloader.current, paths, True)] == told
    assert not reloader.check()


def test_a_file_replaced_by_rename_is_seen(file: Path, tmp_path: Path):
    reloader = Reloader(reader(FileSource(file)))
    (tmp_path / "new").write_text('name = "two"\n')
    found = file.stat()
    os.utime(tmp_path / "new", ns=(found.st_atime_ns, found.st_mtime_ns))
    (tmp_path / "new").replace(file)
    assert settled(reloader)
    assert "two" == reloader.current.value.name


def test_another_size_at_the_same_time_is_seen(file: Path):
    reloader = Reloader(reader(FileSource(file)))
    found = file.stat()
    file.write_text('name = "longer"\n')
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert settled(reloader)


def test_a_swapped_symlink_of_a_mounted_folder_is_seen(tmp_path: Path):
    for version in ("..v1", "..v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(version)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "token").symlink_to("..data/token")
    reloader = Reloader(reader(SecretsDirSource(tmp_path)))
    assert Secret("..v1") == reloader.current.value.token
    (tmp_path / "..new").symlink_to("..v2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert settled(reloader)
    assert Secret("..v2") == reloader.current.value.token


def test_secret_files_env_files_and_new_files_are_watched(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("a")
    environ = {"TOKEN_FILE": str(secret)}
    reloader = Reloader(
        reader(
            FileSource(tmp_path / "later.toml", optional=True),
            DotEnvSource(tmp_path / ".env"),
            EnvSource(environ=environ),
        )
    )
    secret.write_text("changed")
    assert settled(reloader)
    assert Secret("changed") == reloader.current.value.token
    (tmp_path / ".env").write_text("NAME=dotenv")
    assert settled(reloader)
    (tmp_path / "later.toml").write_text("server.port = 5")
    assert settled(reloader)
    assert ("dotenv", Server(port=5)) == attrs.astuple(reloader.current.value, recurse=False)[:2]


@pytest.mark.parametrize("content", ['name = "tru', "name = 5", None], ids=["half", "type", "gone"])
def test_what_is_wrong_leaves_the_old_and_is_tried_again_on_the_next_change(
    file: Path, content: str | None
):
    errors: list[Exception] = []
    reloader = Reloader(reader(FileSource(file)), on_error=errors.append)
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert not settled(reloader)
    assert not settled(reloader)
    assert "one" == reloader.current.value.name
    assert [MissingFile if content is None else ConfigLoadError] == [type(e) for e in errors]
    file.write_text('name = "mended"')
    assert settled(reloader)
    assert "mended" == reloader.current.value.name


def test_an_error_is_logged_without_values(file: Path, caplog: pytest.LogCaptureFixture):
    reloader = Reloader(reader(FileSource(file)))
    file.write_text('server.port = "hunter2"')
    with caplog.at_level(logging.DEBUG, "infra_config"):
        settled(reloader)
    (record,) = caplog.records
    assert "ERROR" == record.levelname
    assert "server.port: expected an integer" in record.getMessage()
    assert "hunter2" not in caplog.text


def test_the_first_reading_has_to_succeed(tmp_path: Path):
    with pytest.raises(MissingFile):
        Reloader(reader(FileSource(tmp_path / "none.toml")))


def test_the_environment_is_not_watched():
    environ = {"NAME": "a"}
    reloader = Reloader(reader(EnvSource(environ=environ)))
    environ["NAME"] = "b"
    assert not reloader.check()


def test_half_a_file_that_reads_well_is_not_taken_for_the_whole(file: Path):
    reloader = Reloader(reader(FileSource(file)))
    for half in ('name = "two"\n', 'name = "two"\nserver.host = "h"\n'):
        file.write_text(half)
        assert not reloader.check()
        assert "one" == reloader.current.value.name
    file.write_text('name = "two"\nserver.host = "h"\nserver.port = 2\n')
    assert settled(reloader)
    assert Settings("two", Server("h", 2)) == reloader.current.value


def test_a_file_that_is_gone_for_one_look_is_no_error(file: Path):
    errors: list[Exception] = []
    reloader = Reloader(reader(FileSource(file)), on_error=errors.append)
    file.unlink()
    assert not reloader.check()
    file.write_text('name = "again"\n')
    assert settled(reloader)
    assert ([], "again") == (errors, reloader.current.value.name)


@pytest.mark.parametrize("content", ['name = "three"\n', "name ="], ids=["good", "broken"])
def test_what_changed_while_it_was_read_is_read_again(file: Path, content: str):
    errors: list[Exception] = []
    during: list[str] = []

    def factory() -> Loaded[Settings]:
        try:
            return load(Settings, FileSource(file))
        finally:
            if during:
                file.write_text(during.pop())

    reloader = Reloader(factory, on_error=errors.append)
    file.write_text(content)
    during.append('name = "at last"\n')
    assert not settled(reloader)
    assert ([], "one") == (errors, reloader.current.value.name)
    assert settled(reloader)
    assert ([], "at last") == (errors, reloader.current.value.name)


def test_a_change_that_is_taken_back_is_none(file: Path):
    reloader = Reloader(reader(FileSource(file)))
    before = file.stat()
    file.write_text('name = "two"\n')
    assert not reloader.check()
    file.write_text('name = "one"\n')
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not settled(reloader)


@pytest.mark.threads
def test_a_thousand_swaps_under_readers_give_no_torn_object(file: Path, tmp_path: Path):
    def write(number: int) -> None:
        (tmp_path / "new").write_text(f'name = "{number}"\n[server]\nhost = "{number}"\n')
        # an inode may be used again, and a clock stand still: the time tells the versions apart
        os.utime(tmp_path / "new", ns=(number, number))
        (tmp_path / "new").replace(file)

    write(0)
    reloader = Reloader(reader(FileSource(file)))
    stop = threading.Event()
    torn: list[Settings] = []
    backwards: list[int] = []
    reads = [0, 0]

    def read(slot: int) -> None:
        last = 0
        while not stop.is_set():
            seen = reloader.current.value
            if seen.server is None or seen.name != seen.server.host:
                torn.append(seen)
            if int(seen.name) < last:
                backwards.append(last)
            last = int(seen.name)
            reads[slot] += 1
            time.sleep(0)  # else each file operation below waits for a whole turn of a reader

    threads = [threading.Thread(target=read, args=(slot,)) for slot in range(len(reads))]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 1001):
            write(number)
            assert settled(reloader)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert ([], [], "1000") == (torn, backwards, reloader.current.value.name)
    assert all(reads)


async def test_it_looks_every_interval_until_cancelled(file: Path):
    slept: list[float] = []
    looked = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            file.write_text('name = "running"\n')
        if len(slept) == 4:
            looked.set()
            await asyncio.Event().wait()

    reloader = Reloader(reader(FileSource(file)), interval=7.0, sleep=sleep)
    task = asyncio.create_task(reloader.run())
    await looked.wait()
    assert ([7.0] * 4, "running") == (slept, reloader.current.value.name)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
