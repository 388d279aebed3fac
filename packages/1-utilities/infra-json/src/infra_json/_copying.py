"""Deep copies of JSON values, without recursion."""

from __future__ import annotations

from typing import Any

from infra_json.limits import MAX_NESTING, too_deep

__all__ = ["copied", "counted_copy"]


def copied(value: Any) -> Any:
    """Return a deep copy; TooDeep beyond 2,000 levels."""
    return counted_copy(value, None)[0] if isinstance(value, (dict, list)) else value


def counted_copy(value: Any, limit: int | None) -> tuple[Any, int]:
    """Return a deep copy and its number of nodes; OverflowError for more than *limit*."""
    if not isinstance(value, (dict, list)):
        return value, 1
    root = value.copy()
    count = 1
    todo: list[tuple[Any, int]] = [(root, 1)]
    while todo:
        node, depth = todo.pop()
        count += len(node)
        if limit is not None and count > limit:
            raise OverflowError
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(item, (dict, list)):
                if depth == MAX_NESTING:
                    raise too_deep(MAX_NESTING)
                node[key] = inner = item.copy()
                todo.append((inner, depth + 1))
    return root, count
