"""The JSON interface: strict bodies in, plain representations out."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from benchmark_exchange.domain.benchmark import Benchmark, BenchmarkStatus
from benchmark_exchange.domain.errors import InvalidEntity, NotSignedIn, UnknownField, invalid
from benchmark_exchange.domain.ids import SubmissionId, UserId
from benchmark_exchange.domain.leaderboard import Board, Leaderboard, Per
from benchmark_exchange.domain.model import ModelRef
from benchmark_exchange.domain.submission import Counts, NewSubmission, Submission
from benchmark_exchange.resources import Resources
from infra_errors import Secret, ValidationError
from infra_http import json_response
from infra_json import JsonValue, canonicalize, loads

__all__ = ["MAX_BODY", "Api", "board_of", "etag_of", "is_known", "page_of", "status_of"]

MAX_BODY = 64 * 1024
MAX_DEPTH = 32
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "version": str,
    "score": (int, float),
    "standard_error": (int, float),
    "n": int,
    "counts": dict,
    "artifact_sha256": str,
    "visibility": str,
}
_KINDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    (int, float): "a number",
    float: "a fraction",
    dict: "an object",
    list: "a list",
    bool: "a truth value",
    type(None): "null",
}
_REQUIRED = ("model", "score", "artifact_sha256")
_COUNTS = ("wins", "losses", "draws")


class Api:
    """The handlers; the administrator's token is the one credential of this cut."""

    def __init__(self, resources: Resources, token: Secret[str], administrator: UserId) -> None:
        self._resources = resources
        self._token = token
        self._administrator = administrator

    async def list_benchmarks(self, request: Request) -> Response:
        """GET /v1/benchmarks?status=&category=&limit=&cursor="""
        limit, cursor = page_of(request)
        page = await self._resources.catalogue.list(
            status=status_of(request),
            category=request.query_params.get("category"),
            limit=limit,
            cursor=cursor,
        )
        items = [_benchmark(benchmark) for benchmark in page.items]
        return json_response({"items": items, "next_cursor": page.next_cursor})

    async def get_benchmark(self, request: Request) -> Response:
        """GET /v1/benchmarks/{slug}?version="""
        version = _number(request, "version")
        benchmark = await self._resources.catalogue.get(
            request.path_params["slug"], version=version
        )
        headers = {"ETag": f'"v{benchmark.version.number}"'}
        return json_response(_benchmark(benchmark), headers=headers)

    async def submit(self, request: Request) -> Response:
        """POST /v1/benchmarks/{slug}/submissions with Idempotency-Key"""
        self._sign_in(request)
        key = request.headers.get("idempotency-key", "")
        if not 1 <= len(key) <= 255:
            message = "the header Idempotency-Key is needed: 1 to 255 characters of your choice"
            raise ValidationError(message, code="exchange.idempotency_key")
        body = await _json_body(request)
        new = _new_submission(body, self._administrator)
        slug = request.path_params["slug"]
        digest = sha256(canonicalize([slug.lower(), body])).hexdigest()
        made = await self._resources.submissions.submit(slug, new, key=key, body_sha256=digest)
        address = f"/v1/submissions/{made.id}"
        answer = {"id": made.id, "state": made.state, "findings": made.findings}
        links = {
            "self": address,
            "leaderboard": f"/v1/benchmarks/{made.benchmark_slug}/leaderboard",
        }
        return json_response({**answer, "links": links}, status=202, headers={"Location": address})

    async def get_submission(self, request: Request) -> Response:
        """GET /v1/submissions/{id}"""
        id = SubmissionId.parse(request.path_params["id"])
        shown = await self._resources.submissions.get(id, viewer_is_admin=self._is_admin(request))
        return json_response(_submission(shown))

    async def get_events(self, request: Request) -> Response:
        """GET /v1/submissions/{id}/events"""
        id = SubmissionId.parse(request.path_params["id"])
        admin = self._is_admin(request)
        events = await self._resources.submissions.history(id, viewer_is_admin=admin)
        items = [{"kind": e.kind, "at": e.at, "by": e.by, "detail": e.detail} for e in events]
        return json_response({"items": items, "next_cursor": None})

    async def get_leaderboard(self, request: Request) -> Response:
        """GET /v1/benchmarks/{slug}/leaderboard?version=&board=&per=&limit="""
        board = await board_of(request, self._resources)
        tag = etag_of(board)
        headers = {"ETag": tag, "Cache-Control": "public, max-age=0, must-revalidate"}
        if is_known(request, tag):
            return Response(status_code=304, headers=headers)
        return json_response(_leaderboard(board), headers=headers)

    def _is_admin(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and Secret(given.strip()) == self._token

    def _sign_in(self, request: Request) -> None:
        if not self._is_admin(request):
            message = "this call needs the administrator's token, sent as a bearer token"
            raise NotSignedIn(message)


async def board_of(request: Request, resources: Resources) -> Leaderboard:
    """Return the board that a request's address names."""
    query = request.query_params
    per = query.get("per", Per.MODEL.value)
    if per not in list(Per):
        message = f"per is {', '.join(Per)}, not {per[:64]!r}"
        raise invalid("board", message)
    limit = _number(request, "limit")
    return await resources.boards.leaderboard(
        request.path_params["slug"],
        version=_number(request, "version"),
        board=Board(query.get("board", "accepted")),
        per=Per(per),
        limit=250 if limit is None else limit,
    )


def etag_of(board: Leaderboard) -> str:
    """Return the tag of a board's content: it changes with the revision, and with what is shown."""
    shown = f"{board.version}:{board.board.name}:{board.per}:{len(board.entries)}:{board.revision}"
    return f'"{sha256(shown.encode()).hexdigest()[:20]}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether If-None-Match names the tag (RFC 9110, 13.1.2: compared weakly, `*` is any)."""
    given = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    return "*" in given or tag in [part.removeprefix("W/") for part in given]


def page_of(request: Request) -> tuple[int, str | None]:
    """Return `limit` (50 when not given) and `cursor` of a list's address."""
    limit = _number(request, "limit")
    return 50 if limit is None else limit, request.query_params.get("cursor")


def status_of(request: Request) -> BenchmarkStatus | None:
    """Return the status that a list is asked for, None for all."""
    text = request.query_params.get("status", "")
    if not text:
        return None
    if text not in list(BenchmarkStatus):
        message = f"status is {', '.join(BenchmarkStatus)}, not {text[:64]!r}"
        raise invalid("status", message)
    return BenchmarkStatus(text)


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) <= 9):
        message = f"{name} is a whole number, not {text[:64]!r}"
        raise InvalidEntity(message, code=f"exchange.invalid_{name}")
    return int(text)


async def _json_body(request: Request) -> dict[str, JsonValue]:
    """Return the body's object; the server refuses a longer one while it arrives."""
    value = loads(await request.body(), max_depth=MAX_DEPTH)
    if not isinstance(value, dict):
        message = "the body is a JSON object"
        raise invalid("submission", message)
    return value


def _new_submission(body: dict[str, JsonValue], submitter: UserId) -> NewSubmission:
    _check_fields("submission", body, _FIELDS)
    fields = {name: value for name, value in body.items() if value is not None}
    if missing := [name for name in _REQUIRED if name not in fields]:
        message = f"a submission needs {', '.join(missing)}"
        raise invalid("submission", message)
    values: dict[str, Any] = dict(fields)
    model = ModelRef(values.pop("model"), values.pop("version", ""))
    counts = values.pop("counts", None)
    if counts is not None:
        _check_fields("counts", counts, dict.fromkeys(_COUNTS, int))
        counts = {name: value for name, value in counts.items() if value is not None}
        if "wins" not in counts or "losses" not in counts:
            message = "counts needs wins and losses"
            raise invalid("submission", message)
    if values.get("visibility", "public") not in {"public", "private"}:
        message = "visibility is public or private"
        raise invalid("submission", message)
    return NewSubmission(
        model=model,
        submitter=submitter,
        counts=Counts(**counts) if counts else None,
        details=body,
        **values,
    )


def _check_fields(what: str, fields: dict[str, Any], known: dict[str, Any]) -> None:
    for name, value in fields.items():
        if name not in known:
            message = f"{what} has no field {name[:64]!r}; it has {', '.join(known)}"
            raise UnknownField(message)
        if value is None:
            continue  # as good as left out
        if not isinstance(value, known[name]) or isinstance(value, bool):
            message = f"{name} is {_KINDS[known[name]]}, not {_KINDS[type(value)]}"
            raise invalid("submission", message)


def _benchmark(benchmark: Benchmark) -> dict[str, Any]:
    version = benchmark.version
    return {
        "id": benchmark.id,
        "slug": benchmark.slug,
        "status": benchmark.status,
        "category": benchmark.category,
        "version": version.number,
        "title": version.title,
        "description": version.description,
        "metric": version.metric,
        "created_at": benchmark.created_at,
        "links": {"leaderboard": f"/v1/benchmarks/{benchmark.slug}/leaderboard"},
    }


def _submission(shown: Submission) -> dict[str, Any]:
    return {
        "id": shown.id,
        "benchmark": shown.benchmark_slug,
        "model": shown.model,
        "score": shown.score,
        "standard_error": shown.standard_error,
        "n": shown.n,
        "counts": shown.counts,
        "state": shown.state,
        "visibility": shown.visibility,
        "source_mode": shown.source_mode,
        "artifact_sha256": shown.artifact_sha256,
        "findings": shown.findings,
        "created_at": shown.created_at,
        "links": {"events": f"/v1/submissions/{shown.id}/events"},
    }


def _leaderboard(board: Leaderboard) -> dict[str, Any]:
    return {
        "benchmark": board.benchmark,
        "version": board.version,
        "board": board.board.name,
        "per": board.per,
        "revision": board.revision,
        "published_at": board.published_at,
        "confidence": board.metric.confidence,
        "total": board.total,
        "entries": [
            {
                "rank": entry.rank,
                "rank_high": entry.rank_high,
                "model": entry.model,
                "score": entry.score,
                "standard_error": entry.standard_error,
                "ci": [entry.ci_low, entry.ci_high],
                "n": entry.n,
                "state": entry.state,
                "attempts": entry.attempts,
                "submission": entry.submission,
            }
            for entry in board.entries
        ],
    }
