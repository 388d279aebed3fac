"""hunter2 in every source, wrong in every way, read from everything a person may see."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from pathlib import Path
from typing import Annotated, Any

import attrs
import pytest

from infra_config import (
    ConfigLoadError,
    Custom,
    DotEnvSource,
    EnvSource,
    FileSource,
    Length,
    MemorySource,
    Pattern,
    Range,
    SecretsDirSource,
    TextSource,
    load,
    setting,
)
from infra_errors import Secret, SecretUrl, ValidationError

HUNTER = "hunter2-and-more"


def talkative(value: Any) -> bool:
    shown = value.reveal() if isinstance(value, Secret) else value
    try:
        int(shown)
    except ValueError as exc:
        message = f"I do not like {shown!r}, which is xx{shown}xx"
        raise LookupError(message) from exc
    return True


@attrs.frozen
class Inner:
    login: str = "x"
    word: Secret[str] = Secret("x")

    def __attrs_post_init__(self) -> None:
        if self.login != "x" or self.word.reveal() != "x":
            message = f"{self.login} may not log in with xx{self.word.reveal()}xx"
            raise ValidationError(message)


@attrs.frozen
class Settings:
    number: int = 0
    ranged: Annotated[float, Range(0, 1)] = 0
    choice: Annotated[str, Pattern("[a-z]")] = "a"
    length: Annotated[Secret[str], Length(max=3)] = Secret("x")
    custom: Annotated[str, Custom(talkative, "never")] = "x"
    hidden: Annotated[Secret[str], Custom(talkative, "never")] = Secret("1")
    url: SecretUrl | None = None
    pin: int = setting(0, secret=True)
    names: list[int] = setting(factory=list)
    limits: dict[str, int] = setting(factory=dict)
    inner: Inner = Inner()
    path: Annotated[Path, Custom(lambda path: path.stat(), "never")] = Path("/")


NAMES = [field.name for field in attrs.fields(Settings)]


def everything(error: ConfigLoadError) -> str:
    seen = [str(error), repr(error), str(error.args), str(error.to_dict()), str(error.log_fields())]
    seen += [repr(error.violations), "".join(traceback.format_exception(error))]
    seen.append(repr(copy.copy(error)))
    seen.append(repr(pickle.loads(pickle.dumps(error)).violations))
    return "\n".join(seen)


def check(*sources: Any, **options: Any) -> str:
    with pytest.raises(ConfigLoadError) as caught:
        load(Settings, *sources, **options)
    shown = everything(caught.value)
    assert "hunter2" not in shown
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return shown


@pytest.mark.parametrize("name", [name for name in NAMES if name != "url"])
def test_in_the_environment(name: str):
    check(EnvSource("APP_", environ={f"APP_{name.upper()}": HUNTER}))
    check(EnvSource("APP_", environ={f"APP_{name.upper()}S": HUNTER}))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "url"])
@pytest.mark.parametrize(
    "value", [HUNTER, [HUNTER], {"a": HUNTER}, {"word": HUNTER}, Secret(HUNTER)]
)
def test_in_code_and_in_overrides(name: str, value: Any):
    try:
        load(Settings, MemorySource({name: value}))
    except ConfigLoadError:
        check(MemorySource({name: value}))
        check(overrides={name: value})


@pytest.mark.parametrize(
    "content",
    [
        f'number = "{HUNTER}"',
        f'number = "{HUNTER}',
        f"number = {HUNTER}",
        f"number = '{HUNTER}' '{HUNTER}'",
        f'custom = "{HUNTER}"\nhidden = "{HUNTER}"\n[inner]\nlogin = "{HUNTER}"\nword = "{HUNTER}"',
        f'nmber = "{HUNTER}"',
        f'inner = "{HUNTER}"\n',
    ],
    ids=range(7),
)
def test_in_toml(tmp_path: Path, content: str):
    (tmp_path / "c.toml").write_text(content)
    check(FileSource(tmp_path / "c.toml"))


@pytest.mark.parametrize(
    "content", [f'{{"number": "{HUNTER}"}}', f'{{"number": {HUNTER}}}', f'"{HUNTER}"'], ids=range(3)
)
def test_in_json(tmp_path: Path, content: str):
    (tmp_path / "c.json").write_text(content)
    check(FileSource(tmp_path / "c.json"))


@pytest.mark.parametrize(
    "content",
    [
        f"number: {HUNTER}",
        f"number: [{HUNTER}",
        f"number: '{HUNTER}",
        f"number: *{HUNTER}",
        f"number: !{HUNTER} 1",
        f"number: !{HUNTER}!x 1",
        f"number: !!int {HUNTER}",
        f"&{HUNTER} number: &{HUNTER} x",
        f"%TAG !{HUNTER}! a\n%TAG !{HUNTER}! b\n---\nnumber: 1",
        f"%{HUNTER}",
        f"{HUNTER}",
        f"custom: {HUNTER}\nhidden: {HUNTER}\ninner: {{login: {HUNTER}, word: {HUNTER}}}",
        f"nmber: {HUNTER}",
        f"limits:\n  a: {HUNTER}\n  a: {HUNTER}",
    ],
    ids=range(14),
)
def test_in_yaml(content: str):
    pytest.importorskip("yaml", reason="PyYAML comes with the extra [yaml]")
    check(TextSource(content, "yaml"))


def test_in_a_secret_file(tmp_path: Path):
    (tmp_path / "secret").write_text(HUNTER)
    for name in ("LENGTH", "HIDDEN", "PIN"):
        check(EnvSource("APP_", environ={f"APP_{name}_FILE": str(tmp_path / "secret")}))
    check(EnvSource("APP_", environ={"APP_HIDDEN": "x", "APP_HIDDEN_FILE": HUNTER}))
    check(EnvSource("APP_", environ={"APP_HIDDEN_FILE": HUNTER}))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "url"])
def test_in_a_file_of_variables(tmp_path: Path, name: str):
    file = tmp_path / ".env"
    for line in (f"APP_{name.upper()}={HUNTER}", f"APP_{name.upper()}S='{HUNTER}'", HUNTER):
        file.write_text(line)
        check(DotEnvSource(file, "APP_"))


def test_in_a_folder_of_secrets(tmp_path: Path):
    for name in ("number", "hidden", "pin", "limits"):
        (tmp_path / name).write_text(HUNTER)
    shown = check(SecretsDirSource(tmp_path))
    assert "4 settings" in shown


def test_in_a_text_at_hand():
    check(TextSource(f'number = "{HUNTER}"', "toml"))
    check(TextSource(f"number = {HUNTER}", "toml"))


def test_in_conflicts_and_override_texts():
    table, value = MemorySource({"inner": {"login": HUNTER}}), MemorySource({"inner": HUNTER})
    check(table, value)
    check(value, table)
    check(overrides=[HUNTER, f"number={HUNTER}", f"..={HUNTER}"])


def test_in_warnings(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        load(
            Settings,
            MemorySource({"nmber": HUNTER, "limits": HUNTER}),
            MemorySource({"limits": {}}),
            strict=False,
        )
    assert 2 == len(caplog.records)
    assert "hunter2" not in caplog.text


def test_what_a_rule_says_is_kept_apart_from_the_values_in_it():
    shown = check(MemorySource({"custom": HUNTER}))
    assert "custom: LookupError: I do not like '***', which is xx" in shown


def test_in_a_loaded_object():
    source = MemorySource({"length": "h2", "pin": 4711, "url": f"db://u:{HUNTER}@h/d"})
    loaded = load(Settings, source)
    shown = [repr(loaded), repr(loaded.value), str(loaded.redacted())]
    shown += [str(loaded.explain(name)) + repr(loaded.explain(name)) for name in NAMES]
    shown.append(repr(source.read(None)) + repr(source))
    for secret in ("hunter2", "h2", "4711"):
        assert secret not in "".join(shown)
    with pytest.raises(TypeError):
        pickle.dumps(loaded.value)
