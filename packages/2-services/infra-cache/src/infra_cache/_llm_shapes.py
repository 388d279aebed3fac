"""What answers of language models say of themselves: why they ended, and the tokens they took.

Known are OpenAI's chat completions and responses, and Anthropic's messages, whole and as streams.
What has another shape says nothing: None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra_cache.prices import Usage
from infra_errors import ValidationError

__all__ = ["is_finished", "stream_is_finished", "stream_usage", "usage_of"]

FINISHED = frozenset(
    {"stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "completed"},
)


def is_finished(response: Any) -> bool:
    """Say whether a whole answer came to a clean end."""
    if not isinstance(response, Mapping):
        return False
    if isinstance(choices := response.get("choices"), Sequence) and choices:
        return all(_get(choice, "finish_reason") in FINISHED for choice in choices)
    if "stop_reason" in response:
        return response["stop_reason"] in FINISHED
    return response.get("object") == "response" and response.get("status") in FINISHED


def stream_is_finished(chunks: Sequence[Any]) -> bool:
    """Say whether a stream's chunks came to a clean end."""
    reasons: dict[Any, Any] = {}
    for chunk in chunks:
        kind = _get(chunk, "type")
        if kind == "error" or _get(chunk, "error") is not None:
            return False
        if kind == "message_delta":
            reasons["message"] = _get(_get(chunk, "delta"), "stop_reason")
        elif isinstance(kind, str) and kind.startswith("response."):
            reasons["response"] = _get(_get(chunk, "response"), "status")
        for choice in _get(chunk, "choices") or ():
            index = _get(choice, "index")
            reasons[index] = _get(choice, "finish_reason") or reasons.get(index)
    return bool(reasons) and all(reason in FINISHED for reason in reasons.values())


def usage_of(response: Any) -> Usage | None:
    """Read the tokens that a whole answer took."""
    return _usage(_get(response, "usage"))


def stream_usage(chunks: Sequence[Any]) -> Usage | None:
    """Read the tokens that a stream took; what comes later in it replaces what came before."""
    found: dict[str, Any] = {}
    for chunk in chunks:
        inner = _get(chunk, "response") or _get(chunk, "message") or chunk
        usage = _get(inner, "usage")
        if isinstance(usage, Mapping):
            found.update(usage)
    return _usage(found)


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    try:
        if "prompt_tokens" in usage and "completion_tokens" in usage:
            return _openai(usage, "prompt_tokens", "completion_tokens")
        if "input_tokens" not in usage or "output_tokens" not in usage:
            return None
        if "input_tokens_details" in usage or "output_tokens_details" in usage:
            return _openai(usage, "input_tokens", "output_tokens")
        return _anthropic(usage)
    except (ValidationError, TypeError):
        return None  # a number that no count of tokens can be


def _openai(usage: Mapping[str, Any], into: str, out: str) -> Usage:
    inputs, outputs = usage.get(f"{into}_details"), usage.get(f"{out}_details")
    return Usage(
        usage[into],
        usage[out],
        cached_input_tokens=_get(inputs, "cached_tokens") or 0,
        reasoning_tokens=_get(outputs, "reasoning_tokens") or 0,
    )


def _anthropic(usage: Mapping[str, Any]) -> Usage:
    """Anthropic counts the tokens of its prompt cache beside `input_tokens`, not among them."""
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    return Usage(
        usage["input_tokens"] + cached + written,
        usage["output_tokens"],
        cached_input_tokens=cached,
        cache_write_tokens=written,
    )


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
