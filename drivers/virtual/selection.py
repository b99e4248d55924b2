"""SELECT, READ BINARY and UPDATE BINARY (ISO 7816-4 §11.2, §11.3) over the files of a card."""

from __future__ import annotations

from drivers.virtual.apdu import Command
from drivers.virtual.files import SCB_ALWAYS, SCB_USER, DedicatedFile, ElementaryFile
from drivers.virtual.pkcs15 import MF
from drivers.virtual.status import (
    SW_FILE_NOT_FOUND,
    SW_NO_CURRENT_EF,
    SW_SECURITY_NOT_SATISFIED,
    SW_WRONG_LE,
    SW_WRONG_LENGTH,
    SW_WRONG_OFFSET,
    SW_WRONG_P1P2,
    StatusError,
)

P1_BY_FID, P1_EF_UNDER_DF, P1_PARENT, P1_BY_AID, P1_BY_PATH = 0x00, 0x02, 0x03, 0x04, 0x09
P2_FCP, P2_NOTHING = 0x04, 0x0C
SFI_FLAG, SFI_MASK = 0x80, 0x1F


class Selection:
    """The current DF and EF."""

    def __init__(self, root: DedicatedFile) -> None:
        self._root = root
        self.current_df = root
        self._current_ef: ElementaryFile | None = None

    @property
    def at_root(self) -> bool:
        """Whether the MF is the current DF."""
        return self.current_df is self._root

    def reset(self) -> None:
        """Select the MF, as power-on does."""
        self.current_df, self._current_ef = self._root, None

    def select(self, command: Command) -> bytes:
        """A4: give the FCP for P2=04, nothing for P2=0C. A genuine CPS3 refuses P2=00 (6A86)."""
        if command.p2 not in (P2_FCP, P2_NOTHING):
            raise StatusError(SW_WRONG_P1P2)
        found = self._find(command.p1, command.data)
        if found is None:
            raise StatusError(SW_FILE_NOT_FOUND)
        self._make_current(found)
        return found.fcp() if command.p2 == P2_FCP else b""

    def read(self, command: Command, *, user: bool) -> bytes:
        """B0: a wrong Le is answered 6Cxx with the right one (ISO 7816-3 §12.2.3)."""
        file, offset = self._addressed(command)
        _require(file.read, user=user)
        available = len(file.content) - offset
        if available <= 0:
            raise StatusError(SW_WRONG_OFFSET)
        if command.expected > available:
            raise StatusError(SW_WRONG_LE | available)
        return file.content[offset : offset + command.expected]

    def update(self, command: Command, *, user: bool) -> ElementaryFile:
        """D6: overwrite within the file, and give the file."""
        file, offset = self._addressed(command)
        _require(file.update, user=user)
        end = offset + len(command.data)
        if not command.data:
            raise StatusError(SW_WRONG_LENGTH)
        if end > len(file.content):
            raise StatusError(SW_WRONG_OFFSET)
        file.content = file.content[:offset] + command.data + file.content[end:]
        return file

    def _find(self, p1: int, data: bytes) -> ElementaryFile | DedicatedFile | None:
        if p1 == P1_PARENT:
            return self.current_df.parent if not data else None
        if p1 == P1_BY_AID:
            return next((df for df in self._root.walk() if df.aid == data), None) if data else None
        if p1 == P1_BY_PATH:
            return self._follow(data)
        if p1 == P1_BY_FID:
            return self._by_fid(data)
        if p1 == P1_EF_UNDER_DF:
            return self._ef_under_df(data)
        raise StatusError(SW_WRONG_P1P2)

    def _by_fid(self, data: bytes) -> ElementaryFile | DedicatedFile | None:
        """The MF (also for an empty field), the current DF itself, or a child of it."""
        fid = _fid(data) if data else MF
        if fid == MF:
            return self._root
        return self.current_df if fid == self.current_df.fid else self.current_df.find(fid)

    def _ef_under_df(self, data: bytes) -> ElementaryFile | DedicatedFile | None:
        """An EF of the current DF; the MF too, as terminals select it this way."""
        fid = _fid(data)
        found = self._root if fid == MF else self.current_df.find(fid)
        return None if isinstance(found, DedicatedFile) and found is not self._root else found

    def _follow(self, data: bytes) -> ElementaryFile | DedicatedFile | None:
        """A path from the MF when it begins with 3F00, else from the current DF."""
        if not data or len(data) % 2:
            raise StatusError(SW_WRONG_LENGTH)
        fids = [_fid(data[i : i + 2]) for i in range(0, len(data), 2)]
        here: ElementaryFile | DedicatedFile | None = self.current_df
        if fids[0] == MF:
            here, fids = self._root, fids[1:]
        for fid in fids:
            here = here.find(fid) if isinstance(here, DedicatedFile) else None
        return here

    def _make_current(self, found: ElementaryFile | DedicatedFile) -> None:
        if isinstance(found, DedicatedFile):
            self.current_df, self._current_ef = found, None
        else:
            self.current_df = next(df for df in self._root.walk() if found in df.elementary_files())
            self._current_ef = found

    def _addressed(self, command: Command) -> tuple[ElementaryFile, int]:
        """The file and offset that P1-P2 mean: a short identifier makes its file the current one."""
        if command.p1 & SFI_FLAG:
            sfi = command.p1 & SFI_MASK
            found = next((ef for ef in self.current_df.elementary_files() if ef.sfi == sfi and sfi), None)
            if found is None:
                raise StatusError(SW_FILE_NOT_FOUND)
            self._current_ef = found
            return found, command.p2
        if self._current_ef is None:
            raise StatusError(SW_NO_CURRENT_EF)
        return self._current_ef, command.p1p2


def _fid(data: bytes) -> int:
    if len(data) != 2:
        raise StatusError(SW_WRONG_LENGTH)
    return int.from_bytes(data)


def _require(condition: int, *, user: bool) -> None:
    """Raise StatusError(6982) unless the security condition byte is met; secure messaging never is."""
    if condition != SCB_ALWAYS and not (condition == SCB_USER and user):
        raise StatusError(SW_SECURITY_NOT_SATISFIED)
