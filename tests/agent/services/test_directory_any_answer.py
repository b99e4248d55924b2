"""Whatever JSON, or bytes, come as an answer: a professional out of it, or the directory's own error; nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.fhir_directory import bundle, mailbox, organization, practitioner, role

from agent.services.directory.bundle import MAX_LIST, MAX_TEXT, explain_outcome, parse_page
from agent.services.directory.errors import DirectoryAnswerError
from agent.services.directory.mailboxes import ADDRESS
from agent.services.directory.reading import MAX_SITUATIONS, MAX_VALUES, is_about, read_id, read_professional
from agent.services.directory.values import Professional

RPPS = "99700002712"
WORDS = st.sampled_from(
    ["PER", "APP", "MSSANTE", "email", "10", "SM26", "003-1-1", "Practitioner/003-1-1", "x/as-ext-mailbox-mss-metadata",
     "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante", RPPS, "a@b.mssante.fr"]
)  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | WORDS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
WHOLE: list[dict[str, Any]] = [
    practitioner(RPPS),
    role("005-1", "003-1-1", "001-1", telecom=[mailbox("a@b.mssante.fr", "PER")]),
    organization("001-1", "CABINET", telecom=[mailbox("c@d.mssante.fr", "ORG", service="Accueil")]),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inside for place in places(one, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


def read(body: bytes) -> Professional | None:
    resources = list(parse_page(body).resources)
    mine = [one for one in resources if is_about(one, RPPS) and read_id(one) is not None]
    return read_professional(RPPS, mine, resources)


@given(place=st.sampled_from(places(WHOLE)), other=ANY)
def test_a_good_answer_with_anything_in_one_place(place: tuple[Any, ...], other: Any) -> None:
    changed = replaced(WHOLE, place, other)
    entries = [{"resource": one} for one in changed] if isinstance(changed, list) else changed
    body = json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()
    with suppress(DirectoryAnswerError):
        found = read(body)
        assert found is not None
        assert all(ADDRESS.fullmatch(one.address) for one in found.mailboxes)


@given(ANY)
def test_any_json(value: Any) -> None:
    body = json.dumps(value).encode()
    explain_outcome(body)
    with suppress(DirectoryAnswerError):
        read(body)


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    explain_outcome(body)
    with suppress(DirectoryAnswerError):
        read(body)


def test_long_and_many_are_cut() -> None:
    many = practitioner(RPPS, family="x" * 100_000, name=[{"family": "y" * 100_000}] * 1000)
    found = read(bundle([many | {"telecom": [mailbox(f"a{n}@b.mssante.fr", "PER") for n in range(1000)]}], [])[2])
    assert found is not None
    assert len(found.mailboxes) == MAX_LIST
    assert [len(str(name.family)) for name in found.names] == [MAX_TEXT]


def test_a_flood_of_situations_is_cut() -> None:
    boxes = [mailbox(f"a{n}@b.mssante.fr", "PER") for n in range(MAX_LIST)]
    flood = [role(f"005-{n}", "003-1-1", f"001-{n}", telecom=boxes) for n in range(400)]
    places = [
        organization(f"001-{n}", f"STRUCTURE {n}", telecom=[mailbox(f"o{n}@b.mssante.fr", "ORG")]) for n in range(400)
    ]
    found = read_professional(RPPS, [practitioner(RPPS)], flood + places)
    assert (len(found.situations), len(found.mailboxes)) == (MAX_SITUATIONS, MAX_VALUES)


def test_what_has_no_id_belongs_to_nothing() -> None:
    somebody = practitioner(RPPS) | {"id": None}
    nowhere = organization("001-1", "ELSEWHERE") | {"id": None}
    stray = role("005-1", "003-1-1", None) | {"practitioner": None}
    assert read_professional(RPPS, [somebody], [stray, nowhere]).situations == ()
    (situation,) = read_professional(RPPS, [practitioner(RPPS)], [role("005-1", "003-1-1", None), nowhere]).situations
    assert situation.structure is None
