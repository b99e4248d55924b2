"""The playground and the JavaScript client, served at http://localhost:PORT/ from the package's own files."""

from __future__ import annotations

from importlib import resources

from aiohttp import web

MEDIA_TYPES = {
    "index.html": "text/html",
    "cps-agent.js": "text/javascript",
    "playground.js": "text/javascript",
    "playground-dmp.js": "text/javascript",
    "playground-formats.js": "text/javascript",
    "playground-words.js": "text/javascript",
    "playground.css": "text/css",
    "icon.svg": "image/svg+xml",
}


def add_playground(app: web.Application) -> None:
    """Add the files to the routes; nothing outside this table is ever read."""
    for name in MEDIA_TYPES:
        path = "/" if name == "index.html" else f"/{name}"
        app.router.add_get(path, serve_file, name=f"file-{name.replace('.', '-')}")


async def serve_file(request: web.Request) -> web.Response:
    """Send one file of the table. The page calls 127.0.0.1, so that its Origin is sent like any page's."""
    name = request.path.lstrip("/") or "index.html"
    content = resources.files(__package__).joinpath("static", name).read_bytes()
    return web.Response(
        body=content,
        content_type=MEDIA_TYPES[name],
        charset="utf-8",
        headers={"Content-Security-Policy": _policy(request.url.port or 80)},
    )


def _policy(port: int) -> str:
    agent = f"http://127.0.0.1:{port} ws://127.0.0.1:{port}"
    return (
        f"default-src 'self'; connect-src 'self' {agent}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
