"""Snowflake: 63 bits of time, node and sequence, where a small ordered integer is wanted."""

from __future__ import annotations

import os
import threading
import time
import weakref
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from infra_errors import ConfigError
from infra_id._core import END, check_batch, read_clock, refuse_time, rolled_back
from infra_id.errors import BadIdOption, InvalidId, SequenceExhausted, TimestampOverflow
from infra_id.policy import check_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_id.policy import OnRollback

__all__ = ["EPOCH_2020", "Layout", "Snowflake", "SnowflakeParts"]

EPOCH_2020 = 1_577_836_800_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESERVE_MS = 1000


class SnowflakeParts(NamedTuple):
    """What an id holds: Unix milliseconds, node, sequence in that millisecond, and the moment."""

    timestamp_ms: int
    node: int
    sequence: int
    datetime: datetime


class Layout:
    """How the bits of an id are shared out, and the moment they count from."""

    __slots__ = ("epoch_ms", "max_node", "max_sequence", "max_time", "node_bits", "sequence_bits")

    def __init__(self, epoch: int | datetime, bits: tuple[int, int, int]) -> None:
        if len(bits) != 3 or min(bits) < 1 or sum(bits) > 63:
            msg = f"bits are three numbers of 1 or more that sum to 63 at most, not {bits!r:.64}"
            raise BadIdOption(msg)
        time_bits, self.node_bits, self.sequence_bits = bits
        self.max_time = (1 << time_bits) - 1
        self.max_node = (1 << self.node_bits) - 1
        self.max_sequence = (1 << self.sequence_bits) - 1
        self.epoch_ms = _epoch_ms(epoch)

    def pack(self, since_epoch: int, node: int, sequence: int) -> int:
        """Return the id of its parts."""
        return (since_epoch << self.node_bits | node) << self.sequence_bits | sequence

    def unpack(self, value: int) -> SnowflakeParts:
        """Return the parts of an id; InvalidId for a number that is none."""
        if not 0 <= value < 1 << 63:
            msg = f"{value} is no Snowflake: 0 to 2^63 - 1"
            raise InvalidId(msg)
        ms = (value >> self.node_bits + self.sequence_bits) + self.epoch_ms
        return SnowflakeParts(
            timestamp_ms=ms,
            node=value >> self.sequence_bits & self.max_node,
            sequence=value & self.max_sequence,
            datetime=_moment(ms),
        )

    def since_epoch(self, unix_ms: int) -> int:
        """Return milliseconds since the epoch; TimestampOverflow when the bits cannot hold them."""
        ms = unix_ms - self.epoch_ms
        if not 0 <= ms <= self.max_time:
            msg = f"{_moment(unix_ms):%Y-%m-%d} lies outside the time bits since {self.epoch_ms} ms"
            raise TimestampOverflow(msg)
        return ms


class Snowflake:
    """
    One strictly increasing sequence of integers for a node, for all threads that share the object.

    Arguments: `node` names this process among all that share the ids; `epoch` (Unix milliseconds
    or an aware datetime) is where time starts; `bits` are for time, node and sequence. `clock`,
    `sleep`, `on_rollback` and `max_drift_ms` are as for Uuid7Generator; `on_overflow` "wait" sleeps
    for the next millisecond, "borrow" takes it ahead of time, "error" raises SequenceExhausted.
    `state` is a file of this generator's own, with which a restart cannot repeat an id either:
    time is reserved there a second ahead. Raises BadIdOption, and ConfigError for a state file
    that is none.
    """

    def __init__(
        self,
        node: int,
        *,
        epoch: int | datetime = EPOCH_2020,
        bits: tuple[int, int, int] = (41, 10, 12),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        on_rollback: OnRollback = "hold",
        on_overflow: Literal["wait", "borrow", "error"] = "wait",
        max_drift_ms: int = 10_000,
        state: str | Path | None = None,
    ) -> None:
        check_policy(on_rollback, on_overflow, max_drift_ms)
        self._layout = layout = Layout(epoch, bits)
        if isinstance(node, bool) or not isinstance(node, int) or not 0 <= node <= layout.max_node:
            msg = f"a node is 0 to {layout.max_node}, not {node!r:.64}"
            raise BadIdOption(msg)
        if read_clock(clock) < layout.epoch_ms:
            msg = f"the epoch {layout.epoch_ms} ms lies in the future"
            raise BadIdOption(msg)
        self._node = node
        self._clock = clock
        self._sleep = sleep
        self._on_rollback = on_rollback
        self._on_overflow = on_overflow
        self._max_drift_ms = max_drift_ms
        self._state = None if state is None else Path(state)
        self._reserved_ms = 0 if self._state is None else _read_state(self._state)
        self._restarted = self._reserved_ms > 0
        self._last_ms = self._reserved_ms if self._restarted else -1
        self._sequence = 0
        self._max_sequence = layout.max_sequence
        self._base = 0  # the id of the last millisecond with the sequence 0
        self._lock = threading.Lock()
        _alive.add(self)

    def next(self) -> int:
        """Return the next id. Write it into JSON as text: it passes 2^53."""
        with self._lock:
            return self._next()

    def batch(self, n: int) -> list[int]:
        """Return the next *n* ids (1 to 1,000,000), which no other thread's fall between."""
        check_batch(n)
        with self._lock:
            return [self._next() for _ in range(n)]

    def decompose(self, id: int | str) -> SnowflakeParts:
        """Return what an id of this layout holds; InvalidId for what is none."""
        return self._layout.unpack(id if isinstance(id, int) else number_of(id))

    def min_for(self, t: datetime) -> int:
        """Return the smallest id of a moment's millisecond, for a query over a range of time."""
        return self._layout.pack(self._layout.since_epoch(_ms_of(t)), 0, 0)

    def max_for(self, t: datetime) -> int:
        """Return the largest id of a moment's millisecond, on any node."""
        layout = self._layout
        ms = layout.since_epoch(_ms_of(t))
        return layout.pack(ms, layout.max_node, layout.max_sequence)

    def _next(self) -> int:
        seconds = self._clock()
        now = int(seconds * 1000) if 0 <= seconds < END else refuse_time(seconds)
        if now == self._last_ms and self._sequence < self._max_sequence and not self._restarted:
            self._sequence += 1
        else:
            self._advance(now)
        return self._base | self._sequence

    def _advance(self, now: int) -> None:
        """Do what is not the common case of a further id in the same millisecond."""
        if self._restarted:
            now = self._pass_reserved(now)
        if now > self._last_ms:
            self._enter(now)
        else:
            self._stay(now)

    def _pass_reserved(self, now: int) -> int:
        """Wait until the time that an earlier process had reserved is over."""
        if now <= self._last_ms:
            drift = self._last_ms - now
            if drift > self._max_drift_ms:
                raise rolled_back(drift, self._max_drift_ms, self._on_rollback)
            now = self._wait_past(self._last_ms)
        self._restarted = False
        return now

    def _stay(self, now: int) -> None:
        """Give the next of the last millisecond, or what the policies say."""
        drift = self._last_ms - now
        if drift and (drift > self._max_drift_ms or self._on_rollback == "error"):
            raise rolled_back(drift, self._max_drift_ms, self._on_rollback)
        if drift and self._on_rollback == "wait":
            self._enter(self._wait_past(self._last_ms))
        elif self._sequence < self._max_sequence:
            self._sequence += 1
        else:
            self._overflow(now, held=drift > 0)

    def _overflow(self, now: int, *, held: bool) -> None:
        if self._on_overflow == "error":
            msg = f"the millisecond {self._last_ms} has no id left on node {self._node}"
            raise SequenceExhausted(msg, retry_after=0.001)
        borrows = held or self._on_overflow == "borrow"
        if borrows and self._last_ms + 1 - now <= self._max_drift_ms:
            self._enter(self._last_ms + 1)
        else:
            self._enter(self._wait_past(self._last_ms))

    def _enter(self, ms: int) -> None:
        since_epoch = self._layout.since_epoch(ms)
        if self._state is not None and ms > self._reserved_ms:
            reserved = ms + _RESERVE_MS
            _write_state(self._state, reserved)
            self._reserved_ms = reserved
        self._last_ms = ms
        self._sequence = 0
        self._base = self._layout.pack(since_epoch, self._node, 0)

    def _wait_past(self, ms: int) -> int:
        while (now := read_clock(self._clock)) <= ms:
            self._sleep((ms + 1 - now) / 1000)
        return now

    def after_fork_in_child(self) -> None:
        """Leave the parent its node: two processes with one node would give the same ids."""

        def refuse() -> float:
            msg = (
                f"this process was forked from the one that has node {self._node}: "
                "make a Snowflake with a node of its own"
            )
            raise ConfigError(msg, code="id.node_in_use")

        self._lock = threading.Lock()
        self._clock = refuse


def number_of(text: str) -> int:
    """Return the number that a Snowflake's text is; InvalidId for any other text."""
    canonical = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 19
    if not canonical or (text[0] == "0" and text != "0"):
        msg = f"{text!r:.66} is no Snowflake: digits without sign or leading zero"
        raise InvalidId(msg)
    return int(text)


def _epoch_ms(epoch: int | datetime) -> int:
    if isinstance(epoch, datetime):
        return _ms_of(epoch)
    if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
        msg = f"an epoch is Unix milliseconds or an aware datetime, not {epoch!r:.64}"
        raise BadIdOption(msg)
    return epoch


def _ms_of(t: datetime) -> int:
    from infra_id.uuids import milliseconds_of

    return milliseconds_of(t)


def _moment(ms: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError as exc:
        msg = f"{ms} ms lies beyond the year 9999"
        raise TimestampOverflow(msg) from exc


def _read_state(file: Path) -> int:
    """Return the time that was reserved, 0 for a file that is not there yet."""
    try:
        text = file.read_text("ascii").strip()
        return number_of(text)
    except FileNotFoundError:
        return 0
    except (OSError, UnicodeDecodeError, InvalidId) as exc:
        msg = f"{file} is no state of a Snowflake: if its ids may start anew, remove it"
        raise ConfigError(msg, code="id.bad_state", path=str(file)) from exc


def _write_state(file: Path, ms: int) -> None:
    """Replace the file as a whole: after a crash it holds the old time or the new one."""
    beside = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="ascii") as stream:
            stream.write(f"{ms}\n")
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError as exc:
        msg = f"cannot write the state {file}: {exc.strerror}"
        raise ConfigError(msg, code="id.bad_state", path=str(file)) from exc


_alive: weakref.WeakSet[Snowflake] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for snowflake in list(_alive):
        snowflake.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
