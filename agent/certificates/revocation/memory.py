"""What was learned of revocations, in memory and in one file: known again at once after a restart."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import msgspec

from agent.access.errors import StoreError
from agent.access.folder import secure_folder, write_private
from agent.certificates.revocation.verdict import NOT_CHECKED, Verdict

log = logging.getLogger(__name__)

FILE = "verdicts.json"
MAX_KEPT = 256
MAX_YEAR = 9999
MAX_FILE = 256 * 1024


class Verdicts:
    """The last word on each certificate, by the SHA-256 of its DER, the latest told last; the oldest are forgotten."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._kept: dict[str, Verdict] = {}

    def load(self) -> None:
        """Read the file. One that cannot be understood is dropped: all is asked anew."""
        try:
            with self._file.open("rb") as file:
                content = file.read(MAX_FILE + 1)
            kept = msgspec.json.decode(content, type=dict[str, Verdict])
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:  # ValueError: too long as well, since it is cut
            log.warning("what was known of revocations cannot be read and is asked anew: %s", error)
            return
        sound = [(key, verdict) for key, verdict in kept.items() if _is_sound(verdict)]
        self._kept = dict(sound[-MAX_KEPT:])

    def find(self, certificate_der: bytes) -> Verdict:
        """The last word, or NOT_CHECKED."""
        return self._kept.get(_key(certificate_der), NOT_CHECKED)

    def put(self, certificate_der: bytes, verdict: Verdict) -> None:
        """Keep a verdict in memory."""
        self._kept.pop(_key(certificate_der), None)
        self._kept[_key(certificate_der)] = verdict
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]

    def save(self) -> None:
        """Write the file, whole or not at all; a disk that is full is said in the log. Blocks."""
        try:
            secure_folder(self._file.parent)
            write_private(self._file, msgspec.json.encode(self._kept).decode("ascii"))
        except StoreError as error:
            log.warning("what is known of revocations cannot be kept: %s", error)

    def forget(self) -> int:
        """Know nothing any more, and keep nothing of it: raw answers neither. Gives how many were known.

        Blocks. Raises StoreError.
        """
        count = len(self._kept)
        self._kept.clear()
        try:
            for file in self._file.parent.glob("*") if self._file.parent.is_dir() else ():
                file.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{error.filename} cannot be removed: {error.strerror}") from error
        return count


def _is_sound(verdict: Verdict) -> bool:
    """Whether its moments are some that can be reckoned with."""
    moments = (verdict.produced_at, verdict.next_update, verdict.revoked_at)
    return all(each is None or (each.tzinfo is not None and 1 < each.year < MAX_YEAR) for each in moments)


def _key(certificate_der: bytes) -> str:
    return hashlib.sha256(certificate_der).hexdigest()
