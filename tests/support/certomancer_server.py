"""Serve the test PKI by Certomancer's own application, on a free port of the loopback, until the input ends.

`python -m support.certomancer_server FOLDER`: FOLDER/keys has the keys; the certificates are written to FOLDER, and the
port is printed. A body sent to /mood/PATH says what happens at PATH from then on (see `misbehave`).
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import yaml
from aiohttp import web
from asn1crypto import pem
from certomancer.integrations.aiohttp_animator import build_animator_app
from certomancer.registry import CertLabel, CertomancerConfig

CONFIG = Path(__file__).with_name("certomancer.yml")
ARCH = "igc"
HUGE = 20 * 1024 * 1024
DRIP_S = 0.2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
moods: dict[str, str] = {}


async def set_mood(request: web.Request) -> web.Response:
    moods["/" + request.match_info["path"]] = (await request.read()).decode()
    return web.Response()


@web.middleware
async def misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
    """`hang`, `drip`, `redirect`, `huge`, `failing`, `nonsense`, or `as PATH`: what stands there, at another address."""
    mood = moods.get(request.path, "")
    if mood == "hang":
        await asyncio.sleep(3600)
    if mood == "drip":
        return await drip(request)
    if mood.startswith("as "):
        return await ask_elsewhere(request, mood.removeprefix("as "))
    answers = {
        "redirect": lambda: web.Response(status=302, headers={"Location": "/igc/ocsp/issuing"}),
        "huge": lambda: web.Response(body=bytes(HUGE)),
        "failing": lambda: web.Response(status=503),
        "nonsense": lambda: web.Response(body=b"\x30\x82" * 500),
    }
    return answers[mood]() if mood in answers else await handler(request)


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"\x30")
        await asyncio.sleep(DRIP_S)


async def ask_elsewhere(request: web.Request, path: str) -> web.Response:
    reader, writer = await asyncio.open_connection("127.0.0.1", request.url.port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return web.Response(body=answer.partition(b"\r\n\r\n")[2])


async def serve(folder: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = yaml.safe_load(CONFIG.read_text())
    config["external-url-prefix"] = f"http://127.0.0.1:{port}"
    archs = CertomancerConfig(config, key_search_dir=str(folder)).pki_archs
    for label in config["pki-architectures"][ARCH]["certs"]:
        certificate = archs[ARCH].get_cert(CertLabel(label))
        (folder / f"{label}.pem").write_bytes(pem.armor("CERTIFICATE", certificate.dump()))
    app = build_animator_app(archs, with_web_ui=False)
    app.middlewares.insert(0, misbehave)
    app.router.add_post("/mood/{path:.*}", set_mood)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
