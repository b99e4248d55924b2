"""Bytes of no format."""

from __future__ import annotations

import random

from hostile.makers import Made, Making
from hostile.pki import Pki

NONE = "no-signature|unreadable"


def make(pki: Pki) -> Making:
    del pki
    yield Made("empty", b"", NONE, "nothing")
    yield Made("zeros.json", b'[["\\u0000", 5000000]]', NONE, "5 MB of zeros", "recipe")
    yield Made("noise", random.Random(7).randbytes(4096), NONE, "noise")
    yield Made("spaces.json", b'[[" ", 15000000]]', NONE, "15 MB of spaces", "recipe")
    yield Made("dots.json", b'[["A.", 3000000]]', NONE, "three million dots, as of a JWS", "recipe")
    yield Made("pem.json", b'[["-----BEGIN CMS-----\\n", 1], ["A", 9000000]]', NONE, "PEM that never ends", "recipe")
    yield Made("pem", b"-----BEGIN CMS-----\nAAAA=AAA\n-----END CMS-----\n", NONE, "PEM of no base64")
    for name, start in {
        "pdf": b"%PDF-1.7",
        "zip": b"PK\x03\x04",
        "xml": b"<?xml",
        "der": b"\x30\x82",
        "json": b"{",
    }.items():
        content = start + random.Random(8).randbytes(2048)
        yield Made(f"noise-{name}", content, NONE, f"noise that begins as {name} does")
