"""The semantic conventions that this package follows, pinned in one place.

`SCHEMA_URL` names their version. `METRICS` are the metrics that the dashboards show: each is
emitted by this package's middleware or, through the OpenTelemetry API, by a package beside it.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACTIVE_REQUESTS",
    "DURATION_BUCKETS",
    "ERROR_TYPE",
    "HTTP_METHODS",
    "METRICS",
    "REQUEST_DURATION",
    "REQUEST_ID",
    "SCHEMA_URL",
]

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.37.0"

ERROR_TYPE: Final = "error.type"
REQUEST_ID: Final = "request.id"  # a baggage key and a field of a log line

REQUEST_DURATION: Final = "http.server.request.duration"
ACTIVE_REQUESTS: Final = "http.server.active_requests"

# seconds, as the HTTP conventions advise
DURATION_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)

# RFC 9110, and PATCH of RFC 5789; any other method is told as _OTHER
HTTP_METHODS: Final = frozenset(
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
)

# name, and what Prometheus calls it
METRICS: Final = {
    REQUEST_DURATION: "http_server_request_duration_seconds",
    ACTIVE_REQUESTS: "http_server_active_requests",
    "http.client.request.duration": "http_client_request_duration_seconds",
    "db.client.operation.duration": "db_client_operation_duration_seconds",
    "db.client.connection.count": "db_client_connection_count",
}
