"""A service that the tests of signals start: `python service.py '{"server": "uvicorn", …}'`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys

from infra_http.server import ServerBuilder, run

OPTIONS = json.loads(sys.argv[1])  # a worker gets its parent's arguments
logging.basicConfig(level="INFO", format="%(name)s: %(message)s")  # in each worker too
logging.getLogger("infra_http.access").setLevel("WARNING")
DELAY, TIMEOUT = OPTIONS.get("drain", [0, 20])


async def work(request):
    await asyncio.sleep(0.02)
    return {"pid": os.getpid()}


async def forever(request):
    await asyncio.sleep(3600)


async def stubborn(request):
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass


class Broken:
    async def __aenter__(self):
        raise RuntimeError("no database")

    async def __aexit__(self, *_):
        pass


builder = (
    ServerBuilder("service")
    .route("/", work)
    .route("/forever", forever, timeout=None)
    .route("/stubborn", stubborn, timeout=None)
    .health()
    .drain(DELAY, TIMEOUT)
)
if OPTIONS.get("broken"):
    builder.lifespan(Broken())
app = builder.build()

if __name__ == "__main__":
    workers = OPTIONS.get("workers", 1)
    target = "service:app" if workers > 1 else app
    sys.exit(run(target, server=OPTIONS["server"], port=0, workers=workers))
