"""
Real servers and crashing processes for tests.

>>> from infra_sim import KINDS, find_server
>>> KINDS
('postgres', 'mysql', 'redis', 'amqp', 'nats')
>>> find_server("redis", env={"INFRA_TEST_REDIS_URL": "redis://ci:6379/0"}).url
'redis://ci:6379/0'
"""

from infra_sim.errors import (
    InvalidOption,
    ProcessFailed,
    ServerFailed,
    ServerMissing,
    ServerNotOurs,
)
from infra_sim.process import CrashingProcess, KillPoint
from infra_sim.servers import KINDS, Server, find_server, start_private_server

__all__ = [
    "KINDS",
    "CrashingProcess",
    "InvalidOption",
    "KillPoint",
    "ProcessFailed",
    "Server",
    "ServerFailed",
    "ServerMissing",
    "ServerNotOurs",
    "find_server",
    "start_private_server",
]
