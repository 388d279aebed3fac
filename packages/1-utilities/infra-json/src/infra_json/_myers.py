"""The longest common subsequence of two lists: Myers' greedy O(ND) algorithm."""

from __future__ import annotations

from typing import Any

__all__ = ["common"]

Pairs = list[tuple[int, int]]


def common(a: list[Any], b: list[Any], max_cost: int) -> Pairs | None:
    """
    Return the index pairs of a longest common subsequence, None beyond *max_cost* edits.

    An edit is one element removed or added. Elements that the other list lacks are edits for
    certain, so they are counted and left out before the search.
    """
    in_a, in_b = set(a), set(b)
    left = [index for index, item in enumerate(a) if item in in_b]
    right = [index for index, item in enumerate(b) if item in in_a]
    budget = max_cost - (len(a) - len(left)) - (len(b) - len(right))
    if budget < 0:
        return None
    rest_a, rest_b = [a[index] for index in left], [b[index] for index in right]
    if rest_a == rest_b:
        return list(zip(left, right, strict=True))
    found = _search(rest_a, rest_b, budget)
    return None if found is None else [(left[x], right[y]) for x, y in found]


def _search(a: list[Any], b: list[Any], budget: int) -> Pairs | None:
    """Find the furthest point on each diagonal k = x - y with one edit more, until the end."""
    count_a, count_b = len(a), len(b)
    limit = min(budget, count_a + count_b)
    zero = limit + 1
    furthest = [0] * (2 * limit + 3)
    history: list[list[int]] = []
    for edits in range(limit + 1):
        history.append(furthest[zero - edits - 1 : zero + edits + 2])
        for k in range(-edits, edits + 1, 2):
            at = zero + k
            if k == -edits or (k != edits and furthest[at - 1] < furthest[at + 1]):
                x = furthest[at + 1]
            else:
                x = furthest[at - 1] + 1
            y = x - k
            while x < count_a and y < count_b and a[x] == b[y]:
                x += 1
                y += 1
            furthest[at] = x
            if x >= count_a and y >= count_b:
                return _trace(history, count_a, count_b)
    return None


def _trace(history: list[list[int]], x: int, y: int) -> Pairs:
    """Walk back from the end; what is passed diagonally is common."""
    pairs: Pairs = []
    for edits in range(len(history) - 1, 0, -1):
        row, zero = history[edits], edits + 1
        k = x - y
        is_down = k == -edits or (k != edits and row[zero + k - 1] < row[zero + k + 1])
        before_x = row[zero + k + 1] if is_down else row[zero + k - 1]
        before_y = before_x - (k + 1 if is_down else k - 1)
        while x > before_x and y > before_y:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = before_x, before_y
    pairs.extend((index, index) for index in range(x - 1, -1, -1))
    pairs.reverse()
    return pairs
