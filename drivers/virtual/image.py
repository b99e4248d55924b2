"""The whole content of a virtual CPS3, built from its personalisation and its two certificates."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.base import KeyRole
from drivers.card.tlv import encode_tlv
from drivers.virtual import pkcs15
from drivers.virtual.files import SCB_USER, DedicatedFile, ElementaryFile
from drivers.virtual.personalisation import Personalisation, Situation
from drivers.virtual.pkcs15 import MF, DataObject, encode_path

FID_ATR, FID_DIR, FID_SN, FID_UPDATE = 0x2F01, 0x2F00, 0xD003, 0xD010
SFI_SN, SFI_ATR, SFI_DIR = 0x1C, 0x1D, 0x1E
FID_CONTACTLESS = 0x0002
FID_BILLING_DF, FID_BILLING = 0x7F01, 0x4000

CPS_DATA_LENGTH = 32


@dataclass(frozen=True, slots=True)
class CardImage:
    """The file system and the file that terminals may write."""

    root: DedicatedFile
    application: DedicatedFile
    cps_data: ElementaryFile


def build_image(card: Personalisation, certificates: dict[KeyRole, bytes], cps_data: bytes | None = None) -> CardImage:
    """Lay out every file. `cps_data`: what terminals have written, when the card was used before."""
    root = DedicatedFile(MF, card.root_aid)
    application = DedicatedFile(card.files.application, card.application_aid)
    billing = DedicatedFile(FID_BILLING_DF)
    writable = ElementaryFile(card.files.cps_data, cps_data or bytes(CPS_DATA_LENGTH), update=SCB_USER)
    root.add(*root_files(card), application, billing)
    application.add(*_directory_files(card), *_certificate_files(card, certificates), writable, *_holder_files(card))
    billing.add(ElementaryFile(FID_BILLING, _encode_billing(card), read=SCB_USER))
    return CardImage(root, application, writable)


def root_files(card: Personalisation) -> list[ElementaryFile]:
    """What stands in the MF, whichever way the card is seen."""
    files = [
        ElementaryFile(FID_ATR, _encode_atr_file(card), SFI_ATR),
        ElementaryFile(FID_DIR, _encode_dir(card), SFI_DIR),
        ElementaryFile(FID_SN, encode_tlv(0x5A, card.icc_number), SFI_SN, sealed=True),
    ]
    if card.update_record is not None:
        files.append(ElementaryFile(FID_UPDATE, card.update_record))
    return files


def _encode_atr_file(card: Personalisation) -> bytes:
    """EF.ATR (ISO 7816-4 §12.2.2), as on a genuine CPS3 but for the AID."""
    return b"".join(
        (
            bytes.fromhex("80 43 01 B8 46 04 04 B0 EC C1 47 03 94 01 80"),
            encode_tlv(0x4F, card.root_aid),
            bytes.fromhex("E0 10 02 02 01 04 02 02 01 04 02 02 01 00 02 02 01 00"),
            bytes.fromhex("78 08 06 06 2B 81 22 F8 78 02 82 02 90 00"),
        )
    )


def _encode_dir(card: Personalisation) -> bytes:
    """EF.DIR (ISO 7816-4 §12.2.3): the contactless application comes first, though its DF is out of reach here."""
    contactless = _encode_application(card, card.contactless_aid, "ASIP CPS CL", FID_CONTACTLESS)
    return contactless + _encode_application(card, card.application_aid, "ASIP CPS", card.files.application)


def _encode_application(card: Personalisation, aid: bytes, label: str, df: int) -> bytes:
    odf = encode_path(MF, df, card.files.odf)
    token_info = b"\xa0" + encode_path(MF, df, card.files.token_info)[1:]
    ddo = encode_tlv(0x73, odf, token_info)
    return encode_tlv(0x61, encode_tlv(0x4F, aid), encode_tlv(0x50, label.encode()), ddo)


def _directory_files(card: Personalisation) -> list[ElementaryFile]:
    files = card.files
    return [
        ElementaryFile(files.odf, pkcs15.encode_odf(card)),
        ElementaryFile(files.token_info, pkcs15.encode_token_info(card)),
        ElementaryFile(files.authentication_objects, pkcs15.encode_aodf(card)),
        ElementaryFile(files.private_keys, pkcs15.encode_prkdf(card)),
        ElementaryFile(files.certificates, pkcs15.encode_cdf(card)),
        ElementaryFile(files.data_objects, pkcs15.encode_dodf(card, _data_objects(card))),
    ]


def _certificate_files(card: Personalisation, certificates: dict[KeyRole, bytes]) -> list[ElementaryFile]:
    keys = {KeyRole.SIGNATURE: card.signature, KeyRole.AUTHENTICATION: card.authentication}
    return [ElementaryFile(key.certificate_fid, certificates[role]) for role, key in keys.items()]


def _data_objects(card: Personalisation) -> tuple[DataObject, ...]:
    files = card.files
    activities = (
        DataObject(f"CPS_ACTIVITY_{item.number:02}_PS", _activity_fid(card, item), private=True)
        for item in card.holder.situations
    )
    return (
        DataObject("CPS_DATA", files.cps_data, modifiable=True),
        DataObject("CPS_ID_CARD", files.id_card),
        DataObject("CPS_NAME_PS", files.name_ps),
        DataObject("CPS_LANG_PS", files.lang_ps),
        DataObject("CPS_INFO_PS", files.info_ps),
        *activities,
    )


def _activity_fid(card: Personalisation, item: Situation) -> int:
    return card.files.first_activity + item.number - 1


def _holder_files(card: Personalisation) -> list[ElementaryFile]:
    """What the card says of its holder; the inner tags of the public files are ours: no public source tells them."""
    holder, files = card.holder, card.files
    names = encode_tlv(0x80, holder.family_name.encode()) + encode_tlv(0x81, holder.given_name.encode())
    identity = encode_tlv(0x80, holder.national_id.encode()) + encode_tlv(0x81, holder.family_name.encode())
    public = [
        ElementaryFile(files.id_card, encode_tlv(0xE8, encode_tlv(0x80, card.icc_number))),
        ElementaryFile(files.name_ps, encode_tlv(0xE9, names)),
        ElementaryFile(files.lang_ps, encode_tlv(0xEB, encode_tlv(0x80, b"fr"))),
        ElementaryFile(files.info_ps, encode_tlv(0xEA, identity, encode_tlv(0x86, holder.speciality.encode()))),
    ]
    return public + [
        ElementaryFile(_activity_fid(card, item), encode_situation(item), read=SCB_USER) for item in holder.situations
    ]


def encode_situation(item: Situation) -> bytes:
    """CPS_ACTIVITY_nn_PS, as on genuine test cards: name of the structure, Struct_IdNat, sector of activity."""
    return encode_tlv(
        0xEE,
        encode_tlv(0x84, item.organisation.encode()),
        encode_tlv(0x85, item.structure_id.encode()),
        encode_tlv(0x86, item.sector.encode()),
    )


def _encode_billing(card: Personalisation) -> bytes:
    """CPS_SIT_FACT: its content is ours, one billing situation per place of exercise."""
    return b"".join(encode_tlv(0xEF, encode_tlv(0x85, item.structure_id.encode())) for item in card.holder.situations)
