"""A file of keys and certificates on its way into the store: opened with the person's passphrase, taken with leave."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agent.cards.errors import PassphraseWrongError
from agent.cards.keeping import SoftwareKeeper
from agent.cards.software import SoftwareCards, run_apart
from agent.people.prompt import Asker, Deed, DeedRequest, DeskBusyError, Prompt
from drivers.errors import CardBusyError, PinWrongError
from drivers.pin import Passphrase

if TYPE_CHECKING:
    from drivers.card.certificate import Certificate
    from drivers.software.entries import SoftwareEntry
    from drivers.software.importing import Imported
    from drivers.software.store import SoftwareStore

MAX_TRIES: Final = 3
READ_TIMEOUT_S: Final = 60.0
KEY_STORE_TIMEOUT_S: Final = 70.0
"""Longer than the key store itself is waited for."""
AUTO, KEY_STORE, PASSPHRASE = "auto", "key-store", "passphrase"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a program hands in. `protection`: KEY_STORE, PASSPHRASE, or AUTO: the key store where there is one."""

    name: str
    content: bytes
    protection: str = AUTO


class Importer:
    """Take one file at a time: opening one may be made to cost a lot of computing."""

    def __init__(self, software: SoftwareCards, keeper: SoftwareKeeper, prompt: Prompt) -> None:
        self._software = software
        self._keeper = keeper
        self._prompt = prompt
        self._busy = False

    async def import_file(self, asker: Asker, file: KeyFile) -> tuple[SoftwareEntry, ...]:
        """Keep every key of the file that has its certificate in it. Gives the entries.

        Raises DeskBusyError, PromptError, PassphraseWrongError, KeyRefusedError, KeyFileError, KeyKindError,
        WrappingUnavailableError, StoreError.
        """
        if self._busy:
            raise DeskBusyError("another file is being imported")
        self._busy = True
        try:
            return await self._take_in(asker, file)
        finally:
            self._busy = False

    async def _take_in(self, asker: Asker, file: KeyFile) -> tuple[SoftwareEntry, ...]:
        adding = _Adding(await self._open(asker, file))
        try:
            ders = adding.certificates_der
            self._keeper.require_taken(ders)
            question = DeedRequest(
                Deed.IMPORT, asker, file.name, await self._keeper.describe_new(adding.read()),
                test=self._keeper.is_test(ders), protects=await wants_passphrase(file.protection),
            )  # fmt: skip
            adding.passphrase = await self._prompt.agree(question)
            entries = await self._software.use(adding)
        finally:
            adding.give_up()
        await self._software.refresh()
        return entries

    async def _open(self, asker: Asker, file: KeyFile) -> Imported:
        """Open the file without a passphrase, or with one that the person is asked for a few times."""
        from drivers.software.errors import PassphraseNeededError  # noqa: PLC0415 - where certificates are kept

        try:
            return await _read(file.content, None)
        except PassphraseNeededError:
            question = DeedRequest(Deed.IMPORT, asker, file.name, opens=True)
        for tries in range(MAX_TRIES):
            passphrase = await self._prompt.agree(replace(question, wrong=tries > 0))
            if passphrase is None:
                raise TypeError("the prompt gave no passphrase where one was asked")
            with passphrase:
                try:
                    return await _read(file.content, passphrase)
                except PinWrongError:
                    continue
        raise PassphraseWrongError


class _Adding:
    """Adds in the store's thread. Who begins wipes: a caller that leaves must not wipe a key under its encryption."""

    def __init__(self, imported: Imported) -> None:
        self.passphrase: Passphrase | None = None
        self._imported = imported
        self._begun = False

    @property
    def certificates_der(self) -> list[bytes]:
        return [item.certificate_der for item in self._imported.items]

    def read(self) -> list[tuple[Certificate, str | None]]:
        """The certificates with their roles."""
        from drivers.software.certificates import read_key_certificate  # noqa: PLC0415 - where certificates are kept

        read = map(read_key_certificate, self.certificates_der)
        return [(certificate.parsed, certificate.role) for certificate in read]

    def __call__(self, store: SoftwareStore) -> tuple[SoftwareEntry, ...]:
        self._begun = True
        with self._secrets():
            return tuple(
                store.add(item.key, item.certificate_der, item.chain_der, self.passphrase)
                for item in self._imported.items
            )

    def give_up(self) -> None:
        """Wipe, unless the thread does."""
        if not self._begun:
            with self._secrets():
                pass

    def _secrets(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(self._imported)
        if self.passphrase is not None:
            stack.enter_context(self.passphrase)
        return stack


async def _read(content: bytes, passphrase: Passphrase | None) -> Imported:
    """Read in a thread of its own, which is left behind when it takes too long."""
    from drivers.software.errors import TooCostlyError  # noqa: PLC0415 - where certificates are kept

    reading = _Reading(content, passphrase)
    try:
        return await run_apart("key file", reading, READ_TIMEOUT_S)
    except CardBusyError as error:
        reading.abandon()
        raise TooCostlyError from error
    except asyncio.CancelledError:
        reading.abandon()
        raise


class _Reading:
    """Reads in a thread; keys that nobody waits for any more are wiped, whoever is first."""

    def __init__(self, content: bytes, passphrase: Passphrase | None) -> None:
        self._content = content
        self._passphrase = passphrase
        self._imported: Imported | None = None
        self._abandoned = False

    def __call__(self) -> Imported:
        from drivers.software.importing import read_key_files  # noqa: PLC0415 - where certificates are kept

        self._imported = imported = read_key_files([self._content], self._passphrase)
        if self._abandoned:
            self._wipe()
        return imported

    def abandon(self) -> None:
        self._abandoned = True
        self._wipe()

    def _wipe(self) -> None:
        if self._imported is not None:
            with self._imported:
                pass


async def wants_passphrase(protection: str) -> bool:
    """Whether a passphrase is to be chosen; AUTO: where no key store answers.

    One that waits to be unlocked holds a thread of its own: those of the loop are for callers to be looked up in.
    """
    if protection != AUTO:
        return protection == PASSPHRASE
    try:
        return not await run_apart("key store", _has_key_store, KEY_STORE_TIMEOUT_S)
    except CardBusyError:
        return True


def _has_key_store() -> bool:
    from agent.certificates.software_store import has_key_store  # noqa: PLC0415 - it brings D-Bus

    return has_key_store()
