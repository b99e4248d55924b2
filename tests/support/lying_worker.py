"""A worker process that answers what its module file says: lies, and signatures with a key of its own.

The file is JSON: for each request's name an answer as text, or {"key": PATH} to sign with that key. What was asked is
written to the file beside it that ends in .asked: the request's name and how many codes came with it.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo

from drivers.pkcs11 import wire


def main(path: Path) -> None:
    requests, answers = io.FileIO(0), io.FileIO(os.dup(1), "wb")
    while (read := wire.read_request(requests)) is not None:
        request, codes = read
        name = str(type(request).__struct_config__.tag)
        with path.with_suffix(".asked").open("a") as asked:
            asked.write(f"{name} {len(codes)}\n")
        text = answer(json.loads(path.read_text())[name], request)
        answers.write(len(text).to_bytes(4) + b"\0" + text)


def answer(told: str | dict[str, str], request: wire.Request) -> bytes:
    if isinstance(told, str):
        return told.encode()
    assert isinstance(request, wire.Sign)
    key = serialization.load_pem_private_key(Path(told["key"]).read_bytes(), None)
    values = [key.sign(data, padding.PKCS1v15(), NoDigestInfo()) for data in request.data]
    return bytes(wire.write_frame(wire.Signatures(values))[wire.HEADER_LENGTH :])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
