"""A program that imports a PKCS#12 file, signs with its key, changes the passphrase, and then waits to be looked into.

Run with the file and a folder; reads the passphrase from its standard input, into buffers that it wipes.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from drivers.base import Deadline, Digest
from drivers.pin import Passphrase
from drivers.software.errors import WrappingUnavailableError
from drivers.software.importing import read_key_files
from drivers.software.store import SoftwareStore
from drivers.software.token import PassphraseToken, open_tokens
from drivers.software.vault import WrappingKeys


class NoKeys(WrappingKeys):
    """No key store."""

    def get(self, name: str) -> bytearray | None:
        raise WrappingUnavailableError(name)

    def set(self, name: str, secret: bytearray) -> None:
        raise WrappingUnavailableError(name)

    def delete(self, name: str) -> None:
        raise WrappingUnavailableError(name)


def read_words() -> bytearray:
    words = bytearray(200)
    length = os.readv(0, [words])
    return words[:length]


def main(file: Path, folder: Path) -> None:
    given = read_words()
    phrases = [Passphrase(given[:]) for _ in range(6)]
    store = SoftwareStore(folder, NoKeys())
    with read_key_files([file.read_bytes()], phrases[0]) as imported:
        for item in imported.items:
            store.add(item.key, item.certificate_der, item.chain_der, phrases[1])
    (token,) = open_tokens(store)
    assert isinstance(token, PassphraseToken)
    assert token.sign(token.keys[0], [Digest("sha256", bytes(32))], phrases[2], Deadline(20))
    token.change_pin(phrases[3], phrases[4], Deadline(20))
    token.verify_pin(phrases[5], Deadline(20))
    for secret in (*phrases, Passphrase(given)):
        secret.wipe()
    gc.collect()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write("done\n")
    sys.stdout.flush()
    sys.stdin.read()
