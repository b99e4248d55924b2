"""The e-CPS that were used on this workstation: whose, and when. No token and nothing secret is kept of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from agent.access.clock import Clock, utc_now
from agent.access.database import Database

if TYPE_CHECKING:
    from agent.certificates.means import ECpsRecord

MAX_PERSONS: Final = 500
"""As of cards: those used last are kept, and the rows' order counts, no clock."""
FRESH: Final = timedelta(days=365)
"""For how long a login shows that the e-CPS works."""
LONG_AGO: Final = "used-long-ago"

SAVE = "INSERT OR REPLACE INTO e_cps (national_id, test, family_name, given_name, used_at) VALUES (?, ?, ?, ?, ?)"
PRUNE = "DELETE FROM e_cps WHERE rowid NOT IN (SELECT rowid FROM e_cps ORDER BY rowid DESC LIMIT ?)"
LOAD = "SELECT national_id, test, family_name, given_name, used_at FROM e_cps ORDER BY national_id, test"

Row = tuple[str, int, str | None, str | None, int]


@dataclass(frozen=True, slots=True)
class ECpsHolder:
    """Who has logged in with an e-CPS, as the issuer names them; `test`: with an issuer that is not in production."""

    national_id: str
    family_name: str | None
    given_name: str | None
    test: bool


class UsedECps:
    """The memory, in the agent's database."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def note(self, holder: ECpsHolder) -> None:
        """Remember that this person has just used theirs. Raises StoreError."""
        at = int(self._clock().timestamp() * 1000)
        row = (holder.national_id, holder.test, holder.family_name, holder.given_name, at)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(SAVE, row)
            connection.execute(PRUNE, (MAX_PERSONS,))

        await self._database.run(write)

    async def list(self) -> tuple[ECpsRecord, ...]:
        """Everybody who is remembered; a row that was damaged is left out. Raises StoreError."""
        rows = await self._database.run(lambda connection: connection.execute(LOAD).fetchall())
        now = self._clock()
        return tuple(record for row in rows for record in _read(row, now))

    async def forget(self) -> int:
        """Forget all of them. Gives how many there were; raises StoreError."""
        return await self._database.run(lambda connection: connection.execute("DELETE FROM e_cps").rowcount)


def _read(row: Row, now: datetime) -> Iterable[ECpsRecord]:
    from agent.certificates.holder import Holder  # noqa: PLC0415 - when somebody asks
    from agent.certificates.means import ECpsRecord  # noqa: PLC0415
    from agent.certificates.states import CertificateState, StateName  # noqa: PLC0415

    national_id, test, family_name, given_name, milliseconds = row
    try:
        used_at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return
    fresh = used_at > now - FRESH
    state = CertificateState(StateName.VALID, used_at) if fresh else CertificateState(StateName.UNKNOWN, None, LONG_AGO)
    holder = Holder(None, bool(test), family_name, given_name, national_id, None, None, None)
    yield ECpsRecord(holder, state, used_at, bool(test))
