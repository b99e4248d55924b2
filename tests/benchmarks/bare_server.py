"""The least that can be done with aiohttp: one route that answers, and one that signs in a worker thread.

A program of its own, so that nothing but aiohttp is in it; python-pkcs11 only where it is to sign.
"""

import argparse
import asyncio
import base64
import concurrent.futures

from aiohttp import web


async def read_status(_request):
    return web.json_response({"name": "bare"})


def make_signer(arguments):
    """A coroutine that signs with the key, by one worker thread."""
    sign, thread = choose_way(arguments), concurrent.futures.ThreadPoolExecutor(1)

    async def handle(request):
        body = await request.json()
        digest = base64.b64decode(body["digest"])
        signature = await asyncio.get_running_loop().run_in_executor(thread, sign, digest)
        return web.json_response({"signature": base64.b64encode(signature).decode()})

    return handle


def choose_way(arguments):
    """With the session kept; `--login-each`: logged in for that signature alone; `--journal`: checked and noted too."""
    import pkcs11  # noqa: PLC0415 - the server that only answers is to be bare

    token = pkcs11.lib(arguments.module).get_token(token_serial=arguments.serial.encode())
    key_id = bytes.fromhex(arguments.id)

    def find(session, kind):
        return next(iter(session.get_objects({pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.ID: key_id})))

    def sign_with(key, digest):
        prefix = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256 (RFC 8017 §9.2)
        return key.sign(prefix + digest, mechanism=pkcs11.Mechanism.RSA_PKCS)

    def sign_logged_in(digest):
        with token.open(user_pin=arguments.pin) as session:
            return sign_with(find(session, pkcs11.ObjectClass.PRIVATE_KEY), digest)

    if arguments.journal:
        with token.open() as session:
            certificate = find(session, pkcs11.ObjectClass.CERTIFICATE)[pkcs11.Attribute.VALUE]
        return checked_and_noted(sign_logged_in, certificate, arguments.journal)
    if arguments.login_each:
        return sign_logged_in
    kept = find(token.open(user_pin=arguments.pin), pkcs11.ObjectClass.PRIVATE_KEY)
    return lambda digest: sign_with(kept, digest)


def checked_and_noted(sign, certificate, path):
    """Each signature is verified, and an entry is on the disk before it leaves."""
    import sqlite3  # noqa: PLC0415

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, utils  # noqa: PLC0415

    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE journal (what TEXT);")
    public, hashed = x509.load_der_x509_certificate(certificate).public_key(), utils.Prehashed(hashes.SHA256())

    def run(digest):
        signature = sign(digest)
        public.verify(signature, digest, padding.PKCS1v15(), hashed)
        database.execute("INSERT INTO journal VALUES ('sign')")
        return signature

    return run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for name in ("--module", "--serial", "--pin", "--id", "--journal"):
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
