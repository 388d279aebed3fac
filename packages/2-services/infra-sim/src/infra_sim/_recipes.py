"""How each kind of server is found, asked for life, and run privately on a free port."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RECIPES", "Recipe", "free_port", "speaks"]

# Besides PATH: where distributions keep what they do not put there.
_PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/sbin")


class Recipe(NamedTuple):
    """What is particular to a kind of server. Commands run in the server's own folder."""

    kind: str
    port: int
    """The standard port, where a server of this machine would listen."""
    standard_url: str
    url: str
    """Of a private server, with `{port}`."""
    binaries: tuple[str, ...]
    probe: bytes
    expect: bytes
    """What a living server answers to `probe`, among its first bytes."""
    command: Callable[[Path, int], list[str]]
    prepare: Callable[[Path], list[str]] | None = None
    environment: Callable[[Path, int], dict[str, str]] | None = None
    finish: Callable[[Path, int], list[str]] | None = None
    """Run once after the first start: accounts, databases."""
    lets_in: Callable[[str], bool] | None = None
    """Whether a server at a URL takes that URL's login; None where there is none."""
    account: str = "nobody"
    """Whom to run as when root runs the tests."""
    timeout: float = 30.0

    def which(self, binary: str) -> str | None:
        """Return where a binary is, on PATH or in the usual places beside it."""
        places = [
            str(place)
            for pattern in _PLACES
            for place in sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True)
        ]
        return shutil.which(binary) or shutil.which(binary, path=os.pathsep.join(places))

    def missing(self) -> str | None:
        """Return the first binary that is nowhere, or None."""
        return next((binary for binary in self.binaries if not self.which(binary)), None)

    def found(self, binary: str) -> str:
        """Return where a binary is that is known not to be missing."""
        return self.which(binary) or binary


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def speaks(recipe: Recipe, port: int) -> bool:
    """Return whether a server of the kind answers at a port of 127.0.0.1."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), 0.5) as connection,
    ):
        connection.settimeout(0.5)
        if recipe.probe:
            connection.sendall(recipe.probe)
        return recipe.expect in connection.recv(512)
    return False


def _answers(command: list[str], **environment: str) -> bool:
    """Return whether a client program connects and asks successfully; False without the client."""
    if not shutil.which(command[0]):
        return False
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        result = subprocess.run(  # noqa: S603 -- our own command
            command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=5,
            check=False,
        )
        return result.returncode == 0
    return False


def _postgres_lets_in(url: str) -> bool:
    return _answers(["psql", "--no-password", "-qtc", "select 1", url], PGCONNECT_TIMEOUT="3")


def _mysql_lets_in(url: str) -> bool:
    parts = urlsplit(url)
    client = "mariadb" if shutil.which("mariadb") else "mysql"
    login = ["--protocol=tcp", f"--host={parts.hostname}", f"--port={parts.port}"]
    login += [f"--user={parts.username}", f"--database={parts.path.removeprefix('/')}"]
    command = [client, "--no-defaults", *login, "--connect-timeout=3", "-e", "select 1"]
    return _answers(command, MYSQL_PWD=parts.password or "")


def _postgres_command(home: Path, port: int) -> list[str]:
    # No fsync: a test kills the server, not the machine. A commit still reaches the kernel.
    fast = ("-F", "-c", "full_page_writes=off")
    listen = ("-p", str(port), "-h", "127.0.0.1", "-k", str(home))
    return [RECIPES["postgres"].found("postgres"), "-D", "data", *listen, *fast]


def _postgres_prepare(home: Path) -> list[str]:
    options = ("-U", "infra_test", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
    return [RECIPES["postgres"].found("initdb"), "-D", "data", *options]


def _postgres_finish(home: Path, port: int) -> list[str]:
    # A superuser's own database is named after it; `postgres` is the one there is.
    create = ("-c", "create database infra_test")
    url = f"postgresql://infra_test@127.0.0.1:{port}/postgres"
    return [RECIPES["postgres"].found("psql"), "-q", *create, url]


def _mysql_command(home: Path, port: int) -> list[str]:
    return [
        RECIPES["mysql"].found("mariadbd"),
        "--no-defaults",
        f"--datadir={home}/data",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        f"--socket={home}/s.sock",
        "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=2",
    ]


def _mysql_prepare(home: Path) -> list[str]:
    options = (
        "--no-defaults",
        f"--datadir={home}/data",
        "--auth-root-authentication-method=normal",
    )
    return [RECIPES["mysql"].found("mariadb-install-db"), *options]


def _mysql_finish(home: Path, port: int) -> list[str]:
    client = RECIPES["mysql"].found("mariadb")
    grants = (
        "create database if not exists infra_test; "
        "create user if not exists 'infra_test'@'%' identified by 'infra_test'; "
        "grant all on *.* to 'infra_test'@'%' with grant option"
    )
    return [client, "--no-defaults", f"--socket={home}/s.sock", "--user=root", "-e", grants]


def _redis_command(home: Path, port: int) -> list[str]:
    quiet = ("--save", "", "--appendonly", "no", "--dir", str(home))
    binary = RECIPES["redis"].found("redis-server")
    return [binary, "--port", str(port), "--bind", "127.0.0.1", *quiet]


def _nats_command(home: Path, port: int) -> list[str]:
    listen = ("-a", "127.0.0.1", "-p", str(port))
    return [RECIPES["nats"].found("nats-server"), *listen, "-js", "-sd", str(home / "js")]


def _amqp_command(home: Path, port: int) -> list[str]:
    # Debian's wrapper on PATH logs into the system's folder; the real script stands beside it.
    script = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    server = script if script.exists() else RECIPES["amqp"].found("rabbitmq-server")
    config = f"listeners.tcp.1 = 127.0.0.1:{port}"
    # With its own port mapper, so that it goes when the server goes.
    return ["sh", "-c", f"echo '{config}' > {home}/rabbitmq.conf; epmd & exec {server}"]


def _amqp_environment(home: Path, port: int) -> dict[str, str]:
    return {
        "RABBITMQ_NODENAME": f"infra{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
        "RABBITMQ_LOG_BASE": f"{home}/log",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/plugins",
        "RABBITMQ_PID_FILE": f"{home}/pid",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq",
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


RECIPES = {
    recipe.kind: recipe
    for recipe in (
        Recipe(
            "postgres",
            5432,
            "postgresql://infra_test:infra_test@127.0.0.1:5432/infra_test",
            "postgresql://infra_test:infra_test@127.0.0.1:{port}/infra_test",
            ("initdb", "postgres", "psql"),
            b"\x00\x00\x00\x08\x04\xd2\x16\x2f",  # SSLRequest
            b"N",
            _postgres_command,
            prepare=_postgres_prepare,
            finish=_postgres_finish,
            lets_in=_postgres_lets_in,
            account="postgres",
        ),
        Recipe(
            "mysql",
            3306,
            "mysql://infra_test:infra_test@127.0.0.1:3306/infra_test",
            "mysql://infra_test:infra_test@127.0.0.1:{port}/infra_test",
            ("mariadbd", "mariadb-install-db", "my_print_defaults", "mariadb"),
            b"",
            b"MariaDB",
            _mysql_command,
            prepare=_mysql_prepare,
            finish=_mysql_finish,
            lets_in=_mysql_lets_in,
            account="mysql",
        ),
        Recipe(
            "redis",
            6379,
            "redis://127.0.0.1:6379/0",
            "redis://127.0.0.1:{port}/0",
            ("redis-server",),
            b"PING\r\n",
            b"+PONG",
            _redis_command,
            account="redis",
        ),
        Recipe(
            "amqp",
            5672,
            "amqp://guest:guest@127.0.0.1:5672/",
            "amqp://guest:guest@127.0.0.1:{port}/",
            ("rabbitmq-server", "epmd"),
            b"AMQP\x00\x00\x09\x01",
            b"capabilities",
            _amqp_command,
            environment=_amqp_environment,
            account="rabbitmq",
            timeout=90.0,
        ),
        Recipe(
            "nats",
            4222,
            "nats://127.0.0.1:4222",
            "nats://127.0.0.1:{port}",
            ("nats-server",),
            b"",
            b'"jetstream":true',
            _nats_command,
            account="nats",
        ),
    )
}
