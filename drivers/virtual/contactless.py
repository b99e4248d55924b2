"""A CPS3 as it shows itself over NFC: another application, with a technical key that signs without a code."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from drivers.base import KeyRole
from drivers.card.encoding import context
from drivers.virtual import apdu as ins
from drivers.virtual import pkcs15
from drivers.virtual.apdu import Command
from drivers.virtual.chip import ApduCard
from drivers.virtual.files import DedicatedFile, ElementaryFile
from drivers.virtual.image import FID_CONTACTLESS, root_files
from drivers.virtual.keys import KeyStation
from drivers.virtual.memory import Memory
from drivers.virtual.personalisation import KeyLayout, Personalisation
from drivers.virtual.pkcs15 import INT_AUTH, MF, USAGE_SIGN
from drivers.virtual.selection import Selection
from drivers.virtual.status import SW_REFERENCE_NOT_FOUND, SW_SECURITY_NOT_SATISFIED, SW_WRONG_LENGTH, StatusError

TECHNICAL = KeyLayout(0x83, 0x03, "CPS_PRIV_TECH_AUT", "Certificat Technique CPS", 0xB003)
"""Labels as the official library shows them; reference, id and file are ours."""


class VirtualContactlessCps3(ApduCard):
    """One CPS3 near a reader, in T=1. `codes_sent` counts the commands about codes, all of which it refuses."""

    whole = True

    def __init__(self, personalisation: Personalisation, root: DedicatedFile, memory: Memory) -> None:
        super().__init__(personalisation, memory)
        self.codes_sent = 0
        self._application = root.find(FID_CONTACTLESS)
        self._selection = Selection(root)
        self._keys = KeyStation(_inside(personalisation), memory)
        self._handlers = {
            ins.INS_SELECT: self._selection.select,
            ins.INS_MANAGE_SECURITY_ENVIRONMENT: self._manage,
            ins.INS_INTERNAL_AUTHENTICATE: self._authenticate,
            ins.INS_VERIFY: self._refuse_code,
            ins.INS_CHANGE_REFERENCE_DATA: self._refuse_code,
            ins.INS_RESET_RETRY_COUNTER: self._refuse_code,
        }
        self._readers = {ins.INS_READ_BINARY: self._read}

    @classmethod
    def make(
        cls,
        personalisation: Personalisation,
        certificates: dict[KeyRole, bytes],
        memory: Memory,
        _cps_data: bytes | None = None,
    ) -> Self:
        """The card with its files; the certificate of the authentication role is the technical one."""
        return cls(personalisation, build_root(personalisation, certificates[KeyRole.AUTHENTICATION]), memory)

    def _forget(self) -> None:
        self._selection.reset()
        self._keys.forget()

    def _read(self, command: Command) -> bytes:
        if command.data:
            raise StatusError(SW_WRONG_LENGTH)
        return self._selection.read(command, user=False)

    def _manage(self, command: Command) -> bytes:
        self._require_application()
        return self._keys.manage(command)

    def _authenticate(self, command: Command) -> bytes:
        self._require_application()
        return self._keys.authenticate(command, user=True)

    def _require_application(self) -> None:
        if self._selection.current_df is not self._application:
            raise StatusError(SW_REFERENCE_NOT_FOUND)

    def _refuse_code(self, _command: Command) -> bytes:
        self.codes_sent += 1
        raise StatusError(SW_SECURITY_NOT_SATISFIED)


def _inside(card: Personalisation) -> Personalisation:
    """The card as its contactless application sees it."""
    files = replace(card.files, application=FID_CONTACTLESS)
    return replace(card, application_aid=card.contactless_aid, files=files, authentication=TECHNICAL)


def build_root(card: Personalisation, certificate_der: bytes) -> DedicatedFile:
    """Every file that is seen over NFC."""
    inside = _inside(card)
    root = DedicatedFile(MF, card.root_aid)
    application = DedicatedFile(FID_CONTACTLESS, card.contactless_aid)
    root.add(*root_files(card), application)
    application.add(
        ElementaryFile(inside.files.odf, _encode_odf(inside)),
        ElementaryFile(inside.files.token_info, pkcs15.encode_token_info(inside)),
        ElementaryFile(
            inside.files.private_keys,
            pkcs15.encode_private_key(inside, TECHNICAL, (USAGE_SIGN,), (INT_AUTH,), needs_code=False),
        ),
        ElementaryFile(inside.files.certificates, pkcs15.encode_certificate(inside, TECHNICAL)),
        ElementaryFile(TECHNICAL.certificate_fid, certificate_der),
    )
    return root


def _encode_odf(card: Personalisation) -> bytes:
    """EF.ODF (PKCS #15 §6.2) with a key and a certificate, and no code."""
    entries = ((0, card.files.private_keys), (4, card.files.certificates))
    return b"".join(context(tag, pkcs15.encode_path(MF, card.files.application, fid)) for tag, fid in entries)
