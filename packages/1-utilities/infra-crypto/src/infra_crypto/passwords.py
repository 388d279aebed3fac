"""
Argon2id passwords (RFC 9106): hash, verify, know when to hash anew, and never block an event loop.

A hash is a PHC string, `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`; with a pepper it is
`$hmac-sha256$k=0a1b2c3d` before that, and Argon2 gets HMAC-SHA-256(pepper, password).
"""

from __future__ import annotations

import hmac
import re
import sys
import unicodedata
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from infra_crypto._argon2 import HASH_BYTES, SALT_BYTES, argon2_hash, argon2_verify
from infra_crypto._password_pool import default_concurrency, shared_pool
from infra_crypto.algorithms import Alg
from infra_crypto.errors import (
    BadArgument,
    HashMalformed,
    HashParametersRefused,
    InvalidKey,
    PasswordEmpty,
    PasswordTooLong,
)

if TYPE_CHECKING:
    from infra_crypto.mac import Mac

__all__ = [
    "Argon2Params",
    "PasswordHasher",
    "ahash_password",
    "averify_password",
    "hash_password",
    "verify_password",
]

_LONGEST = 4096
_HASH_PATTERN = re.compile(
    r"(?:\$hmac-sha256\$k=(?P<pepper>[0-9a-f]{8}))?"
    r"(?P<phc>\$argon2id\$v=19\$m=(?P<m>[1-9][0-9]{0,9}),t=(?P<t>[1-9][0-9]{0,9})"
    r",p=(?P<p>[1-9][0-9]{0,7})\$(?P<salt>[A-Za-z0-9+/]{11,86})\$(?P<hash>[A-Za-z0-9+/]{22,86}))"
)


def _between(least: int, most: int) -> Any:
    def check(_: object, attribute: attrs.Attribute[int], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            msg = f"Argon2 {attribute.name} is {least} to {most}, not {value!r:.40}"
            raise BadArgument(msg)

    return check


@attrs.frozen(slots=True)
class Argon2Params:
    """
    What a hash costs: `t` passes over `m` KiB of memory in `p` lanes; BadArgument for m below 8*p.

    RFC9106_LOW (the RFC's second choice, 64 MiB) is the default, OWASP (19 MiB) the least one that
    OWASP accepts, RFC9106_HIGH (2 GiB) for few logins, INSECURE_FAST for tests alone.
    """

    t: int = attrs.field(validator=_between(1, 2**32 - 1))
    m: int = attrs.field(validator=_between(8, 2**32 - 1))
    p: int = attrs.field(validator=_between(1, 2**24 - 1))

    RFC9106_LOW: ClassVar[Argon2Params]
    RFC9106_HIGH: ClassVar[Argon2Params]
    OWASP: ClassVar[Argon2Params]
    INSECURE_FAST: ClassVar[Argon2Params]

    def __attrs_post_init__(self) -> None:
        if self.m < 8 * self.p:
            msg = f"Argon2 needs 8 KiB a lane: m={self.m} is too little for p={self.p}"
            raise BadArgument(msg)


Argon2Params.RFC9106_LOW = Argon2Params(t=3, m=65_536, p=4)
Argon2Params.RFC9106_HIGH = Argon2Params(t=1, m=2_097_152, p=4)
Argon2Params.OWASP = Argon2Params(t=2, m=19_456, p=1)
Argon2Params.INSECURE_FAST = Argon2Params(t=1, m=8, p=1)

# four lanes are four threads, which WebAssembly may not have
_DEFAULT = Argon2Params.OWASP if sys.platform == "emscripten" else Argon2Params.RFC9106_LOW
_MOST = Argon2Params(t=16, m=1_048_576, p=16)


@attrs.frozen(slots=True)
class _Parsed:
    """What a stored hash says of itself."""

    phc: str = attrs.field(repr=False)
    params: Argon2Params
    sizes: tuple[int, int]
    pepper: int | None


class PasswordHasher:
    """
    Hashes passwords and verifies them; one object serves all threads and tasks.

    Arguments: `params` is what a new hash costs; `pepper` a `Mac` of HMAC_SHA256 keys that are
    kept apart from the hashes; `normalize` "NFC" makes the two spellings of one accented letter
    one password, None takes them as they come; `max_params` bounds what a stored hash may cost;
    `max_concurrency` threads (at most 4, one a CPU, by default) serve the coroutines, with
    `max_waiting` calls waiting for them. Raises BadArgument.
    """

    __slots__ = ("_concurrency", "_normalize", "_waiting", "max_params", "params", "pepper")

    def __init__(
        self,
        params: Argon2Params = _DEFAULT,
        *,
        pepper: Mac | None = None,
        normalize: Literal["NFC"] | None = "NFC",
        max_params: Argon2Params = _MOST,
        max_concurrency: int | None = None,
        max_waiting: int = 64,
    ) -> None:
        self.params = params
        self.pepper = pepper
        self.max_params = max_params
        self._normalize = normalize
        self._concurrency = default_concurrency() if max_concurrency is None else max_concurrency
        self._waiting = max_waiting
        self._check()

    def hash(self, password: str) -> str:
        """
        Return a new hash, with a salt of its own, as a PHC string.

        Raises PasswordEmpty, PasswordTooLong (over 4096 bytes of UTF-8), BadArgument for no text.
        """
        return self._hash(self._secret(password))

    def verify(self, hash: str | None, password: str) -> bool:
        """
        Return whether the password is the hash's; None costs as much as a hash, and is False.

        Raises HashMalformed for what is no Argon2id hash, HashParametersRefused (before any work)
        for one above `max_params`, InvalidKey for a pepper key that is not here. An empty or
        overlong password is False. Give None for an unknown user: the time tells nothing.
        """
        return self._verify(None if hash is None else self._affordable(hash), password)

    def needs_rehash(self, hash: str) -> bool:
        """Return whether `hash` would make it differently: parameters, sizes or pepper key."""
        parsed = _parse(hash)
        return (parsed.params, parsed.sizes, parsed.pepper) != (
            *(self.params, (SALT_BYTES, HASH_BYTES)),
            None if self.pepper is None else _primary_of(self.pepper),
        )

    async def ahash(self, password: str) -> str:
        """Return `hash(password)`, made in a thread; PasswordPoolFull when too many wait."""
        work = partial(self._hash, self._secret(password))
        return await shared_pool(self._concurrency).run(work, max_waiting=self._waiting)

    async def averify(self, hash: str | None, password: str) -> bool:
        """Return `verify(hash, password)`, done in a thread; PasswordPoolFull too."""
        work = partial(
            self._verify, None if hash is None else self._affordable(hash), _text(password)
        )
        return await shared_pool(self._concurrency).run(work, max_waiting=self._waiting)

    def __repr__(self) -> str:
        peppered = "" if self.pepper is None else ", peppered"
        return f"<PasswordHasher {self.params}{peppered}>"

    # -- the work

    def _hash(self, secret: bytes) -> str:
        prefix = ""
        if self.pepper is not None:
            key_id = _primary_of(self.pepper)
            prefix, secret = f"$hmac-sha256$k={key_id:08x}", _peppered(self.pepper, key_id, secret)
        return prefix + argon2_hash(secret, self.params.t, self.params.m, self.params.p)

    def _verify(self, parsed: _Parsed | None, password: str) -> bool:
        try:
            secret = self._secret(password)
        except (PasswordEmpty, PasswordTooLong):
            return False
        if parsed is None:
            self._hash(secret)
            return False
        if parsed.pepper is not None:
            secret = _peppered(self.pepper, parsed.pepper, secret)
        return argon2_verify(parsed.phc, secret)

    def _secret(self, password: str) -> bytes:
        """Return what is hashed: the text, normalised, in UTF-8."""
        text = _text(password)
        if not text:
            msg = "the password is empty"
            raise PasswordEmpty(msg)
        # a lone surrogate is no Unicode: it comes from a broken client, and hashes as it came
        if len(text) > _LONGEST or len(text.encode("utf-8", "surrogatepass")) > _LONGEST:
            msg = f"a password has {_LONGEST} bytes of UTF-8 at most"
            raise PasswordTooLong(msg)
        if self._normalize is not None:
            text = unicodedata.normalize(self._normalize, text)
        return text.encode("utf-8", "surrogatepass")

    def _affordable(self, hash: str) -> _Parsed:
        parsed, most = _parse(hash), self.max_params
        params = parsed.params
        if params.t > most.t or params.m > most.m or params.p > most.p:
            msg = f"the hash asks for {params}, and {most} is the most allowed here"
            raise HashParametersRefused(msg)
        return parsed

    def _check(self) -> None:
        msg = ""
        if not isinstance(self.params, Argon2Params) or not isinstance(
            self.max_params, Argon2Params
        ):
            msg = "params and max_params are Argon2Params"
        elif self._normalize not in {"NFC", None}:
            msg = f'normalize is "NFC" or None, not {self._normalize!r:.40}'
        elif not _is_count(self._concurrency, 1) or not _is_count(self._waiting, 0):
            msg = "max_concurrency is 1 or more, max_waiting 0 or more"
        if msg:
            raise BadArgument(msg)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _text(password: object) -> str:
    if isinstance(password, str):
        return password
    msg = f"a password is a str, not {type(password).__name__}"
    raise BadArgument(msg)


def _parse(hash: object) -> _Parsed:
    match = _HASH_PATTERN.fullmatch(hash) if isinstance(hash, str) else None
    if match is None:
        msg = "this is no Argon2id hash of version 19 in PHC form"
        raise HashMalformed(msg)
    sizes = len(match["salt"]) * 3 // 4, len(match["hash"]) * 3 // 4
    try:
        params = Argon2Params(t=int(match["t"]), m=int(match["m"]), p=int(match["p"]))
    except BadArgument as exc:
        msg = f"the hash has parameters that Argon2 cannot have: {exc.message}"
        raise HashMalformed(msg) from None
    pepper = match["pepper"]
    return _Parsed(match["phc"], params, sizes, None if pepper is None else int(pepper, 16))


def _primary_of(pepper: Mac) -> int:
    return int.from_bytes(pepper._table().primary[1:5])  # the prefix: 01, key id


def _peppered(pepper: Mac | None, key_id: int, secret: bytes) -> bytes:
    """Return HMAC-SHA-256 of the password under one key of the pepper."""
    prefix = b"\x01" + key_id.to_bytes(4)
    records = {} if pepper is None else pepper._table().records  # by the key's id
    record = records.get(prefix)
    if record is None:
        msg = f"the hash was made with pepper key {key_id:08x}, which this hasher does not have"
        raise InvalidKey(msg)
    if record.alg is not Alg.HMAC_SHA256 or record.secret is None:
        msg = f"a pepper is of keys of {Alg.HMAC_SHA256}, not {record.alg}"
        raise InvalidKey(msg)
    return hmac.digest(record.secret, secret, "sha256")


@cache
def _default() -> PasswordHasher:
    return PasswordHasher()


def hash_password(password: str) -> str:
    """Return a hash of the default cost (RFC 9106, 64 MiB); see `PasswordHasher.hash`."""
    return _default().hash(password)


def verify_password(hash: str | None, password: str) -> bool:
    """Return whether the password is the hash's; see `PasswordHasher.verify`."""
    return _default().verify(hash, password)


async def ahash_password(password: str) -> str:
    """Return `hash_password(password)`, made off the event loop."""
    return await _default().ahash(password)


async def averify_password(hash: str | None, password: str) -> bool:
    """Return `verify_password(hash, password)`, done off the event loop."""
    return await _default().averify(hash, password)
