"""The virtual cards by name: every kind of the CPS family that there is a personalisation of, and what is none.

What makes a card is loaded when one is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.virtual.names import DEFAULT_KIND
from drivers.virtual.personalisation import (
    DEFAULT,
    ChipDocAlgorithms,
    Employee,
    Holder,
    KeyLayout,
    Personalisation,
    Situation,
    Trainee,
)

if TYPE_CHECKING:
    from drivers.virtual.chip import Chip

Opener = Callable[[Path], "Chip"]
"""Make or load the card of a data folder; raises what drivers.virtual.store.open_card raises."""

HOSPITAL = (Situation(1, "HOPITAL D'ESSAI", "1990000010", "SA01"),)
FUND = (Situation(1, "CAISSE D'ESSAI", "399999999900009", "SA24"),)

CPS4 = replace(
    DEFAULT,
    serial="99900004",
    card_number="2900000045",
    label="CPS4v1-2900000045",
    atr=bytes.fromhex("3B9B188001001225006480040100009044"),
    signature=KeyLayout(0x10, 0x10, "CPS_PRIV_SIG", "Certificat de Signature CPS", 0xB001),
    authentication=KeyLayout(0x20, 0x20, "CPS_PRIV_AUT", "Certificat d'Authentification CPS", 0xB002),
    algorithms=ChipDocAlgorithms(),
)
CPS3_CONTACTLESS = replace(
    DEFAULT,
    serial="99900020",
    card_number="2900000207",
    atr=bytes.fromhex("3B8F80010031B86404B0ECC1739401808290000E"),
)
CPF = Personalisation(
    serial="99900011",
    card_number="2900000111",
    holder=Trainee(family_name="INTERNE", given_name="ALEX", situations=HOSPITAL),
)
CPE = Personalisation(
    serial="99900012",
    card_number="2900000129",
    holder=Employee(
        family_name="SOIGNANT", given_name="DOMINIQUE", title="Aide-soignant", profession=35, situations=HOSPITAL
    ),
)
CPE_ANONYMOUS = Personalisation(
    serial="99900013",
    card_number="2900000137",
    holder=Employee(
        family_name="",
        given_name="",
        title="Carte de service santé ou social",
        number="000000018",
        situations=HOSPITAL,
    ),
)
CDE = Personalisation(
    serial="99900014",
    card_number="2900000145",
    # ours: no public source tells what the certificate of a director says
    holder=Employee(
        family_name="DIRECTEUR",
        given_name="SACHA",
        title="Directeur d'établissement",
        number="CDET0001",
        situations=HOSPITAL,
    ),
)
CPA = Personalisation(
    serial="99900015",
    card_number="2900000152",
    holder=Employee(
        family_name="AGENT",
        given_name="MAXIME",
        card_type=3,
        structure="CAISSE D'ESSAI",
        structure_id="399999999900009",
        number="CPAT0001",
        legacy=True,
        situations=FUND,
    ),
)
CDA = Personalisation(
    serial="99900016",
    card_number="2900000160",
    # ours, as the title of a director
    holder=Employee(
        family_name="RESPONSABLE",
        given_name="LOU",
        title="Directeur autorisé",
        card_type=3,
        structure="CAISSE D'ESSAI",
        structure_id="399999999900009",
        number="CDAT0001",
        situations=FUND,
    ),
)
MANY_SITUATIONS = Personalisation(
    serial="99900018",
    card_number="2900000186",
    holder=Holder(
        family_name="ITINERANT",
        given_name="CLAUDE",
        rpps="99700002738",
        situations=(
            Situation(1, "CABINET DU DR ITINERANT", "499700002738000", "SA07"),
            Situation(3, "HOPITAL D'ESSAI", "1990000010", "SA01"),
            Situation(4, "", "099123456780", "SA08"),
            Situation(7, "MAISON DE SANTÉ D'ESSAI", "399999999900009", "SA52"),
            Situation(16, "STRUCTURE D'UN AUTRE TEMPS", "7X", "SA99"),
        ),
    ),
)
UPDATE_UNFINISHED = replace(DEFAULT, serial="99900017", card_number="2900000178", update_record=b"")


def _card(personalisation: Personalisation) -> Opener:
    def open_it(data_dir: Path) -> Chip:
        from drivers.virtual.store import open_card  # noqa: PLC0415 - `cryptography` is heavy

        return open_card(data_dir, personalisation)

    return open_it


def _cps4(data_dir: Path) -> Chip:
    from drivers.virtual.cps4 import VirtualCps4  # noqa: PLC0415 - as above
    from drivers.virtual.store import open_made  # noqa: PLC0415

    return open_made(data_dir, CPS4, VirtualCps4.make)


def _contactless(data_dir: Path) -> Chip:
    from drivers.virtual.contactless import VirtualContactlessCps3  # noqa: PLC0415 - as above
    from drivers.virtual.store import open_made  # noqa: PLC0415

    return open_made(data_dir, CPS3_CONTACTLESS, VirtualContactlessCps3.make)


def _foreign(atr: str) -> Opener:
    def open_it(_: Path) -> Chip:
        from drivers.virtual.foreign import ForeignChip  # noqa: PLC0415 - as above

        return ForeignChip(bytes.fromhex(atr))

    return open_it


def _mute(_: Path) -> Chip:
    from drivers.virtual.foreign import MuteChip  # noqa: PLC0415 - as above

    return MuteChip()


KINDS: dict[str, Opener] = {
    DEFAULT_KIND: _card(DEFAULT),
    "cps3-contactless": _contactless,
    "cps3-situations": _card(MANY_SITUATIONS),
    "cps4": _cps4,
    "cpf": _card(CPF),
    "cpe": _card(CPE),
    "cpe-anonymous": _card(CPE_ANONYMOUS),
    "cde": _card(CDE),
    "cpa": _card(CPA),
    "cda": _card(CDA),
    "update-unfinished": _card(UPDATE_UNFINISHED),
    "vitale": _foreign("3B751300004409EA9000"),
    "french-eid": _foreign("3BDB96FF80B1FE451F870031C164093772130F9000F4"),
    "bank": _foreign("3B6500002063CB6A00"),
    "unknown": _foreign("3B6500000102030405"),
    "mute": _mute,
}


def open_card_of_kind(data_dir: Path, kind: str) -> Chip:
    """Open the virtual card of that name. Raises KeyError for a name that is none of KINDS, and what Opener raises."""
    return KINDS[kind](data_dir)
