"""Reading again: which changes are seen, and what stays when the new is wrong."""

from __future__ import annotations

import asyncio
import logging
import os
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
    assert reloader.check()
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
    assert reloader.check()
    assert "two" == reloader.current.value.name


def test_another_size_at_the_same_time_is_seen(file: Path):
    reloader = Reloader(reader(FileSource(file)))
    found = file.stat()
    file.write_text('name = "longer"\n')
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert reloader.check()


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
    assert reloader.check()
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
    assert reloader.check()
    assert Secret("changed") == reloader.current.value.token
    (tmp_path / ".env").write_text("NAME=dotenv")
    assert reloader.check()
    (tmp_path / "later.toml").write_text("server.port = 5")
    assert reloader.check()
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
    assert not reloader.check()
    assert not reloader.check()
    assert "one" == reloader.current.value.name
    assert [MissingFile if content is None else ConfigLoadError] == [type(e) for e in errors]
    file.write_text('name = "mended"')
    assert reloader.check()
    assert "mended" == reloader.current.value.name


def test_an_error_is_logged_without_values(file: Path, caplog: pytest.LogCaptureFixture):
    reloader = Reloader(reader(FileSource(file)))
    file.write_text('server.port = "hunter2"')
    with caplog.at_level(logging.DEBUG, "infra_config"):
        reloader.check()
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


def test_no_reader_sees_half_of_a_change(file: Path):
    reloader = Reloader(reader(FileSource(file)))
    for number in range(100):
        file.write_text(f'name = "{number}"\nserver.host = "{number}"\n' + "#" * (number % 7))
        reloader.check()
        seen = reloader.current.value
        assert seen.server is not None
        assert seen.name == seen.server.host


async def test_it_looks_every_interval_until_cancelled(file: Path):
    slept: list[float] = []
    looked = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            file.write_text('name = "running"\n')
        if len(slept) == 3:
            looked.set()
            await asyncio.Event().wait()

    reloader = Reloader(reader(FileSource(file)), interval=7.0, sleep=sleep)
    task = asyncio.create_task(reloader.run())
    await looked.wait()
    assert ([7.0, 7.0, 7.0], "running") == (slept, reloader.current.value.name)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
