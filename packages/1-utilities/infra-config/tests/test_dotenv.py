"""`.env` files: what a line may be, what is ours in it, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra_config import (
    BadSource,
    ConfigLoadError,
    DotEnvSource,
    EnvSource,
    MissingFile,
    UnreadableFile,
    load,
    setting,
)
from infra_config._dotenv import lines_of
from infra_errors import Secret


@attrs.frozen
class Server:
    port: int = 80


@attrs.frozen
class Settings:
    name: str = "none"
    server: Server = Server()
    token: Secret[str] | None = setting(None, env="TOKEN")


def source(tmp_path: Path, text: str | bytes, prefix: str = "APP_") -> DotEnvSource:
    (tmp_path / ".env").write_bytes(text if isinstance(text, bytes) else text.encode())
    return DotEnvSource(tmp_path / ".env", prefix)


def wrong(found: DotEnvSource) -> list[str]:
    with pytest.raises(ConfigLoadError) as caught:
        load(Settings, found)
    return [
        str(violation).replace(found.name, ".env").removeprefix(": ")
        for violation in caught.value.violations
    ]


def test_it_means_what_the_environment_means(tmp_path: Path):
    found = source(tmp_path, "APP_NAME=x\nexport APP_SERVER__PORT=5\nTOKEN=pw\n")
    assert Settings("x", Server(5), Secret("pw")) == load(Settings, found).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("K=v", {"K": "v"}),
        ("  export\tK = v  ", {"K": "v"}),
        ("# K=v\n\n  # more\nL=w\r\n", {"L": "w"}),
        ("K=", {"K": ""}),
        ("K=v # why", {"K": "v"}),
        ("K=v#1", {"K": "v#1"}),
        ("K=#1", {"K": ""}),
        ("K='a #\\n$X'# why", {"K": "a #\\n$X"}),
        ('K="a\\n\\"b\\" \\$X \\d" # why\nL=w', {"K": 'a\n"b" $X \\d', "L": "w"}),
        ('K="one\ntwo"\nL=w', {"K": "one\ntwo", "L": "w"}),
        ("K=$(id) ${HOME} `id`", {"K": "$(id) ${HOME} `id`"}),
        ("K=it's", {"K": "it's"}),
        ("K=a\nK=b", {"K": "b"}),
    ],
    ids=range(13),
)
def test_a_line_is_a_name_and_its_text(text: str, expected: dict[str, str]):
    found = lines_of(text)
    assert (expected, []) == (found.texts, found.wrong)


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.text(max_size=30)))
def test_what_is_quoted_is_read_as_it_was(texts: dict[str, str]):
    def quoted(text: str) -> str:
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
            text = text.replace(plain, escaped)
        return f'"{text}"'

    lines = "".join(f"{name}={quoted(text)}\n" for name, text in texts.items())
    assert texts == lines_of(lines).texts


@given(st.text("AB= \t#'\"\\\nexport", max_size=40))
def test_any_text_is_read_to_its_end(text: str):
    found = lines_of(text)
    assert set(found.texts) == set(found.places)
    assert all(1 <= line <= text.count("\n") + 1 for line, _ in found.wrong)


def test_a_line_that_cannot_be_read_is_told_with_its_place(tmp_path: Path):
    found = wrong(source(tmp_path, 'APP_NAME=x\nhunter2\nAPP_NAME=\'hunter2\nAPP_NAME="a"b\n=x'))
    assert [
        f"not like KEY=value (.env:{place})" for place in ("2:1", "3:10", "4:10", "5:1")
    ] == found


def test_what_is_wrong_is_told_with_line_and_column(tmp_path: Path):
    found = source(tmp_path, "# port\nAPP_SERVER__PORT = x\nAPP_NAM=y\n")
    assert [
        "nam: there is no such setting (.env:3:9); did you mean name?",
        "server.port: expected an integer, got text (.env:2:20)",
    ] == wrong(found)


def test_the_place_of_a_value_is_explained(tmp_path: Path):
    found = source(tmp_path, "\nAPP_NAME='x'\n")
    text = str(load(Settings, found, EnvSource("APP_", environ={})).explain("name"))
    assert f"from {found.name}:2:10: 'x'" in text


def test_foreign_names_are_not_looked_at(tmp_path: Path):
    assert Settings() == load(Settings, source(tmp_path, "NAME=x\nOTHER=y\n")).value
    assert Settings("x") == load(Settings, source(tmp_path, "NAME=x\nOTHER=y\n", "")).value


def test_a_variable_may_name_the_file_of_a_secret(tmp_path: Path):
    (tmp_path / "secret").write_text("pw\n")
    found = source(tmp_path, f"TOKEN_FILE='{tmp_path / 'secret'}'")
    assert Secret("pw") == load(Settings, found).value.token


def test_an_empty_text_may_be_as_good_as_unset(tmp_path: Path):
    source(tmp_path, "APP_NAME=\n")
    assert "" == load(Settings, DotEnvSource(tmp_path / ".env", "APP_")).value.name
    unset = DotEnvSource(tmp_path / ".env", "APP_", empty="unset")
    assert "none" == load(Settings, unset).value.name
    meaning: Any = "null"
    with pytest.raises(BadSource):
        DotEnvSource(empty=meaning)


def test_a_missing_file_has_no_settings_unless_it_is_needed(tmp_path: Path):
    assert Settings() == load(Settings, DotEnvSource(tmp_path / "none")).value
    with pytest.raises(MissingFile):
        load(Settings, DotEnvSource(tmp_path / "none", optional=False))


def test_a_folder_is_no_file_of_variables(tmp_path: Path):
    with pytest.raises(UnreadableFile):
        load(Settings, DotEnvSource(tmp_path))


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"A=\xff", "not UTF-8 at byte 2"), (b"#" * (1024 * 1024 + 1), "longer than 1 MiB")],
    ids=["not UTF-8", "long"],
)
def test_what_is_no_text_of_variables_is_refused(tmp_path: Path, content: bytes, why: str):
    assert [f"{why} (.env)"] == wrong(source(tmp_path, content))


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path):
    assert "x" == load(Settings, source(tmp_path, b"\xef\xbb\xbfAPP_NAME=x")).value.name


def test_a_missing_setting_names_the_file_that_may_supply_it(tmp_path: Path):
    @attrs.frozen
    class Needed:
        url: str

    found = DotEnvSource(tmp_path / ".env", "APP_")
    with pytest.raises(ConfigLoadError, match=r"set APP_URL in .*\.env"):
        load(Needed, found)


def test_plain_lines_are_read_as_python_dotenv_does():
    oracle = pytest.importorskip("dotenv")
    import io

    text = "A=1\nexport B=two words\n# no\nC='x y'\nD=\"x\\ny\"\nE=\nF=a # b\nG=a#b\nA=2\n"
    expected = oracle.dotenv_values(stream=io.StringIO(text), interpolate=False)
    assert dict(expected) == lines_of(text).texts
