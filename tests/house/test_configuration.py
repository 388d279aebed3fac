"""One table of settings for the house: names, defaults, refusals, and the pages that show them."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import attrs
import pytest

from infra_config import EnvSource, EnvVar, InfrastructureSettings, env_table
from infra_config.cli import main
from infra_config.house import listed_parts, part_tables
from infra_errors import ConfigError
from tools.house import ROOT, packages

GROUP = "infra_config.settings"
BLOCK = re.compile(
    r"^<!-- infra-config (env --markdown[^\n]*?) -->\n(.*?)\n<!-- end -->$",
    re.DOTALL | re.MULTILINE,
)


@attrs.frozen
class Var:
    """A variable that is fixed for the house; what is None is the owning package's to say."""

    type: str | None = None
    default: str | None = None
    unit: str = ""
    required: bool | None = None
    secret: bool = False


@attrs.frozen
class Part:
    """
    The settings of one package.

    `refused` are environments, each with a word of what is told; `opened` are those that the
    class takes and the package's `connect` refuses.
    """

    owner: str
    cls: str
    variables: dict[str, Var] = attrs.field(factory=dict)
    refused: tuple[tuple[dict[str, str], str], ...] = ()
    opened: tuple[tuple[dict[str, str], str], ...] = ()
    aliases: tuple[str, ...] = ()


URL = Var("SecretUrl", required=True, secret=True)
DB = {"DATABASE_URL": "sqlite:///app.db"}
KEY = "k" * 32
PARTS = {
    "database": Part(
        "infra-db",
        "infra_db:DatabaseSettings",
        {
            "DATABASE_URL": URL,
            "DATABASE_MAX_CONNECTIONS": Var("int", "20"),
            "DATABASE_MIN_CONNECTIONS": Var("int", "5"),
            "DATABASE_CONNECT_TIMEOUT": Var("Seconds", unit="s"),
            "DATABASE_QUERY_TIMEOUT": Var("Seconds", unit="s"),
        },
        (
            ({"DATABASE_MAX_CONNECTIONS": "5"}, "url: required"),
            ({"DATABASE_URL": ""}, "url: is missing"),
            ({**DB, "DATABASE_MAX_CONNECTIONS": "abc"}, "DATABASE_MAX_CONNECTIONS"),
            ({**DB, "DATABASE_MAX_CONNECTIONS": "0"}, "max_connections"),
            ({**DB, "DATABASE_MIN_CONNECTIONS": "0"}, "min_connections"),
            ({**DB, "DATABASE_MIN_CONNECTIONS": "21"}, "min_connections"),
            ({**DB, "DATABASE_CONNECT_TIMEOUT": "0"}, "connect_timeout"),
            ({**DB, "DATABASE_CONNECT_TIMEOUT": "-1"}, "connect_timeout"),
            ({**DB, "DATABASE_QUERY_TIMEOUT": "0s"}, "query_timeout"),
        ),
        opened=(({"DATABASE_URL": "gopher://x"}, "gopher"),),
        aliases=("DatabaseConfig",),
    ),
    "cache": Part(
        "infra-cache",
        "infra_cache:CacheSettings",
        {
            "REDIS_URL": Var("SecretUrl", "", required=False, secret=True),
            "REDIS_HOST": Var(required=False),
            "REDIS_PORT": Var("int", "6379"),
            "REDIS_USERNAME": Var(required=False),
            "REDIS_PASSWORD": Var("Secret", secret=True, required=False),
            "REDIS_POOL_SIZE": Var("int", "5"),
            "REDIS_DEFAULT_TTL": Var("Seconds", "3600", "s"),
        },
        (
            ({"REDIS_URL": "redis://h", "REDIS_HOST": "h"}, "cache"),
            ({"REDIS_URL": "http://h"}, "cache"),
            ({"REDIS_HOST": ""}, "host"),
            ({"REDIS_HOST": "h", "REDIS_PORT": "70000"}, "port"),
            ({"REDIS_POOL_SIZE": "0"}, "pool_size"),
            ({"REDIS_DEFAULT_TTL": "-1"}, "default_ttl"),
        ),
        aliases=("CacheConfig", "RedisConfig"),
    ),
    "broker": Part(
        "infra-mq",
        "infra_mq:BrokerSettings",
        {"INFRA_MQ_URL": URL, "RABBITMQ_URL": URL},
        tuple(({"RABBITMQ_URL": url}, "broker") for url in ("http://h", "localhost", "")),
    ),
    "celery": Part(
        "infra-mq",
        "infra_mq:CelerySettings",
        {"CELERY_BROKER_URL": URL, "CELERY_RESULT_BACKEND": Var(secret=True)},
        tuple(({"CELERY_BROKER_URL": url}, "celery") for url in ("http://h", "localhost", "")),
        aliases=("CeleryConfig",),
    ),
    "storage": Part(
        "infra-fs", "infra_fs:StoreSettings", {"S3_ENDPOINT": Var(), "S3_BUCKET": Var()}
    ),
    "server": Part("infra-http", "infra_http:ServerSettings"),
    "telemetry": Part("infra-otel", "infra_otel:OtelSettings"),
    "security": Part(
        "infra-auth",
        "infra_auth:SecuritySettings",
        {
            "JWT_SECRET": Var("Secret", secret=True, required=True),
            "JWT_ACCESS_TTL": Var("Seconds", "900", "s"),
            "JWT_REFRESH_TTL": Var("Seconds", "2592000", "s"),
            "PHONE_HASH_KEY": Var("Secret", secret=True),
        },
        (
            ({"JWT_SECRET": "k" * 31}, "security"),
            ({"JWT_SECRET": KEY, "JWT_ACCESS_TTL": "5m", "JWT_REFRESH_TTL": "5m"}, "security"),
        ),
        aliases=("SecurityConfig",),
    ),
    "sms": Part(
        "infra-auth",
        "infra_auth:SmsSettings",
        {
            "SMS_PROVIDER": Var("Literal['mock', 'twilio', 'aws_sns']", "mock"),
            "SMS_API_KEY": Var("Secret", secret=True, required=False),
            "SMS_API_SECRET": Var("Secret", secret=True, required=False),
            "SMS_ACCOUNT_ID": Var("str", required=False),
            "SMS_SENDER": Var("str", required=False),
            "AWS_REGION": Var("str", required=False),
        },
        (
            ({"SMS_PROVIDER": "foo"}, "mock, twilio, aws_sns"),
            ({"SMS_PROVIDER": "mock", "ENV": "production"}, "sms"),
            ({"SMS_PROVIDER": "twilio"}, "SMS_API_KEY"),
        ),
        aliases=("SmsConfig",),
    ),
}
# a part whose names follow a standard of its own, and that a whole family of names belongs to
FAMILIES = {"storage": "STORAGE_", "server": "SERVER_", "security": "ARGON2_"}


def listed() -> dict[str, EntryPoint]:
    """The installed parts: a package that is not there yet lists none."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def part(name: str) -> Part:
    if name not in listed():
        pytest.skip(f"{PARTS[name].owner} is not installed")
    return PARTS[name]


def variables(name: str) -> dict[str, EnvVar]:
    rows = env_table(listed_parts()[name])
    return {variable: row for row in rows for variable in (row.name, *row.others)}


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert 0 == main(command.split())
    return capsys.readouterr().out.rstrip("\n")


def cases(field: str) -> list[Any]:
    return [
        pytest.param(name, environ, told, id=f"{name} {' '.join(environ)} {number}")
        for name, part in PARTS.items()
        for number, (environ, told) in enumerate(getattr(part, field))
    ]


def test_every_listed_class_loads_and_is_in_the_table_of_the_house() -> None:
    assert listed().keys() == listed_parts().keys()
    assert {name: entry.value for name, entry in listed().items()} == {
        name: PARTS[name].cls for name in listed() if name in PARTS
    }
    assert "database" in listed()


@pytest.mark.parametrize("name", PARTS)
def test_a_package_of_the_workspace_lists_its_settings(name: str) -> None:
    folder = packages().get(PARTS[name].owner)
    if folder is None or not (folder / "pyproject.toml").is_file():
        pytest.skip(f"{PARTS[name].owner} is not written")
    declared = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert PARTS[name].cls == declared["entry-points"][GROUP][name]


@pytest.mark.parametrize("name", PARTS)
def test_names_types_defaults_and_units_are_those_of_the_house(name: str) -> None:
    wanted = part(name)
    if hasattr(listed_parts()[name], "from_env"):
        return
    found = variables(name)
    assert [] == sorted(wanted.variables.keys() - found.keys())
    for variable, fixed in wanted.variables.items():
        row = found[variable]
        assert row.type.startswith(fixed.type or ""), variable
        assert (fixed.secret, fixed.unit) == (row.secret, row.unit), variable
        assert fixed.default in {None, row.default}, variable
        assert fixed.required in {None, row.required}, variable
    family = FAMILIES.get(name, "")
    assert any(variable.startswith(family) for variable in found)


@pytest.mark.parametrize("name", PARTS)
def test_every_variable_is_listed_on_the_command_line(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = part(name)
    rows = printed("env --json", capsys)
    if not hasattr(listed_parts()[name], "from_env"):
        assert [] == [variable for variable in wanted.variables if f'"{variable}"' not in rows]


@pytest.mark.parametrize("name", PARTS)
def test_every_setting_has_a_meaning_and_no_secret_a_default(name: str) -> None:
    part(name)
    for row in part_tables()[name]:
        assert row.help, row.name
        assert not (row.secret and row.default), row.name


@pytest.mark.parametrize("name", PARTS)
def test_a_class_has_the_second_names_of_the_house(name: str) -> None:
    wanted = part(name)
    module = import_module(wanted.cls.partition(":")[0])
    for alias in wanted.aliases:
        assert getattr(module, alias) is listed_parts()[name]


@pytest.mark.parametrize(("name", "environ", "told"), cases("refused"))
def test_a_wrong_environment_is_refused(name: str, environ: dict[str, str], told: str) -> None:
    part(name)
    with pytest.raises(ConfigError) as caught:
        InfrastructureSettings.load(EnvSource(environ=environ))
    assert "config.invalid" == caught.value.code
    assert {name} == {found.path.partition(".")[0] for found in caught.value.violations}
    assert told in str(caught.value)


@pytest.mark.parametrize(("name", "environ", "told"), cases("opened"))
def test_a_wrong_url_is_refused_by_connect(name: str, environ: dict[str, str], told: str) -> None:
    wanted = part(name)
    settings = getattr(InfrastructureSettings.load(EnvSource(environ=environ)), name)
    with pytest.raises(ConfigError, match=told):
        import_module(wanted.cls.partition(":")[0]).connect(settings)


@pytest.mark.parametrize("variable", ["DATABASE_CONNECT_TIMEOUT", "DATABASE_QUERY_TIMEOUT"])
@pytest.mark.parametrize("text", ["5", "5s"])
def test_a_duration_is_seconds_with_and_without_unit(variable: str, text: str) -> None:
    part("database")
    found = InfrastructureSettings.load(EnvSource(environ={**DB, variable: text})).database
    assert 5.0 == getattr(found, variable.removeprefix("DATABASE_").lower())


@pytest.mark.parametrize("scheme", ["sqlite", "postgresql", "mysql"])
def test_a_url_is_read_and_its_password_not_shown(scheme: str) -> None:
    part("database")
    environ = {"DATABASE_URL": f"{scheme}://user:hunter2@localhost/app"}
    settings = InfrastructureSettings.load(EnvSource(environ=environ)).database
    assert environ["DATABASE_URL"] == settings.url.reveal()
    assert "hunter2" not in repr(settings)


def test_two_parts_share_a_variable_only_with_one_meaning() -> None:
    meanings: dict[str, set[tuple[str, str, str]]] = {}
    for rows in part_tables().values():
        for row in rows:
            for variable in (row.name, *row.others):
                meanings.setdefault(variable, set()).add((row.type, row.default, row.unit))
    assert {} == {name: found for name, found in meanings.items() if len(found) > 1}


def test_nothing_is_needed_while_nothing_is_given() -> None:
    settings = InfrastructureSettings.load(EnvSource(environ={}))
    for name in listed():
        if name in PARTS and any(row.required for row in part_tables()[name]):
            assert getattr(settings, name) is None, name


PAGES = sorted([*ROOT.glob("packages/*/*/README.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_table_on_a_page_is_the_one_that_is_printed(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, table in BLOCK.findall(page.read_text("utf-8")):
        assert printed(command, capsys) == table, f"print it again: infra-config {command}"


@pytest.mark.parametrize("name", PARTS)
def test_the_page_of_a_package_has_the_table_of_its_settings(name: str) -> None:
    wanted = part(name)
    if hasattr(listed_parts()[name], "from_env"):
        return
    page = (packages()[wanted.owner] / "README.md").read_text("utf-8")
    assert f"env --markdown {wanted.cls}" in [command for command, _ in BLOCK.findall(page)]


def test_the_page_of_the_house_has_the_tables_of_all_parts() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert ["env --markdown"] == [command for command, _ in BLOCK.findall(page)]


def test_a_table_that_is_out_of_date_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    stale = tmp_path / "configuration.md"
    stale.write_text(text.replace("| `20` |", "| `21` |"), "utf-8")
    with pytest.raises(AssertionError, match="print it again"):
        test_a_table_on_a_page_is_the_one_that_is_printed(stale, capsys)
