"""The patterns behind `redact_text`; `re` is imported when the first suspicious text comes by.

No pattern nests quantifiers, and every repetition that could start anew at each character is
bounded or is held to the start of a token, so that 64 KiB of hostile text stay linear.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable

__all__ = ["mask"]

_MASK = "***"
_steps: list[tuple[tuple[str, ...], Callable[[str], str]]] = []


def mask(text: str) -> str:
    """`text` with every secret masked; a step runs only if a trigger of it is in the text."""
    for triggers, step in _steps or _compile():
        for trigger in triggers:
            if trigger in text:
                text = step(text)
                break
    return text


def _compile() -> list[tuple[tuple[str, ...], Callable[[str], str]]]:
    import re

    from infra_errors.redact import in_words, is_sensitive, mask_phone

    def replacing(
        pattern: str, replacement: str | Callable[[re.Match[str]], str]
    ) -> Callable[[str], str]:
        compiled = re.compile(pattern)
        return lambda text: compiled.sub(replacement, text)

    def in_query(key: str) -> bool:
        # whoever has a signed URL has what it opens
        return is_sensitive(key) or key.lower() == "sig" or key.lower().endswith("signature")

    def valued(key: str, judge: Callable[[str], bool], value: str) -> Callable[[str], str]:
        # a value is only consumed after a sensitive key: in "a: password=x" the key may be the
        # second
        keys, values = re.compile(key), re.compile(value)
        # the quotes stay, so that a masked text is its own masked text
        quotes = re.compile(r"(?s)((?:[bBrRuU]{0,2}|\\{1,7})([\"'])).*?(\\{0,7}\2)\Z")

        def step(text: str) -> str:
            done, parts = 0, []
            for found in keys.finditer(text):
                if found.start() >= done and judge(found[1]):
                    behind = values.match(text, found.end())
                    if behind:
                        around = quotes.match(behind[0])
                        masked = f"{around[1]}{_MASK}{around[3]}" if around else _MASK
                        parts += [text[done : found.end()], masked]
                        done = behind.end()
            return "".join([*parts, text[done:]]) if parts else text

        return step

    _steps.extend(
        (
            # PEM private keys, also those that were cut before their END line
            (
                ("PRIVATE KEY",),
                replacing(
                    r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?"
                    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)",
                    _MASK,
                ),
            ),
            # userinfo of a URL; the second form is a password that holds a raw slash or hash
            (
                ("@",),
                replacing(
                    r"://(?:[^\s/?#]*@"
                    r"|[^\s/?#@:]{0,256}:(?![0-9]{0,5}(?:[/?#\s]|\Z))[^\s@]{0,512}@)",
                    f"://{_MASK}@",
                ),
            ),
            (
                ("eyJ",),
                replacing(
                    r"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,4}", _MASK
                ),
            ),
            (
                ("AKIA", "ASIA", "sk-", "gh", "xox"),
                replacing(
                    r"(?<![A-Za-z0-9])(?:A[KS]IA[0-9A-Z]{16}|sk-[A-Za-z0-9_\-]{16,}"
                    r"|gh[opsur]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}"
                    r"|xox[a-z]-[A-Za-z0-9\-]{8,})",
                    _MASK,
                ),
            ),
            # headers whose whole line is the secret
            (
                ("uthorization", "UTHORIZATION", "ookie", "OOKIE"),
                valued(
                    r"(?i)(authorization|cookies?)[\"']?[ \t]{0,4}[:=][ \t]{0,4}",
                    lambda _: True,
                    r"'[^'\r\n]*'|\"[^\"\r\n]*\"|[^\r\n]+",
                ),
            ),
            # "Bearer hunter2" is a secret, "Bearer token" and "Basic authentication" are prose
            (
                ("earer", "EARER", "asic", "ASIC"),
                replacing(
                    r"(\b(?:[Bb]earer|BEARER|[Bb]asic|BASIC)[ \t]{1,4})"
                    r"(?=[A-Za-z]?[a-z]*(?:[0-9A-Z+/=_~]|[.\-][0-9A-Za-z])|[A-Za-z]{16})"
                    r"[A-Za-z0-9._~+/=\-]+",
                    rf"\1{_MASK}",
                ),
            ),
            (("?", "&"), valued(r"[?&]([A-Za-z0-9_.~\-]{1,64})=", in_query, r"[^&;\s#\"'<>]+")),
            (
                ("=", ":"),
                valued(
                    r"([A-Za-z0-9_\-]{1,64})\\{0,7}[\"']?[ \t]{0,4}"
                    r"(?::=|=>|[=:](?!//))[ \t]{0,4}",
                    in_words,
                    # quoted, quoted in text that is itself quoted, cut before its end, bare
                    r"[bBrRuU]{0,2}(?:'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
                    r"|\\{1,7}(?:\"[^\"]*\"?|'[^']*'?)|['\"][^\r\n]*|(?:\\[^\r\n]|[^\s&;])+",
                ),
            ),
            (
                ("+", "%2B", "%2b"),
                replacing(
                    r"(?<![\w+])(?:\+|%2[Bb])[1-9][0-9]{7,14}(?![0-9])", lambda m: mask_phone(m[0])
                ),
            ),
        )
    )
    return _steps
