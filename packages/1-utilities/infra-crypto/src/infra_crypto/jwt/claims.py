"""The claims of a token (RFC 7519, 4.1): built step by step or at once, and immutable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Self

import attrs

from infra_crypto.errors import BadArgument
from infra_crypto.jwt.errors import ClaimNotJson, ClaimReserved, TokenClaimInvalid

__all__ = ["REGISTERED", "Claims"]

REGISTERED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_DEEPEST = 32
_SCALARS = (str, int, bool, type(None))


@attrs.frozen(slots=True, init=False)
class Claims:
    """
    What a token says: `Claims(subject="u1", expires_in=900, scope="read")`, or the builder.

    Times are aware datetimes; `expires_in` is seconds from signing; other keywords are custom
    claims. Raises BadArgument for a value of the wrong type, ClaimReserved for a registered claim's
    short name, ClaimNotJson for a custom value that JSON cannot hold.
    """

    subject: str | None
    issuer: str | None
    audience: tuple[str, ...]
    expires_at: datetime | None
    not_before: datetime | None
    issued_at: datetime | None
    jwt_id: str | None
    expires_in: float | None
    never_expires: bool
    custom: Mapping[str, Any]

    def __init__(
        self,
        *,
        subject: str | None = None,
        issuer: str | None = None,
        audience: str | tuple[str, ...] | list[str] = (),
        expires_at: datetime | None = None,
        not_before: datetime | None = None,
        issued_at: datetime | None = None,
        jwt_id: str | None = None,
        expires_in: float | timedelta | None = None,
        **custom: object,
    ) -> None:
        # attrs makes this name for a class with an __init__ of its own
        self.__attrs_init__(
            subject=_text("subject", subject),
            issuer=_text("issuer", issuer),
            audience=_audience(audience),
            expires_at=_moment("expires_at", expires_at),
            not_before=_moment("not_before", not_before),
            issued_at=_moment("issued_at", issued_at),
            jwt_id=_text("jwt_id", jwt_id),
            expires_in=_ttl(expires_in),
            never_expires=False,
            custom=_custom(custom) if custom else _NOTHING,
        )

    @classmethod
    def new(cls) -> Self:
        """Return claims that say nothing yet."""
        return cls()

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """
        Return the claims of a payload, as RFC 7519 spells it.

        Raises TokenClaimInvalid for a registered claim of the wrong type: exp, nbf and iat are
        finite numbers from 0 on, sub, iss and jti texts, aud a text or a list of texts.
        """
        claims = cls.__new__(cls)
        audience = d.get("aud", ())
        if isinstance(audience, str):
            audience = (audience,)
        elif not isinstance(audience, list | tuple) or not all(
            isinstance(one, str) for one in audience
        ):
            raise _invalid("aud", "a text or a list of texts")
        custom = {
            name: value if type(value) in _SCALARS else _freeze(value, name, 1)
            for name, value in d.items()
            if name not in REGISTERED
        }
        # by position, in the order of the fields: this is the hot path of every verification
        claims.__attrs_init__(
            _read_text(d, "sub"),
            _read_text(d, "iss"),
            tuple(audience),
            _read_moment(d, "exp"),
            _read_moment(d, "nbf"),
            _read_moment(d, "iat"),
            _read_text(d, "jti"),
            None,
            False,
            MappingProxyType(custom),
        )
        return claims

    def with_subject(self, subject: str) -> Self:
        """Return them with `sub`: whom the token is about."""
        return self._with(subject=_text("subject", subject))

    def with_issuer(self, issuer: str) -> Self:
        """Return them with `iss`: who made the token."""
        return self._with(issuer=_text("issuer", issuer))

    def with_audience(self, *audience: str) -> Self:
        """Return them with `aud`: for whom the token is."""
        return self._with(audience=_audience(audience))

    def with_expires_in(self, seconds: float | timedelta) -> Self:
        """Return them with an `exp` so long after signing."""
        return self._with(expires_in=_ttl(seconds), expires_at=None, never_expires=False)

    def with_expires_at(self, moment: datetime) -> Self:
        """Return them with `exp`: from when on the token is refused."""
        moment_ = _moment("expires_at", moment)
        return self._with(expires_at=moment_, expires_in=None, never_expires=False)

    def with_not_before(self, moment: datetime) -> Self:
        """Return them with `nbf`: before when the token is refused."""
        return self._with(not_before=_moment("not_before", moment))

    def with_issued_at(self, moment: datetime) -> Self:
        """Return them with `iat`, where it is not the moment of signing."""
        return self._with(issued_at=_moment("issued_at", moment))

    def with_jwt_id(self, jwt_id: str) -> Self:
        """Return them with `jti`: the token's own id."""
        return self._with(jwt_id=_text("jwt_id", jwt_id))

    def with_claim(self, name: str, value: object) -> Self:
        """Return them with a custom claim; ClaimReserved for a registered name, ClaimNotJson."""
        return self._with(custom=MappingProxyType({**self.custom, **_custom({name: value})}))

    def without_expiry(self) -> Self:
        """Return them without `exp`, on purpose: the signer adds none."""
        return self._with(expires_at=None, expires_in=None, never_expires=True)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a claim by its name in the token ("sub", "scope"), or *default*."""
        if name in REGISTERED:
            return self._registered().get(name, default)
        return self.custom.get(name, default)

    def __getitem__(self, name: str) -> Any:
        """Return a claim by its name in the token; KeyError for none."""
        return self._registered()[name] if name in REGISTERED else self.custom[name]

    def to_dict(self) -> dict[str, Any]:
        """Return the payload as RFC 7519 spells it, in fresh lists and dicts."""
        return {**self._registered(), **{name: _thaw(value) for name, value in self.custom.items()}}

    def _registered(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.issuer is not None:
            found["iss"] = self.issuer
        if self.subject is not None:
            found["sub"] = self.subject
        if self.audience:
            found["aud"] = self.audience[0] if len(self.audience) == 1 else list(self.audience)
        if self.expires_at is not None:
            found["exp"] = _number(self.expires_at)
        if self.not_before is not None:
            found["nbf"] = _number(self.not_before)
        if self.issued_at is not None:
            found["iat"] = _number(self.issued_at)
        if self.jwt_id is not None:
            found["jti"] = self.jwt_id
        return found

    def _with(self, **changes: object) -> Self:
        names = [field.name for field in attrs.fields(type(self))]
        values = {name: getattr(self, name) for name in names} | changes
        changed = type(self).__new__(type(self))
        changed.__attrs_init__(**values)
        return changed


def _text(what: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    msg = f"{what} is a text, not {type(value).__name__}"
    raise BadArgument(msg)


def _audience(value: object) -> tuple[str, ...]:
    many = (value,) if isinstance(value, str) else value
    if isinstance(many, list | tuple) and all(isinstance(one, str) for one in many):
        return tuple(many)
    msg = "an audience is a text or several"
    raise BadArgument(msg)


def _moment(what: str, value: object) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo is not None and value.timestamp() >= 0:
        return value
    msg = f"{what} is a datetime with a time zone, since 1970"
    raise BadArgument(msg)


def _ttl(value: object) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        msg = f"expires_in is seconds or a timedelta, not {type(seconds).__name__}"
        raise BadArgument(msg)
    if not (math.isfinite(seconds) and seconds > 0):
        msg = f"expires_in is more than 0 seconds, not {seconds}"
        raise BadArgument(msg)
    return float(seconds)


def _custom(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return custom claims frozen; ClaimReserved or ClaimNotJson names the claim."""
    frozen = {}
    for name, value in values.items():
        if name in REGISTERED:
            msg = f"{name} is a registered claim: it has a method of its own"
            raise ClaimReserved(msg, claim=name)
        frozen[name] = value if type(value) in _SCALARS else _freeze(value, name, 1)
        if not isinstance(name, str):
            msg = f"a claim's name is a text, not {type(name).__name__}"
            raise ClaimNotJson(msg)
    return MappingProxyType(frozen)


def _freeze(value: Any, claim: str, depth: int) -> Any:
    """Return a JSON value that nobody can change any more."""
    if isinstance(value, _SCALARS) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth <= _DEEPEST:
        if isinstance(value, list | tuple):
            return tuple(_freeze(item, claim, depth + 1) for item in value)
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            items = {key: _freeze(item, claim, depth + 1) for key, item in value.items()}
            return MappingProxyType(items)
    msg = f"the claim {claim!r:.60} holds {type(value).__name__} that JSON cannot, or is too deep"
    raise ClaimNotJson(msg, claim=str(claim))


def _thaw(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_thaw(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _thaw(item) for key, item in value.items()}
    return value


def _number(moment: datetime) -> float:
    seconds = moment.timestamp()
    return int(seconds) if seconds == int(seconds) else seconds


def _read_text(d: Mapping[str, Any], name: str) -> str | None:
    value = d.get(name)
    if type(value) is str or (value is None and name not in d):
        return value
    raise _invalid(name, "a text")


def _read_moment(d: Mapping[str, Any], name: str) -> datetime | None:
    value = d.get(name)
    if value is None and name not in d:
        return None
    try:
        if type(value) in {int, float} and value >= 0:  # type: ignore[operator]  # bool is neither
            return datetime.fromtimestamp(value, UTC)  # type: ignore[arg-type]
    except (ValueError, OverflowError, OSError):
        pass  # no number of seconds up to the year 9999: refused below like any other
    raise _invalid(name, "a number of seconds since 1970, before the year 10000")


def _invalid(name: str, wanted: str) -> TokenClaimInvalid:
    msg = f"the claim {name} is not {wanted}"
    return TokenClaimInvalid(msg, claim=name)
