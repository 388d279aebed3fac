"""A folder of secrets: names, contents, and the folders that container platforms mount."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from infra_config import (
    ConfigLoadError,
    MemorySource,
    MissingFile,
    SecretsDirSource,
    UnreadableFile,
    load,
)
from infra_errors import Secret


@attrs.frozen
class Database:
    password: Secret[str] | None = None
    port: int = 0


@attrs.frozen
class Settings:
    token: Secret[str] | None = None
    db: Database = Database()


@attrs.frozen
class Needed:
    token: Secret[str]


def value(folder: Path, prefix: str = "") -> Settings:
    return load(Settings, SecretsDirSource(folder, prefix=prefix)).value


def wrong(folder: Path, cls: type = Settings) -> list[str]:
    with pytest.raises(ConfigLoadError) as caught:
        load(cls, SecretsDirSource(folder))
    return [str(found).replace(str(folder), "DIR") for found in caught.value.violations]


def test_a_file_is_a_setting_and_loses_one_line_end(tmp_path: Path):
    (tmp_path / "token").write_text("pw\n")
    (tmp_path / "db__password").write_text("other")
    (tmp_path / "db__port").write_text("5\n")
    assert Settings(Secret("pw"), Database(Secret("other"), 5)) == value(tmp_path)


def test_other_names_hidden_files_and_folders_are_not_looked_at(tmp_path: Path):
    for name in ("else", ".token", "tokens"):
        (tmp_path / name).write_bytes(b"\xff")
    (tmp_path / "token").mkdir()
    assert Settings() == value(tmp_path)


def test_with_a_prefix_only_its_files_are_read(tmp_path: Path):
    (tmp_path / "app_token").write_text("pw")
    (tmp_path / "token").write_text("foreign")
    assert Secret("pw") == value(tmp_path, "app_").token


def test_it_hides_what_is_below_and_is_explained_without_its_text(tmp_path: Path):
    (tmp_path / "token").write_text("hunter2")
    loaded = load(Settings, MemorySource({"token": "low"}), SecretsDirSource(tmp_path))
    assert Secret("hunter2") == loaded.value.token
    shown = str(loaded.explain("token"))
    assert f"from file {tmp_path / 'token'}: '***'" in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"a\0b", "is no UTF-8 text of at most 64 KiB"),
        (b"\xff", "is no UTF-8 text of at most 64 KiB"),
        (b"x" * 65_537, "is no UTF-8 text of at most 64 KiB"),
    ],
    ids=["empty", "blank", "NUL", "not UTF-8", "long"],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, content: bytes, why: str):
    (tmp_path / "token").write_bytes(content)
    (line,) = wrong(tmp_path)
    assert f"token: {why} (file {Path('DIR') / 'token'})" == line


def test_a_file_whose_target_is_gone_is_told(tmp_path: Path):
    (tmp_path / "token").symlink_to(tmp_path / "gone")
    (line,) = wrong(tmp_path)
    assert "token: cannot be read: No such file or directory" in line


def test_two_files_for_one_setting_are_refused(tmp_path: Path):
    (tmp_path / "token").write_text("a")
    (tmp_path / "TOKEN").write_text("b")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system does not tell the two names apart")
    (line,) = wrong(tmp_path)
    assert "token: TOKEN and token are both set" in line


def test_a_missing_setting_names_the_file_that_would_supply_it(tmp_path: Path):
    (line,) = wrong(tmp_path, Needed)
    assert f"token: required, and not given; set {Path('DIR') / 'token'}" == line


def test_a_missing_folder_has_no_settings_unless_it_is_needed(tmp_path: Path):
    assert Settings() == value(tmp_path / "none")
    with pytest.raises(MissingFile):
        load(Settings, SecretsDirSource(tmp_path / "none", optional=False))


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UnreadableFile):
        load(Settings, SecretsDirSource(tmp_path / "file"))


def test_secrets_behind_a_symlink_are_read(tmp_path: Path):
    (tmp_path / "..v1").mkdir()
    (tmp_path / "..v1" / "token").write_text("pw")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "token").symlink_to("..data/token")
    assert Secret("pw") == value(tmp_path).token


def test_without_a_class_every_file_is_read(tmp_path: Path):
    (tmp_path / "a__b").write_text("1")
    (layer,) = SecretsDirSource(tmp_path).read(None)
    assert {"a": {"b": "1"}} == layer.data
