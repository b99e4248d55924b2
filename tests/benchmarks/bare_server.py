"""The least that can be done with aiohttp: one route that answers, and one that signs in a worker thread.

A program of its own, so that nothing but aiohttp is in it; python-pkcs11 only where it is to sign.
"""

import argparse
import asyncio
import base64

from aiohttp import web


async def read_status(_request):
    return web.json_response({"name": "bare"})


def make_signer(arguments):
    """A coroutine that signs with the key; `--login-each`: logged in for that signature alone."""
    import pkcs11  # noqa: PLC0415 - the server that only answers is to be bare

    token = pkcs11.lib(arguments.module).get_token(token_serial=arguments.serial.encode())
    wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.ID: bytes.fromhex(arguments.id)}

    def find(session):
        return next(iter(session.get_objects(wanted)))

    def sign_logged_in(data):
        with token.open(user_pin=arguments.pin) as session:
            return find(session).sign(data, mechanism=pkcs11.Mechanism.RSA_PKCS)

    kept = None if arguments.login_each else find(token.open(user_pin=arguments.pin))

    def sign(data):
        return kept.sign(data, mechanism=pkcs11.Mechanism.RSA_PKCS) if kept else sign_logged_in(data)

    async def handle(request):
        body = await request.json()
        prefix = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256 (RFC 8017 §9.2)
        signature = await asyncio.to_thread(sign, prefix + base64.b64decode(body["digest"]))
        return web.json_response({"signature": base64.b64encode(signature).decode()})

    return handle


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for name in ("--module", "--serial", "--pin", "--id"):
        parser.add_argument(name)
    parser.add_argument("--login-each", action="store_true")
    arguments = parser.parse_args()
    app = web.Application()
    app.router.add_get("/v1/status", read_status)
    if arguments.module:
        app.router.add_post("/sign", make_signer(arguments))
    web.run_app(app, host="127.0.0.1", port=arguments.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
