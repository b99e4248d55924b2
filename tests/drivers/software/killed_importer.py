"""A program that is killed before the first, the second … call to the file system; says how many deaths it survived.

Run with a folder of keys. It forks, so that nothing has to be imported again for each death.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from drivers.base import Deadline
from drivers.pin import Passphrase
from drivers.software.entries import Protection
from drivers.software.errors import SecretGoneError
from drivers.software.keys import PrivateKey
from drivers.software.store import SoftwareStore
from drivers.software.vault import WrappingKeys

STEPS = ("open", "write", "mkdir", "rename", "replace", "fsync", "unlink", "rmdir", "chmod")


class FolderKeys(WrappingKeys):
    """A key store that outlives the process; made before the killing begins, so that its own steps do not count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def get(self, name: str) -> bytearray | None:
        path = self.folder / name
        return bytearray(path.read_bytes()) if path.exists() else None

    def set(self, name: str, secret: bytearray) -> None:
        (self.folder / name).write_bytes(secret)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)


def die_at(step: int) -> None:
    """Have this process killed before its next step number so and so."""
    steps = count()

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def load(folder: Path, name: str) -> tuple[PrivateKey, bytes]:
    key = load_pem_private_key((folder / f"{name}.pem").read_bytes(), None)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return PrivateKey(bytearray(der)), (folder / f"{name}.der").read_bytes()


def words(text: str) -> Passphrase:
    return Passphrase(bytearray(text.encode()))


def main(folder: Path) -> int:
    (auth, auth_der), (seal, seal_der) = load(folder, "AUTH_CLI"), load(folder, "SIGN")
    wrapping = FolderKeys(folder / "secrets")
    base = SoftwareStore(folder / "base", wrapping)
    kept = base.add(auth, auth_der, (), None).id
    sealed = base.vault.seal(auth, Passphrase(bytearray(b"words")))  # once, since it takes a while
    operations: dict[str, Callable[[SoftwareStore], object]] = {
        "add": lambda store: store.adopt(store.vault.seal(seal, None), seal_der, (auth_der,)),
        "add again": lambda store: store.adopt(store.vault.seal(auth, None), auth_der, ()),
        "change": lambda store: store._replace_key(store._shelf.find(kept), sealed),
        "remove": lambda store: store.remove(kept),
    }
    return sum(survive(name, operation, base, kept) for name, operation in operations.items())


def survive(name: str, operation: Callable[[SoftwareStore], object], base: SoftwareStore, kept: str) -> int:
    """Kill at each step in turn until the operation comes to its end."""
    secrets = base.vault._wrapping
    for step in count():
        copies = [shutil.copytree(path, path.with_suffix(".copy")) for path in (base._shelf.path, secrets.folder)]
        store = SoftwareStore(copies[0], FolderKeys(copies[1]))
        child = os.fork()
        if not child:
            die_at(step)
            operation(store)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        check(store, kept, name)
        for copy in copies:
            shutil.rmtree(copy)
        if status == 0:
            return step
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise AssertionError


def check(store: SoftwareStore, kept: str, name: str) -> None:
    """Every entry that is there is whole, and opens; the one that was there still is, unless it was to be removed."""
    assert not store.list_damaged(), name
    entries = store.list_entries()
    assert kept in {entry.id for entry in entries} or name == "remove", name
    for entry in entries:
        words = Passphrase(bytearray(b"words")) if entry.protection is Protection.PASSPHRASE else None
        try:
            with store.open_key(entry.id, words, Deadline(20)) as key:
                assert key.load(trusted=True)
        except SecretGoneError:
            assert name == "remove"


if __name__ == "__main__":
    sys.stdout.write(str(main(Path(sys.argv[1]))))
