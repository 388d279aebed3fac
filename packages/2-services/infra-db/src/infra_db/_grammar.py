"""The one language of searches: every text has a meaning, none is an error.

    neural nets        both words; the last also as the beginning of a word
    "neural nets"      these words in this order
    neural*            a word that begins so
    -vision            not this word (nor this phrase)
    vision OR audio    either side; it binds weaker than the words beside each other

All else is text: `title:math` and `data/eval` are two words each.
"""

from __future__ import annotations

import re

import attrs

from infra_errors import ValidationError

__all__ = ["Alternative", "Term", "parse"]

_LONGEST = 512  # characters
_MOST_TERMS = 32
_LEAST_PREFIX = 2  # letters of a last word that also matches as a beginning
_WORD = re.compile(r"[^\W_]+")
_CHUNK = re.compile(r'(?P<not>-?)"(?P<phrase>[^"]*)"|(?P<chunk>[^\s"]+)')


@attrs.frozen
class Term:
    """One word, or several in their order; `prefix` says that more letters may follow."""

    words: tuple[str, ...]
    prefix: bool = False


@attrs.frozen
class Alternative:
    """All of `wanted`, at least one, and none of `unwanted`."""

    wanted: tuple[Term, ...]
    unwanted: tuple[Term, ...]


def parse(query: str) -> tuple[Alternative, ...]:
    """Read a search; of several alternatives one must hold, of none nothing is found.

    Raises ValidationError `db.invalid_filter` beyond 512 characters or 32 terms.
    """
    if not isinstance(query, str) or len(query) > _LONGEST:
        message = f"a search is a text of at most {_LONGEST} characters"
        raise ValidationError(message, code="db.invalid_filter")
    found: list[tuple[list[Term], list[Term]]] = [([], [])]
    chunks = list(_CHUNK.finditer(query))
    for number, match in enumerate(chunks):
        if match["chunk"] == "OR":
            found.append(([], []))
            continue
        wanted, unwanted = _terms(match, is_last=number == len(chunks) - 1)
        found[-1][0].extend(wanted)
        found[-1][1].extend(unwanted)
    if sum(len(wanted) + len(unwanted) for wanted, unwanted in found) > _MOST_TERMS:
        message = f"a search has at most {_MOST_TERMS} words and phrases"
        raise ValidationError(message, code="db.invalid_filter")
    return tuple(Alternative(tuple(a), tuple(b)) for a, b in found if a)


def _terms(match: re.Match[str], *, is_last: bool) -> tuple[list[Term], list[Term]]:
    if match["phrase"] is not None:
        words = _words(match["phrase"])
        term = [Term(words)] if words else []
        return ([], term) if match["not"] else (term, [])
    chunk = match["chunk"]
    words = _words(chunk)
    if not words:
        return [], []
    starred = chunk.endswith("*")
    if chunk.startswith("-"):
        return [], [Term(words, prefix=starred and len(words) == 1)]
    begins = starred or (is_last and len(words[-1]) >= _LEAST_PREFIX)
    return [*(Term((word,)) for word in words[:-1]), Term(words[-1:], prefix=begins)], []


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(text))
