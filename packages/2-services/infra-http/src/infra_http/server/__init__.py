"""The server: an application from a builder, and what runs it.

>>> from infra_http.server import ServerBuilder
>>> async def hello(request):
...     return {"hello": request.path_params["name"]}
>>> app = ServerBuilder("greeter").route("/hello/{name}", hello).build()
>>> sorted(app.openapi()["paths"])
['/hello/{name}']

`run(app)` serves it; importing this loads neither uvicorn nor granian.
"""

from __future__ import annotations

from infra_http.server.app import ServerApp
from infra_http.server.builder import ServerBuilder
from infra_http.server.request import Request
from infra_http.server.run import run, serve
from infra_http.server.settings import ServerSettings

__all__ = ["Request", "ServerApp", "ServerBuilder", "ServerSettings", "run", "serve"]
