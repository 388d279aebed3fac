"""Files and tables: formats, limits, and what is said of a file that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from infra_config import (
    BadPath,
    BadSource,
    ConfigLoadError,
    EnvSource,
    FileSource,
    MemorySource,
    MissingFile,
    TextSource,
    UnreadableFile,
    load,
)


@attrs.frozen
class Settings:
    name: str = ""
    numbers: tuple[int, ...] = ()
    at: datetime | None = None
    anything: Any = None


def file(tmp_path: Path, content: str | bytes, name: str = "config.toml") -> FileSource:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return FileSource(path)


def wrong(source: FileSource) -> str:
    with pytest.raises(ConfigLoadError) as caught:
        load(Settings, source)
    (found,) = caught.value.violations
    assert ("", "syntax") == (found.path, found.code)
    assert source.name in str(found.source)
    return f"{found.message} at {str(found.source).removeprefix(source.name)}"


def test_toml_and_json_are_read_by_extension(tmp_path: Path):
    toml = file(tmp_path, 'name = "t"\nnumbers = [1, 2]\nat = 2026-01-02T00:00:00Z\n')
    json = file(tmp_path, '{"name": "j", "numbers": [1], "at": "2026-01-02T00:00Z"}', "c.JSON")
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert Settings("t", (1, 2), at) == load(Settings, toml).value
    assert Settings("j", (1,), at) == load(Settings, json).value


def test_a_format_may_be_said_where_the_extension_does_not(tmp_path: Path):
    (tmp_path / "config").write_text('name = "x"')
    assert "x" == load(Settings, FileSource(tmp_path / "config", format="toml")).value.name


@pytest.mark.parametrize("name", ["config.ini", "config"])
def test_another_format_is_refused_naming_those_supported(name: str):
    with pytest.raises(BadSource, match="is not supported, supported are toml, json, yaml"):
        FileSource(name)


def test_a_byte_order_mark_and_windows_lines_are_no_matter(tmp_path: Path):
    source = file(tmp_path, b'\xef\xbb\xbfname = "x"\r\nnumbers = ["y"]\r\n')
    with pytest.raises(ConfigLoadError, match=r"numbers\[0\].*config.toml:2:12"):
        load(Settings, source)


def test_a_missing_file_is_told_with_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("none.toml", "file/none.toml"):
        (tmp_path / "file").touch()
        with pytest.raises(MissingFile) as caught:
            load(Settings, FileSource(name))
        assert str(tmp_path / name) == caught.value.context["path"]
        assert Settings() == load(Settings, FileSource(name, optional=True)).value


@pytest.mark.parametrize("optional", [True, False])
def test_a_folder_is_an_error_also_where_the_file_is_optional(tmp_path: Path, optional: bool):
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(UnreadableFile):
        load(Settings, FileSource(tmp_path / "config.toml", optional=optional))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('name = "x"\nnumbers = [1,,2]', "not TOML: Invalid value at :2:14"),
        ("name", "not TOML: Expected '=' after a key in a key/value pair at :1:5"),
        ('name = "x"\nname = "y"\n#', "not TOML: Cannot overwrite a value at :2:11"),
        (b'name = "\xff"', "not UTF-8 at byte 8 at "),
        (f"anything = {'9' * 5000}", "not TOML: a number too long, or nested too deeply at :1:1"),
        ("#" * (1024 * 1024 + 1), "longer than 1 MiB at "),
        (f"anything = {'[' * 80}{']' * 80}", "nested deeper than 64 levels at "),
        (f"anything{'.a' * 80} = 1", "nested deeper than 64 levels at "),
    ],
)
def test_a_toml_file_that_is_wrong_says_where(tmp_path: Path, content: str | bytes, expected: str):
    assert expected == wrong(file(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"name":\n "x",}', "line, column"),
        ('{"name": "x", "name": "y"}', "not strict JSON: a name stands twice in one object"),
        ('{"anything": NaN}', "not strict JSON: NaN and Infinity are no JSON numbers"),
        ("[1]", "the file is not a table"),
        ("", "not JSON: Expecting value at :1:1"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        (f'{{"anything": {"[" * 65}{"]" * 65}}}', "nested deeper than 64 levels"),
    ],
)
def test_a_json_file_that_is_wrong_says_where(tmp_path: Path, content: str, expected: str):
    told = wrong(file(tmp_path, content, "c.json"))
    assert told.startswith("not JSON: ") if expected == "line, column" else expected in told


def test_64_levels_are_allowed(tmp_path: Path):
    source = file(tmp_path, f"anything = {'[' * 63}{']' * 63}")
    assert load(Settings, source).value.anything is not None


def test_a_section_is_one_table_of_a_file_and_the_rest_is_not_ours(tmp_path: Path):
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "theirs"\n[tool.app]\nname = "ours"\n')
    loaded = load(Settings, FileSource(path, section="tool.app"))
    assert "ours" == loaded.value.name
    assert f"{path}:4:8" == str(loaded.explain("name").layers[0][0])
    assert Settings() == load(Settings, FileSource(path, section="tool.other")).value
    with pytest.raises(ConfigLoadError, match=r"project\.name is not a table"):
        load(Settings, FileSource(path, section="project.name"))
    with pytest.raises(BadPath):
        FileSource(path, section="tool..app")


def test_sources_are_shown_by_name_and_not_by_content(tmp_path: Path):
    assert "FileSource('c.toml')" == repr(FileSource("c.toml"))
    assert "MemorySource(name='memory')" == repr(MemorySource({"name": "x"}))


def test_profiles_are_a_second_file(tmp_path: Path):
    base = file(tmp_path, 'name = "base"\nnumbers = [1]')
    profile = file(tmp_path, 'name = "production"', "config.production.toml")
    none = FileSource(tmp_path / "config.test.toml", optional=True)
    assert Settings("production", (1,)) == load(Settings, base, profile, none).value


def test_a_table_in_code_is_copied_when_given_and_when_read():
    data: dict[str, Any] = {"name": "x", "anything": {"list": [1]}}
    source = MemorySource(data)
    data["anything"]["list"].append(2)
    first = load(Settings, source).value
    first.anything["list"].append(3)
    assert {"list": [1]} == load(Settings, source).value.anything


def test_a_name_that_is_no_text_is_refused():
    wrong: Any = {"a": [{1: "x"}]}
    with pytest.raises(BadSource, match="a name is of type int"):
        MemorySource(wrong)


def test_values_in_code_may_be_of_the_settings_type():
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert at == load(Settings, MemorySource({"at": at})).value.at


@pytest.mark.parametrize("text", ['name = "x"\n', b'\xef\xbb\xbfname = "x"'], ids=["str", "bytes"])
def test_a_text_at_hand_is_read_like_a_file(text: str | bytes):
    source = TextSource(text, "toml", name="built in")
    loaded = load(Settings, source)
    assert "x" == loaded.value.name
    assert "from built in:1:8: 'x'" in str(loaded.explain("name"))
    assert "x" not in repr(source).removeprefix("TextSource")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", r"not JSON: .* \(text:1:2\)"),
        (b"\xff", "not UTF-8 at byte 0"),
        ("\ud800", "not UTF-8 at byte 0"),
        (" " * (1024 * 1024 + 1), "longer than 1 MiB"),
    ],
    ids=["open", "not UTF-8", "surrogate", "long"],
)
def test_a_text_that_cannot_be_read_is_told(text: str | bytes, why: str):
    with pytest.raises(ConfigLoadError, match=why):
        load(Settings, TextSource(text, "json"))


def test_a_text_in_another_format_is_refused():
    format: Any = "ini"
    with pytest.raises(BadSource, match="text: the format ini is not supported"):
        TextSource("", format)


@pytest.mark.parametrize("optional", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 300 + ".toml", id="long", marks=pytest.mark.posix_permissions),
        pytest.param("a\0b.toml", id="NUL"),
    ],
)
def test_what_cannot_be_opened_is_an_error_also_where_it_is_optional(
    tmp_path: Path, name: str, optional: bool
):
    with pytest.raises(UnreadableFile):
        load(Settings, FileSource(f"{tmp_path}/{name}", optional=optional))


@pytest.mark.posix_permissions
def test_a_file_that_may_not_be_read_is_an_error_also_where_it_is_optional(tmp_path: Path):
    source = tmp_path / "config.toml"
    source.touch(0)
    try:
        source.read_bytes()
    except PermissionError:
        with pytest.raises(UnreadableFile, match="cannot be read: Permission denied"):
            load(Settings, FileSource(source, optional=True))
    else:
        pytest.skip("this user may read everything")


@pytest.mark.parametrize("text", ["${HOME}", "$HOME", "%(x)s", "{{ x }}", "@include x", "!ENV x"])
def test_nothing_is_expanded_or_included(text: str):
    assert text == load(Settings, TextSource(f"name = '{text}'", "toml")).value.name
    assert text == load(Settings, EnvSource("T_", environ={"T_NAME": text})).value.name
