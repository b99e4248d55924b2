"""A proxy that has nothing but aiohttp: plain HTTP in, TLS with a key in a file out. No gate, no journal, no person."""

from __future__ import annotations

import argparse
import ssl

from aiohttp import ClientSession, TCPConnector, web

CLIENT = web.AppKey("client", ClientSession)
PIECE = 64 * 1024


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service", required=True, help="https://host:port")
    parser.add_argument("--key", required=True, help="PEM of key and certificate")
    parser.add_argument("--authority", required=True, help="certificate in DER that the server's leads to")
    chosen = parser.parse_args()
    web.run_app(make_app(chosen), host="127.0.0.1", port=chosen.port, print=None, access_log=None)


def make_app(chosen: argparse.Namespace) -> web.Application:
    """Everything goes to the service."""
    context = ssl.create_default_context()
    with open(chosen.authority, "rb") as file:  # noqa: PTH123 - as small as it gets
        context.load_verify_locations(cadata=file.read())
    context.load_cert_chain(chosen.key)

    async def keep_client(app: web.Application) -> object:
        app[CLIENT] = ClientSession(connector=TCPConnector(ssl=context, limit=8), auto_decompress=False)
        yield
        await app[CLIENT].close()

    async def forward(request: web.Request) -> web.StreamResponse:
        body = request.content.iter_any() if request.body_exists else None
        url = chosen.service + request.raw_path
        async with request.app[CLIENT].request(request.method, url, data=body, allow_redirects=False) as answer:
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            response.content_length = answer.content_length
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response

    app = web.Application()
    app.cleanup_ctx.append(keep_client)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


if __name__ == "__main__":
    main()
