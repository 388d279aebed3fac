"""Request ids, the access log, auth, CORS, security headers, rate limits, each by itself."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from opentelemetry import baggage
from starlette.responses import PlainTextResponse

from infra_errors import (
    AuthError,
    ConfigError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    UnavailableError,
)
from infra_http import current_request_id
from infra_http.middleware import (
    AccessLog,
    Capacity,
    Cors,
    Limits,
    Problems,
    RateLimit,
    RequestId,
    SecurityHeaders,
    Timeout,
)
from infra_http.propagation import current_idempotency_key
from infra_http.server import ServerBuilder
from infra_id import is_valid


async def ok(request):
    return "ok"


def app_with(configure=lambda builder: builder, handler=ok, **options):
    return configure(ServerBuilder("t").route("/", handler, **options)).build()


# ---- request ids ---------------------------------------------------------------------------------


async def test_a_request_id_is_a_new_ulid_and_a_callers_is_not_believed(ask):
    response = await ask(app_with(), "GET", "/", headers={"x-request-id": "r1"})
    assert is_valid("ulid", response.headers["x-request-id"])


async def test_one_request_id_is_in_the_log_the_context_and_the_baggage(ask, records):
    seen = []

    async def handler(request):
        seen.extend([current_request_id(), baggage.get_baggage("request.id")])
        return "ok"

    log = records("infra_http.access")
    app = app_with(lambda b: b.request_ids(trust=True), handler)
    response = await ask(app, "GET", "/", headers={"x-request-id": "r1"})
    assert ["r1"] * 4 == [response.headers["x-request-id"], *seen, log[0].request_id]
    assert (None, None) == (current_request_id(), baggage.get_baggage("request.id"))


@pytest.mark.parametrize("id", ["", "a b", "x" * 129, "a\u00e9", "a;b"])
async def test_a_trusted_request_id_must_still_look_like_one(ask, id):
    app = app_with(lambda b: b.request_ids("X-Id", trust=True))
    response = await ask(app, "GET", "/", headers={"x-id": id.encode("latin-1")})
    assert is_valid("ulid", response.headers["x-id"])


async def test_the_idempotency_key_can_be_read_below(ask):
    async def handler(request):
        return str(current_idempotency_key())

    response = await ask(app_with(handler=handler), "GET", "/", headers={"idempotency-key": "k"})
    assert "k" == response.text
    assert current_idempotency_key() is None


# ---- the access log ------------------------------------------------------------------------------


async def test_one_record_a_request_has_the_template_and_nothing_private(ask, records):
    log = records("infra_http.access")
    app = ServerBuilder("t").route("/users/{name}", ok).build()
    headers = {"authorization": "Bearer hunter2"}
    await ask(app, "GET", "/users/hunter2?token=hunter2", headers=headers)
    (record,) = log
    found = (record.method, record.route, record.status, record.bytes, record.client)
    assert ("GET", "/users/{name}", 200, 2, "127.0.0.1") == found
    assert record.duration_ms >= 0
    assert "hunter2" not in f"{record.getMessage()} {record.__dict__}"


async def test_errors_are_logged_with_the_status_they_became(ask, records):
    async def handler(request):
        raise NotFoundError("x")

    log = records("infra_http.access")
    await ask(app_with(handler=handler), "GET", "/")
    await ask(app_with(), "GET", "/none")
    assert [("/", 404), ("-", 404)] == [(record.route, record.status) for record in log]


async def test_health_checks_are_not_logged_and_the_level_switches_the_log_off(ask, records):
    log = records("infra_http.access")
    app = app_with(lambda b: b.health())
    await ask(app, "GET", "/health/live")
    logging.getLogger("infra_http.access").setLevel(logging.WARNING)
    await ask(app, "GET", "/")
    assert [] == log


# ---- auth ----------------------------------------------------------------------------------------


def authed(hook, **options):
    async def handler(request):
        return {"identity": request.state.identity, "scope": request.scope["infra.identity"]}

    return (
        ServerBuilder("t")
        .route("/", handler)
        .route("/open", ok, auth=False)
        .route("/excluded", ok)
        .health()
        .openapi()
        .auth(hook, exclude=("/excluded",), **options)
        .build()
    )


async def test_the_hooks_identity_is_the_requests(ask):
    async def hook(request):
        return request.headers["authorization"]

    response = await ask(authed(hook), "GET", "/", headers={"authorization": "me"})
    assert {"identity": "me", "scope": "me"} == response.json()


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (AuthError("expired"), 401),
        (PermissionDeniedError("no"), 403),
        (RateLimitedError("slow"), 429),
        (UnavailableError("down"), 503),
        (NotFoundError("no such user"), 500),
        (KeyError("secret"), 500),
        (PermissionError("secret"), 500),
        (None, 401),
    ],
    ids=lambda it: type(it).__name__,
)
async def test_what_a_hook_raises_decides_and_its_faults_say_nothing(ask, raised, status):
    async def hook(request):
        if raised is not None:
            raise raised

    response = await ask(authed(hook, challenge='Bearer realm="x"'), "GET", "/")
    assert status == response.status_code
    assert "secret" not in response.text
    assert "no such user" not in response.text
    assert ('Bearer realm="x"' if status == 401 else None) == response.headers.get(
        "www-authenticate"
    )


async def test_open_routes_health_the_document_and_unknown_paths_ask_nobody(ask):
    async def hook(request):
        raise AssertionError("asked")

    app = authed(hook)
    for path in ("/open", "/excluded", "/health/live", "/health/ready", "/openapi.json"):
        assert 200 == (await ask(app, "GET", path)).status_code, path
    assert 404 == (await ask(app, "GET", "/none")).status_code
    assert 500 == (await ask(app, "GET", "/")).status_code


async def test_a_mounted_application_is_behind_the_hook_unless_excluded(ask):
    async def hook(request):
        raise AuthError("who")

    inner = PlainTextResponse("in")
    builder = (
        ServerBuilder("t").mount("/a", inner).mount("/b", inner).mount("/c", inner, auth=False)
    )
    app = builder.auth(hook, exclude=("/b",)).build()
    statuses = [(await ask(app, "GET", path)).status_code for path in ("/a/x", "/b/x", "/c/x")]
    assert [401, 200, 200] == statuses


async def test_a_web_socket_without_identity_is_refused(call):
    async def hook(connection):
        raise AuthError("who")

    async def handler(socket):
        raise AssertionError("reached")

    app = ServerBuilder("t").websocket("/", handler).auth(hook).build()
    sent = await call(app, [{"type": "websocket.connect"}], type="websocket", scheme="ws")
    assert [{"type": "websocket.close", "code": 1008}] == sent


# ---- CORS ----------------------------------------------------------------------------------------

ORIGIN = {"origin": "https://app.example"}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "PUT"}


async def test_a_preflight_is_answered_before_auth_and_limits(ask):
    async def hook(request):
        raise AssertionError("asked")

    app = app_with(lambda b: b.cors(["https://app.example"], methods=["PUT"]).auth(hook))
    response = await ask(app, "OPTIONS", "/", headers=PREFLIGHT)
    assert (204, b"") == (response.status_code, response.content)
    assert "https://app.example" == response.headers["access-control-allow-origin"]
    assert "PUT" == response.headers["access-control-allow-methods"]
    assert "600" == response.headers["access-control-max-age"]
    assert "origin" == response.headers["vary"]


async def test_another_origin_gets_no_permission(ask):
    app = app_with(lambda b: b.cors(["https://app.example"], credentials=True))
    for method, extra in (("GET", {}), ("OPTIONS", {"access-control-request-method": "PUT"})):
        response = await ask(app, method, "/", headers={"origin": "https://evil.example", **extra})
        names = [name for name in response.headers if name.startswith("access-control")]
        assert ([], "origin") == (names, response.headers["vary"])


async def test_an_own_origin_may_read_and_credentials_are_said(ask):
    app = app_with(lambda b: b.cors(["https://app.example"], credentials=True))
    headers = (await ask(app, "GET", "/", headers=ORIGIN)).headers
    assert ("https://app.example", "true") == (
        headers["access-control-allow-origin"],
        headers["access-control-allow-credentials"],
    )
    assert "X-Request-Id" in headers["access-control-expose-headers"]
    everyone = (await ask(app_with(lambda b: b.cors("*")), "GET", "/", headers=ORIGIN)).headers
    assert ("*", None) == (everyone["access-control-allow-origin"], everyone.get("vary"))


# ---- security headers ----------------------------------------------------------------------------


async def test_hsts_is_for_https_alone_and_headers_can_be_left_out(ask):
    app = app_with(lambda b: b.security_headers(x_frame_options=None, referrer_policy="origin"))
    plain = (await ask(app, "GET", "/")).headers
    assert (None, None, "origin") == (
        plain.get("strict-transport-security"),
        plain.get("x-frame-options"),
        plain["referrer-policy"],
    )
    secure = (await ask(app, "GET", "/", base_url="https://testserver")).headers
    assert "max-age=31536000; includeSubDomains" == secure["strict-transport-security"]


# ---- rate limits ---------------------------------------------------------------------------------


def decision(allowed):
    return SimpleNamespace(allowed=allowed, limit=5, remaining=-1, reset_after=1.2, retry_after=0.4)


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_decision_is_in_the_headers_and_a_no_is_429(ask, allowed):
    async def hook(request):
        return decision(allowed)

    response = await ask(app_with(lambda b: b.rate_limit(hook).health()), "GET", "/")
    names = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after")
    found = [response.headers.get(name) for name in names]
    assert (200 if allowed else 429) == response.status_code
    assert ["5", "0", "2", None if allowed else "1"] == found


async def test_before_and_after_auth_the_hook_sees_what_there_is(ask):
    order = []

    async def early(request):
        order.append(("early", "infra.identity" in request.scope))

    async def late(request):
        order.append(("late", request.scope["infra.identity"]))

    async def auth(request):
        order.append("auth")
        return "me"

    app = app_with(
        lambda b: b.rate_limit(late).rate_limit(early, before_auth=True).auth(auth).health()
    )
    await ask(app, "GET", "/")
    assert [("early", False), "auth", ("late", "me")] == order
    await ask(app, "GET", "/health/live")
    assert 3 == len(order)


# ---- alone ---------------------------------------------------------------------------------------


async def test_each_middleware_works_around_any_application(ask):
    async def hook(request):
        return decision(True)

    app = PlainTextResponse("plain")
    for factory, options in [
        (RequestId, {}),
        (AccessLog, {}),
        (Problems, {}),
        (Capacity, {"max_concurrency": 3}),
        (Limits, {}),
        (SecurityHeaders, {}),
        (Cors, {"origins": "*"}),
        (Timeout, {}),
        (RateLimit, {"hook": hook}),
    ]:
        response = await ask(factory(app, **options), "GET", "/")
        assert (200, "plain") == (response.status_code, response.text), factory


def test_a_wrong_option_is_refused_where_it_is_said():
    with pytest.raises(ConfigError):
        SecurityHeaders(PlainTextResponse(""), x_frame_options="a\r\nb")
