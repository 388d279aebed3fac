"""Which entry leaves a full cache: the least recent, or the adaptive policy's choice.

Adaptive: a window in order of recency, and behind it a segmented main part that an entry enters
only when it was asked for more often than the one it would push out (W-TinyLFU). How large a share
the window has is decided by racing three small shadow caches on a sample of the keys.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from infra_cache._sketch import MOST, Sketch

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["Adaptive", "Lru", "Node", "Policy"]

SHARES = (0.01, 0.2, 0.9)  # of the window, one a shadow
SAMPLE = 8  # one key in so many is raced
SMALLEST = 512  # in a shadow of fewer entries chance outweighs merit: more keys are raced
PROTECTED = 2  # so many times the probation
SURE = 4  # from this count on it takes two more to win: one more says when, not how often
AGE = 10  # requests an entry after which all counts are halved
MEMORY = 0.98  # what a period of the race still counts for in the next one
MARGIN = 1.03  # by which a share must be better to be taken: changing costs hits


class Node:
    """One key's place in a policy."""

    __slots__ = ("frequency", "home", "is_raced", "key")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.frequency = 0
        self.home: OrderedDict[Hashable, Any] | None = None
        self.is_raced = False


class Lru:
    """The least recent leaves."""

    __slots__ = ("_order",)

    def __init__(self) -> None:
        self._order: OrderedDict[Hashable, Any] = OrderedDict()

    def add(self, node: Node) -> None:
        """Take a new entry in."""
        self._order[node.key] = node
        node.home = self._order

    def touch(self, nodes: Sequence[Node]) -> None:
        """Note that entries were asked for; those that left meanwhile do not count."""
        for node in nodes:
            if node.home is not None:
                node.home.move_to_end(node.key)

    def remove(self, node: Node) -> None:
        """Let an entry go."""
        if node.home is not None:
            del node.home[node.key]
            node.home = None

    def settle(self) -> None:
        """Nothing had to leave: nothing to do."""

    def evict(self) -> Any:
        """Choose an entry and let it go."""
        _, node = self._order.popitem(last=False)
        node.home = None
        return node


class Segments:
    """The window, and the main part: probation and protected. `share` is the window's."""

    __slots__ = ("_probation", "_protected", "_requests", "_sketch", "_window", "share")

    def __init__(self, share: float, keys: int) -> None:
        self._window: OrderedDict[Hashable, Any] = OrderedDict()
        self._probation: OrderedDict[Hashable, Any] = OrderedDict()
        self._protected: OrderedDict[Hashable, Any] = OrderedDict()
        self._sketch = Sketch(keys)
        self._requests = 0
        self.share = share

    def add(self, node: Node) -> None:
        """Take a new entry into the window."""
        node.frequency = min(MOST, self._sketch.get(node.key) + 1)
        node.home = window = self._window
        window[node.key] = node

    def hit(self, node: Any) -> None:
        """Note that an entry was asked for; one that left meanwhile does not count."""
        home = node.home
        if home is self._probation:
            self._promote(node)
        elif home is not None:
            home.move_to_end(node.key)
        if node.frequency < MOST:
            node.frequency += 1

    def _promote(self, node: Node) -> None:
        probation, protected = self._probation, self._protected
        del probation[node.key]
        protected[node.key] = node
        node.home = protected
        while len(protected) > PROTECTED * (len(probation) + 1):
            key, last = protected.popitem(last=False)
            probation[key] = last
            last.home = probation

    def age(self, requests: int) -> None:
        """Count requests, and forget half of the counts when there were many."""
        self._requests += requests
        parts = (self._window, self._probation, self._protected)
        if self._requests >= AGE * max(sum(map(len, parts)), 8):
            self._requests = 0
            self._sketch.halve()
            for part in parts:
                for node in part.values():
                    node.frequency >>= 1

    def remove(self, node: Node) -> None:
        """Let an entry go, and remember how often it was asked for."""
        if node.home is not None:
            del node.home[node.key]
            node.home = None
            self._sketch.keep(node.key, node.frequency)

    def settle(self) -> None:
        """Move what the window has too much of on into the main part: there is room."""
        window, probation = self._window, self._probation
        limit = self._window_limit()
        while len(window) > limit:
            key, node = window.popitem(last=False)
            probation[key] = node
            node.home = probation

    def _window_limit(self) -> int:
        size = len(self._window) + len(self._probation) + len(self._protected)
        return int(self.share * size) or 1

    def evict(self) -> Any:
        """Choose an entry and let it go; never the newest."""
        window, main = self._window, self._probation or self._protected
        if len(window) > self._window_limit() or not main:
            key, node = window.popitem(last=False)
            if main:
                rival_key = next(iter(main))
                rival = main[rival_key]
                if node.frequency > rival.frequency + (rival.frequency >= SURE):
                    del main[rival_key]
                    self._probation[key] = node
                    node.home = self._probation
                    node = rival
        else:
            _, node = main.popitem(last=False)
        node.home = None
        self._sketch.keep(node.key, node.frequency)
        return node


class Adaptive(Segments):
    """Segments whose window has the share that wins the race."""

    __slots__ = ("_race",)

    def __init__(self, max_items: int) -> None:
        super().__init__(SHARES[0], max_items)
        self._race = Race(max_items)

    def add(self, node: Node) -> None:
        """Take a new entry in; as long as nothing had to leave, the window passes on its oldest."""
        super().add(node)
        self.age(1)
        if self._race.takes(node.key):
            node.is_raced = True
            self._let_race([node.key])

    def touch(self, nodes: Sequence[Any]) -> None:
        """Note that entries were asked for: `hit`, unrolled in the hottest loop of a cache."""
        probation, most = self._probation, MOST
        for node in nodes:
            home = node.home
            if home is probation:
                self._promote(node)
            elif home is not None:
                home.move_to_end(node.key)
            if node.frequency < most:
                node.frequency += 1
        self.age(len(nodes))
        raced = [node.key for node in nodes if node.is_raced]
        if raced:
            self._let_race(raced)

    def _let_race(self, keys: Sequence[Hashable]) -> None:
        share = self._race.request(keys)
        if share != self.share:
            self.share = share
            self.settle()


class Shadow:
    """A small cache of keys alone."""

    __slots__ = ("_capacity", "_nodes", "hits", "score", "segments")

    def __init__(self, share: float, capacity: int) -> None:
        self._nodes: dict[Hashable, Node] = {}
        self._capacity = capacity
        self.segments = Segments(share, capacity)
        self.hits = 0
        self.score = 0.0

    def request(self, keys: Sequence[Hashable]) -> None:
        """Be asked for keys, one after the other, and keep each from then on."""
        nodes, segments = self._nodes, self.segments
        get, hit = nodes.get, segments.hit
        for key in keys:
            node = get(key)
            if node is not None:
                self.hits += 1
                hit(node)
                continue
            nodes[key] = node = Node(key)
            segments.add(node)
            if len(nodes) > self._capacity:
                del nodes[segments.evict().key]
            else:
                segments.settle()


class Race:
    """The shadows, and which of them had the most hits of late."""

    __slots__ = ("_best", "_left", "_mask", "_period", "_seed", "_shadows")

    def __init__(self, max_items: int) -> None:
        sample = 1
        while sample < SAMPLE and max_items // (2 * sample) >= SMALLEST:
            sample *= 2
        capacity = max(1, max_items // sample)
        self._mask = sample - 1
        self._seed = secrets.randbits(62)
        self._shadows = [Shadow(share, capacity) for share in SHARES]
        self._period = self._left = max(64, capacity)
        self._best = 0

    def takes(self, key: Hashable) -> bool:
        """Say whether a key is of the sample."""
        return not hash((self._seed, key)) & self._mask

    def request(self, keys: Sequence[Hashable]) -> float:
        """Let all shadows be asked for keys, and give the share that wins; a period decides."""
        for shadow in self._shadows:
            shadow.request(keys)
        self._left -= len(keys)
        if self._left <= 0:
            self._judge()
            self._left = self._period
        return SHARES[self._best]

    def _judge(self) -> None:
        for shadow in self._shadows:
            shadow.segments.age(self._period)
            shadow.score = shadow.score * MEMORY + shadow.hits
            shadow.hits = 0
        scores = [shadow.score for shadow in self._shadows]
        best = scores.index(max(scores))
        if scores[best] > scores[self._best] * MARGIN:
            self._best = best


Policy = Lru | Adaptive
