"""C_GetSlotList to C_GetMechanismInfo, and C_WaitForSlotEvent (PKCS #11 v2.40 §5.5)."""

from __future__ import annotations

from collections.abc import Mapping

from agent.cards.events import EventBus
from agent.door import cryptoki as ck
from agent.door.interruption import Interruption
from agent.door.mechanisms import list_types
from agent.door.objects import usable_keys
from agent.door.publickeys import read_public_key
from agent.door.sessions import MAX_SESSIONS, Sessions
from agent.door.slots import Slot, Slots
from agent.door.texts import padded
from agent.door.tokens import DoorToken
from agent.door.values import CryptokiError, Handler, Size
from agent.door.watching import SlotWatch
from drivers.base import KeyInfo

DESCRIPTION_LENGTH, MANUFACTURER_LENGTH, LABEL_LENGTH, MODEL_LENGTH, TIME_LENGTH = 64, 32, 32, 16, 16
MANUFACTURER = padded("CPS agent", MANUFACTURER_LENGTH)
SOFTWARE_DESCRIPTION = "CPS agent: software certificates"
NO_VERSION = (0, 0)
TOKEN_FLAGS = ck.CKF_TOKEN_INITIALIZED | ck.CKF_USER_PIN_INITIALIZED | ck.CKF_WRITE_PROTECTED
"""Never CKF_LOGIN_REQUIRED, nor a protected authentication path: a program that saw one of them would ask for a code,
or would have the agent ask before it is known what for."""
LONGEST_PIN = 255
"""Whatever a program has been given as a code is taken, and ignored."""


class SlotCalls:
    """What a program asks of its slots, whether it has a session or not."""

    def __init__(self, slots: Slots, sessions: Sessions, events: EventBus, *, modern: bool) -> None:
        self._slots = slots
        self._sessions = sessions
        self._modern = modern
        self._watch = SlotWatch(slots, events)
        self._waiting = Interruption()
        self.handlers: Mapping[str, Handler] = {
            "GetSlotList": self.list_slots,
            "GetSlotInfo": self.describe_slot,
            "GetTokenInfo": self.describe_token,
            "GetMechanismList": self.list_mechanisms,
            "GetMechanismInfo": self.describe_mechanism,
            "WaitForSlotEvent": self.wait_for_event,
        }

    async def begin(self) -> None:
        """C_Initialize: what is there from now on is told when it changes."""
        await self._slots.look_at_software()
        await self._watch.start()

    def end(self) -> None:
        """C_Finalize: nobody waits any more."""
        self._waiting.interrupt(ck.CKR_CRYPTOKI_NOT_INITIALIZED)

    async def list_slots(self, present: int, room: int | None) -> tuple[object, ...]:
        """Once cards that are being read have been; with `present` only those that can be used."""
        await self._slots.settle()
        slots = await self._slots.list_all()
        return _list([slot.id for slot in slots if not present or self._slots.token(slot) is not None], room)

    async def describe_slot(self, number: int) -> tuple[object, ...]:
        """Nothing is waited for: programs that poll do it by this call."""
        slot = await self._slots.find(number)
        if slot.is_software:
            await self._slots.look_at_software()
        flags = ck.CKF_REMOVABLE_DEVICE | (0 if slot.is_software else ck.CKF_HW_SLOT)  # NSS gives up empty fixed slots
        if self._slots.is_filled(slot):
            flags |= ck.CKF_TOKEN_PRESENT
        description = padded(slot.name or SOFTWARE_DESCRIPTION, DESCRIPTION_LENGTH)
        return description, MANUFACTURER, flags, NO_VERSION, NO_VERSION

    async def describe_token(self, number: int) -> tuple[object, ...]:
        """CK_TOKEN_INFO; how much room there is in a token nobody needs to know."""
        token = await self._token(number)
        sessions, writing = self._sessions.count(token)
        return (
            padded(token.label, LABEL_LENGTH),
            MANUFACTURER,
            padded(token.model, MODEL_LENGTH),
            padded(token.serial, MODEL_LENGTH),
            TOKEN_FLAGS,
            *(MAX_SESSIONS, sessions, MAX_SESSIONS, writing),
            *(LONGEST_PIN, 0),
            *[ck.CK_UNAVAILABLE_INFORMATION] * 4,
            NO_VERSION,
            NO_VERSION,
            bytes(TIME_LENGTH).replace(b"\0", b" "),
        )

    async def list_mechanisms(self, number: int, room: int | None) -> tuple[object, ...]:
        """Those that one of the keys can sign with."""
        return _list(list_types(_keys(await self._token(number)), modern=self._modern), room)

    async def describe_mechanism(self, number: int, kind: int) -> tuple[object, ...]:
        """The sizes of the keys that can sign with it, in bits."""
        token = await self._token(number)
        keys = [key for key in _keys(token) if kind in list_types([key], modern=self._modern)]
        if not keys:
            raise CryptokiError(ck.CKR_MECHANISM_INVALID)
        sizes = [read_public_key(key.certificate_der).bits for key in keys]
        return min(sizes), max(sizes), ck.CKF_SIGN | (ck.CKF_HW if token.is_hardware else 0)

    async def wait_for_event(self, flags: int) -> tuple[object, ...]:
        """A slot in which something changed; with CKF_DONT_BLOCK at once, or CKR_NO_EVENT."""
        if not flags & ck.CKF_DONT_BLOCK:
            return ((await self._waiting.run(self._watch.wait_for_change())).id,)
        await self._slots.look_at_software()
        slot: Slot | None = await self._watch.take_change()
        if slot is None:
            raise CryptokiError(ck.CKR_NO_EVENT)
        return (slot.id,)

    async def _token(self, number: int) -> DoorToken:
        return await self._slots.find_token(await self._slots.find(number))


def _keys(token: DoorToken) -> list[KeyInfo]:
    return [key for card in token.cards for key in usable_keys(card)]


def _list(numbers: list[int] | tuple[int, ...], room: int | None) -> tuple[object, ...]:
    """A list, or how long it is where there is no room for it (§5.2)."""
    return (tuple(numbers) if not numbers or (room is not None and room >= len(numbers)) else Size(len(numbers)),)
