"""The table of ATRs: well-formed, sourced, without a line in vain; and what identify_atr makes of any bytes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.card.atr import (
    CPS_FAMILY,
    CPS_ISSUER_BYTES,
    CardFamily,
    find_atr,
    generation_of,
    identify_atr,
    known_atrs,
    not_cps,
)

SOURCES = {"OSC", "ANS", "MSI", "SCL"}

# As OpenSC, the sources of the ANS library, its installer and the public list of smart card ATRs have them.
CERTAIN = {
    CardFamily.CPS3: ["3BAC00402A001225006480000310009000"],
    CardFamily.CPS3_CONTACTLESS: ["3B8F80010031B86404B0ECC1739401808290000E"],
    CardFamily.CPS4: [
        "3B9B188001001225006480040100009044",
        "3B9B188001001225006480000401009044",
        "3BDC18FF00001225006480000401009000",
    ],
    CardFamily.VITALE: [
        *(f"3B75130000{x}09EA9000" for x in ("43", "44", "45", "46", "47", "48", "49", "4B", "4C")),
        "3B751300004509FA9000",
        *(f"3F652500{x}09{y}9000" for x in ("22", "2C") for y in ("F9", "69")),
        "3F65250052096A9000",
        "3F652500A3096A9000",
        "3F652500A4096A9000",
    ],
    CardFamily.HEALTH_OTHER: ["3B6700002D201601789000", "3B7C110000475345424C03424848800101"],
    CardFamily.FRENCH_EID: [
        "3B8B80010031C1640937721300900051",
        "3BDB96FF80B1FE451F870031C164093772130F9000F4",
    ],
}
PROBABLE = {
    CardFamily.CPS2TER: ["3BAC00402A001225006480820212009000"],
    CardFamily.CPS3: ["3BAC12345600122500648011223300 9000", "3B0102030400122500648011223300 9000"],
    CardFamily.CPS3_CONTACTLESS: [
        "3B8F80010031B86404B0ECC173940180FFFFFFE3",
        "3B8F80010031B8640102ECC2739401808290000E",
    ],
    CardFamily.CPS4: ["3B9B188002001225006480000501009045", "3BDC18FF000012250064800005010090 00"],
    CardFamily.FRENCH_EID: ["3BF513000010002063CB12A1", "3BD596FF80B1FE451F878073C82110A4"],
    CardFamily.BANK: [
        "3B6500002063CB6A00",  # La Banque postale, BNP Paribas, Crédit coopératif
        "3B6500002063CBB280",  # Société générale, Boursorama
        "3F65250843046C9000",  # B0': once taken for a Vitale
        "3F6525000C046C9010",
        "3B65000043046C9000",
        "3B8580012063CBB880B4",  # LCL, without contacts
        "3B6E00000031C06508C803017100830F9000",
        "3B6E000080318066B1A30101210A83009000",
    ],
}
VARIANTS = [  # no line knows them: they are tried, never refused for their ATR
    ("3B7B18000000122500648004010090 00", CardFamily.CPS4),
    ("3BAB00402A1225006480000310009000", CardFamily.CPS3),
    ("3B8F80010031B86404B0ECC1", CardFamily.CPS3_CONTACTLESS),
]
UNKNOWN = ["", "3B", "3B00", "3F65250024096B9000", "3BD518FF8191FE1FC38073C821106E"]


@pytest.mark.parametrize(("family", "atr"), [(family, atr) for family, atrs in CERTAIN.items() for atr in atrs])
def test_known_cards(family, atr):
    assert identify_atr(bytes.fromhex(atr)) is family
    assert find_atr(bytes.fromhex(atr)).certain


@pytest.mark.parametrize(("family", "atr"), [(family, atr) for family, atrs in PROBABLE.items() for atr in atrs])
def test_probable_cards(family, atr):
    assert identify_atr(bytes.fromhex(atr)) is family
    assert not find_atr(bytes.fromhex(atr)).certain


@pytest.mark.parametrize(("atr", "family"), VARIANTS)
def test_variants_of_the_cps_are_of_its_family(atr, family):
    assert find_atr(bytes.fromhex(atr)) is None
    assert identify_atr(bytes.fromhex(atr)) is family
    assert family in CPS_FAMILY


@pytest.mark.parametrize("atr", UNKNOWN)
def test_the_rest_is_unknown(atr):
    assert identify_atr(bytes.fromhex(atr)) is CardFamily.UNKNOWN


def test_every_line_is_well_formed_and_sourced():
    for known in known_atrs():
        assert known.atr[0] in (0x3B, 0x3F)
        assert len(known.atr) == len(known.mask) <= 33
        assert known.mask[0] == 0xFF
        assert bytes(a & m for a, m in zip(known.atr, known.mask, strict=True)) == known.atr
        assert known.family is not CardFamily.UNKNOWN
        assert known.name_fr.startswith(("carte", "ancienne carte"))
        assert known.name_en
        words = set(re.findall(r"\b[A-Z]{3}\b", known.source))
        assert words & SOURCES, known.source


def test_no_line_stands_in_the_shadow_of_another():
    for known in known_atrs():
        assert find_atr(known.atr) is known


def test_a_mask_of_the_cps_takes_no_card_of_another_family():
    """What has the issuer's bytes is of the CPS family, whatever line says so."""
    for known in known_atrs():
        assert (CPS_ISSUER_BYTES in known.atr) <= (known.family in CPS_FAMILY)


@pytest.mark.parametrize(
    ("atr", "generation"),
    [
        (CERTAIN[CardFamily.CPS3][0], "CPS3"),
        (CERTAIN[CardFamily.CPS4][0], "CPS4"),
        (CERTAIN[CardFamily.CPS3_CONTACTLESS][0], "CPS3-CL"),
        (PROBABLE[CardFamily.CPS2TER][0], ""),  # unproved: nothing is said of it
        (CERTAIN[CardFamily.VITALE][0], ""),
        ("", ""),
    ],
)
def test_a_generation_is_told_only_where_it_is_known(atr, generation):
    assert generation_of(bytes.fromhex(atr)) == generation


def test_the_error_for_a_foreign_card_names_it():
    vitale, bank, unknown = (
        not_cps(bytes.fromhex(atr)) for atr in (CERTAIN[CardFamily.VITALE][0], PROBABLE[CardFamily.BANK][0], "3B00")
    )
    assert (vitale.family, vitale.certain) == ("vitale", True)
    assert (bank.family, bank.certain) == ("bank", False)
    assert (unknown.family, unknown.certain) == ("unknown", True)
    assert "3B00" in str(unknown)


@given(st.binary(max_size=40))
def test_any_bytes_have_a_family(atr):
    assert isinstance(identify_atr(atr), CardFamily)


@given(st.binary(max_size=14), st.binary(max_size=14))
def test_whatever_holds_the_issuers_bytes_is_tried(head, tail):
    assert identify_atr(b"\x3b" + head + CPS_ISSUER_BYTES + tail) in CPS_FAMILY


@given(st.sampled_from(known_atrs()), st.binary(min_size=33, max_size=33))
def test_masked_bytes_do_not_matter(known, noise):
    filled = bytes(own | ~mask & other for own, mask, other in zip(known.atr, known.mask, noise, strict=False))
    found = find_atr(filled)
    assert found is not None
    assert known.matches(filled)
