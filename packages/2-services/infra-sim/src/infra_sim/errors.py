"""
What infra-sim raises.

    ExternalError
    ├── ServerMissing     sim.server_missing    no server of the kind, and none could be started
    ├── ServerFailed      sim.server_failed     a server did not come up, or not down
    ├── ServerNotOurs     sim.server_not_ours   what we did not start is not ours to stop
    └── ProcessFailed     sim.process_failed    a process ended before it was ready
    ValidationError
    └── InvalidOption     sim.invalid_option
"""

from __future__ import annotations

from infra_errors import ExternalError, NotFoundError, ValidationError

__all__ = [
    "InvalidOption",
    "ProcessFailed",
    "ServerFailed",
    "ServerMissing",
    "ServerNotOurs",
]


class ServerMissing(ExternalError, NotFoundError):
    """There is no server of the kind asked for; the message says where was looked for one."""

    code = "sim.server_missing"


class ServerFailed(ExternalError):
    """A private server did not start or stop; its log's end is in the message."""

    code = "sim.server_failed"


class ServerNotOurs(ExternalError):
    """A server that somebody else started is never stopped, restarted or killed."""

    code = "sim.server_not_ours"


class ProcessFailed(ExternalError):
    """A process ended, or time ran out, before it was ready."""

    code = "sim.process_failed"


class InvalidOption(ValidationError):
    """An argument cannot work."""

    code = "sim.invalid_option"
