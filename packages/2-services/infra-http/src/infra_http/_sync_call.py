"""One sync call on its way through a policy: as `_pipeline.Call`, without a hedge.

An attempt cannot be cut from outside in sync code: its time is bounded by the socket's timeouts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from infra_errors import BulkheadFullError, CircuitOpenError, DeadlineExceededError
from infra_http._lanes import Rejected, cause_of
from infra_http._pipeline import bulkhead_full, refusal, translated
from infra_http.policy import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra_http._lanes import Lane
    from infra_http._pipeline import Judge, Pipeline

__all__ = ["SyncCall"]


class SyncCall:
    """One call; calling it makes one attempt."""

    __slots__ = (
        "_discard",
        "_fn",
        "_judge",
        "_lane",
        "_mode",
        "_number",
        "_pipeline",
        "_previous",
        "_rejected",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        key: str,
        fn: Callable[[Attempt], Any],
        mode: str,
        judge: Judge,
        discard: Callable[[Any], None],
    ) -> None:
        self._pipeline = pipeline
        self._lane: Lane = pipeline.lanes.get(key)
        self._fn = fn
        self._mode = mode
        self._judge = judge
        self._discard = discard
        self._number = 0
        self._previous: Exception | None = None
        self._rejected: Any = None

    def __getattr__(self, name: str) -> Any:
        if name == "__qualname__":  # what the retry loop calls this in its log
            return self._lane.key
        raise AttributeError(name)

    def repeated(self, *, timed: bool) -> Any:
        """Make the call; the total time is the loop's if `timed`, else that of a scope around."""
        try:
            return self._lane.retrying(self._mode, timed=timed).run(self)
        except Rejected as rejected:
            self._rejected = None
            return rejected.result
        except DeadlineExceededError as error:
            found = translated(error, self._number)
            if found is error:
                raise
            raise found from cause_of(error)
        finally:
            self._throw_away()

    def would_repeat(self, error: Exception) -> bool:
        """Say whether this error would be worth another attempt, if the call allowed one."""
        return self._lane.is_repeatable(error, "always")

    def __call__(self) -> Any:
        """Make one attempt; the loop calls this."""
        self._throw_away()
        self._number += 1
        pipeline = self._pipeline
        if pipeline.line is not None:
            wait, turn = pipeline.line.enter()
            if wait > 0:
                try:
                    (pipeline.sleep or time.sleep)(wait)
                except BaseException:
                    pipeline.line.leave(turn)
                    raise
        if pipeline.bulkhead is None:
            return self._guarded()
        slot = pipeline.bulkhead.slot()
        try:
            slot.__enter__()
        except BulkheadFullError as error:
            raise bulkhead_full(error) from None
        try:
            return self._guarded()
        finally:
            slot.__exit__(None, None, None)

    def _guarded(self) -> Any:
        breaker = self._lane.breaker
        try:
            permit = None if breaker is None else breaker.allow()
        except CircuitOpenError as error:
            raise refusal(error, self._lane.key) from None
        try:
            result = self._fn(Attempt(self._number, self._previous))
        except BaseException as error:
            if permit is not None:
                permit.failure(error)
            if isinstance(error, Exception):
                self._previous = error
            raise
        failed, reason = self._judge(result)
        if permit is not None:
            if failed:
                permit.failure()
            else:
                permit.success()
        if reason is not None:
            self._previous = reason
            self._rejected = result
            raise Rejected(result, reason)
        return result

    def _throw_away(self) -> None:
        rejected, self._rejected = self._rejected, None
        if rejected is not None:
            self._discard(rejected)
