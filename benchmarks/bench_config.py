"""infra-config beside its peers: `python benchmarks/bench_config.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import timeit
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import dynaconf
import pydantic
import pydantic_settings
from _bench import Fact, Row, Timer, at_most, at_most_times, called, faster, imported, report

from infra_config import EnvSource, FileSource, MemorySource, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS = 30
GIVEN = 10  # of the keys, by the environment too
HEAVY = ("yaml", "asyncio", "importlib.metadata", "pydantic")

NAMES = [f"key_{number}" for number in range(KEYS)]
FOLDER = Path(tempfile.mkdtemp())
FILE = FOLDER / "config.toml"
BIG = FOLDER / "big.toml"
ENVIRON = {f"APP_{name.upper()}": str(index) for index, name in enumerate(NAMES[:GIVEN])}
FOREIGN = {f"FOREIGN_{number}": "x" for number in range(1000)}

FILE.write_text("".join(f"{name} = {index}\n" for index, name in enumerate(NAMES)))
BIG.write_text("".join(f"key_{index} = {index}  # about it\n" for index in range(200)))

Ours = attrs.make_class("Ours", {name: attrs.field(type=int) for name in NAMES}, frozen=True)
Large = attrs.make_class(
    "Large", {f"key_{index}": attrs.field(type=int) for index in range(200)}, frozen=True
)


class _Peer(pydantic_settings.BaseSettings):
    model_config = pydantic_settings.SettingsConfigDict(env_prefix="APP_", toml_file=FILE)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: Any, *args: Any, **sources: Any
    ) -> tuple[Any, ...]:
        toml = pydantic_settings.TomlConfigSettingsSource(settings_cls)
        return sources["env_settings"], toml


Peer: Any = pydantic.create_model("Peer", __base__=_Peer, **dict.fromkeys(NAMES, (int, ...)))


def ours(environ: Mapping[str, str] | None = None) -> Any:
    return load(Ours, FileSource(FILE), EnvSource("APP_", environ=environ)).value


def dynamic() -> Any:
    found = dynaconf.Dynaconf(envvar_prefix="APP", settings_files=[str(FILE)])
    return found.key_0, found.key_29


def parsed() -> Any:
    return tomllib.loads(FILE.read_text())


def attribute_of(thing: object) -> Timer:
    """Time the access alone: a call around it would cost more than a slot does."""
    return timeit.Timer("thing.key_5", globals={"thing": thing}).timeit


def modules() -> Fact:
    code = "import sys, infra_config; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [name for name in HEAVY if name in done.stdout.split()]
    return Fact("what the import loads", ", ".join(loaded) or "none", "none of it", not loaded)


def rows() -> Iterator[Row | Fact]:
    operation = f"load {KEYS} keys, TOML and {GIVEN} variables"
    theirs = {name: getattr(Peer(), name) for name in NAMES}
    assert theirs == attrs.asdict(ours())
    yield Row(operation, called(ours), faster(2), called(Peer), "pydantic-settings")
    yield Row(operation, called(ours), faster(12), called(dynamic), "dynaconf")
    yield Row(operation, called(ours), at_most_times(2.8), called(parsed), "bare tomllib")
    mine, model, dyna = ours(), Peer(), dynaconf.Dynaconf(settings_files=[str(FILE)])
    yield Row("attribute", attribute_of(mine), faster(2), attribute_of(model), "pydantic")
    yield Row("attribute", attribute_of(mine), faster(30), attribute_of(dyna), "dynaconf")
    loaded = load(Large, FileSource(BIG), MemorySource({"key_199": 0}))
    assert 200 == loaded.explain("key_199").layers[1][0].line
    yield Row("explain, 200 keys", called(lambda: loaded.explain("key_199")), at_most(3e-3))
    crowded = ENVIRON | FOREIGN
    yield Row(
        "load beside 1,000 foreign variables",
        called(lambda: ours(crowded)),
        at_most(1e-4, over_peer=True),
        called(lambda: ours(ENVIRON)),
        "without them",
    )
    yield Row(
        "import",
        imported("infra_config"),
        at_most(0.09, over_peer=True),
        imported(),
        "an empty interpreter",
    )
    yield Row(
        "import",
        imported("infra_config"),
        faster(2),
        imported("pydantic_settings"),
        "pydantic-settings",
    )
    yield modules()


if __name__ == "__main__":
    os.environ.update(ENVIRON)
    report("infra-config", rows())
