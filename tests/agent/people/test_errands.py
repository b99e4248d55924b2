"""Whom to turn to: by situation and profession, from data that an administrator or a user corrects."""

from __future__ import annotations

import os
import time

import pytest

from agent.certificates.nomenclature import PROFESSIONS, find_label
from agent.people.errands.errands import OWN_FILE, SITUATIONS, load_errands, safe_url

OWN = load_errands(())


def test_every_situation_has_an_errand_in_both_languages():
    for situation in SITUATIONS:
        found = OWN.for_situation(situation)
        assert any(errand.audience == "self" for errand in found), situation
        for errand in found:
            assert errand.name.fr != errand.name.en
            assert errand.text.fr
            assert errand.text.en
            assert errand.code in ("none", "pin", "unblocking") or errand.group not in ("card", "codes")


@pytest.mark.parametrize("profession", ["Médecin", "Pharmacien", "Chirurgien-Dentiste", "Sage-Femme", "Infirmier",
                                        "Masseur-Kinésithérapeute", "Pédicure-Podologue"])  # fmt: skip
def test_professions_with_an_ordre(profession):
    (code,) = [code for code in map("{:02d}".format, range(100)) if find_label(PROFESSIONS, code) == profession]
    authority = OWN.find_authority(code, "CPS")
    assert authority
    assert authority.id == "ordre"


@pytest.mark.parametrize("code", ["26", "28", "91", "98", "zz"])
def test_other_regulated_professions_have_the_ars(code):
    authority = OWN.find_authority(code, "CPS")
    assert authority
    assert authority.id == "ars"


def test_cards_that_name_nobody_are_the_structures():
    for kind in ("CPE", "CPA", "CDE", "CDA"):
        authority = OWN.find_authority(None, kind)
        assert authority
        assert authority.id == "structure"
    assert OWN.find_authority(None, "CPS") is None
    assert OWN.find_authority(None, None) is None


def test_uncertain_ways_are_marked():
    (telephone,) = [errand for errand in OWN.errands if errand.id == "telephone"]
    assert not telephone.checked
    assert telephone.code == "unblocking"
    assert [errand.id for errand in OWN.errands if errand.url and errand.checked] == ["directory"]


def test_our_pages_are_those_of_hosts_that_we_know():
    urls = [one.url for one in (*OWN.errands, *OWN.authorities) if one.url]
    assert urls
    assert all(url.startswith(("https://esante.gouv.fr/", "https://annuaire.sante.fr/")) for url in urls)
    assert OWN_FILE.read_text("utf-8").count("url = ") == len(urls)


def test_corrections_take_the_place_of_entries_and_add_others(tmp_path):
    administrator, user = tmp_path / "administrator.toml", tmp_path / "user.toml"
    administrator.write_text(
        '[[errand]]\nid = "telephone"\nsituation = "lost"\nfr = "Par téléphone : 12"\n'
        'url = "https://intranet.hopital.example/carte"\nchecked = true\n'
        '[[authority]]\nid = "ordre"\nfr = "Ordre"\nprofessions = ["10"]\n'
    )
    user.write_text('[[errand]]\nid = "mine"\nsituation = "stolen"\nfr = "Mon service informatique"\n')
    errands = load_errands((administrator, user, tmp_path / "absent.toml"))
    assert errands.failures == ()
    (telephone,) = [errand for errand in errands.errands if errand.id == "telephone"]
    assert (telephone.name.en, telephone.url) == ("Par téléphone : 12", "https://intranet.hopital.example/carte")
    assert [errand.id for errand in errands.for_situation("stolen")][-1] == "mine"
    nurse = errands.find_authority("60", "CPS")
    assert nurse
    assert nurse.id == "ars"


@pytest.mark.parametrize(
    "content",
    [b"[[errand]]\n", b"errand = 7", b"[[errand]]\nid = 'x'\nsituation = 'lost'\nalso = 7", b"\xff", b"[", b"a.b = 1\n" * 40_000,
     b"errand = [7]"],
)  # fmt: skip
def test_damaged_correction_is_named_and_changes_nothing(tmp_path, content):
    path = tmp_path / "errands.toml"
    path.write_bytes(content)
    errands = load_errands((path,))
    assert errands.errands == OWN.errands
    assert len(errands.failures) == 1
    assert str(path) in errands.failures[0]


@pytest.mark.parametrize(
    "url",
    ["http://esante.gouv.fr/", "file:///etc/passwd", "javascript:alert(1)", "https://esante.gouv.fr@evil.example/", 7, None,
     "https://esante.gouv.fr:8443/", "https:///x", "https://ésante.example/", "https://a.example/\nx", "https://a b/",
     "--help", "https://[::1", ""],
)  # fmt: skip
def test_other_pages_than_plain_https_are_never_opened(tmp_path, url):
    assert safe_url(url) is None
    path = tmp_path / "errands.toml"
    if isinstance(url, str) and "\n" not in url:
        path.write_text(f'[[errand]]\nid = "x"\nsituation = "lost"\nfr = "x"\nurl = "{url}"\n')
        (errand,) = [errand for errand in load_errands((path,)).errands if errand.id == "x"]
        assert errand.url is None


SITUATIONS_OF_THE_PORTAL = {
    "registration authority": ("registration", "self"),
    "cards of staff": ("order", "structure"),
    "cards of the staff of a practice": ("order", "employer"),
    "loss": ("lost", "structure"),
    "theft": ("stolen", "employer"),
    "fault": ("faulty", "structure"),
    "departure": ("departure", "structure"),
    "departure from a practice": ("departure", "employer"),
    "lost codes": ("codes-lost", "self"),
    "lost codes of staff": ("codes-lost", "structure"),
    "blocked code": ("blocked", "self"),
    "e-CPS": ("e-cps", "self"),
    "digital identity": ("identity", "self"),
    "certificates": ("certificates", "structure"),
    "RPPS+": ("registration", "structure"),
    "temporary staff": ("temporary-staff", "structure"),
    "directory": ("directory", "self"),
    "mailbox": ("mail", "self"),
    "security framework": ("security", "structure"),
    "forms": ("forms", "self"),
}


@pytest.mark.parametrize(("situation", "audience"), SITUATIONS_OF_THE_PORTAL.values(), ids=SITUATIONS_OF_THE_PORTAL)
def test_every_errand_of_the_portal_is_there(situation, audience):
    assert OWN.for_audience(audience).for_situation(situation)
    assert situation in OWN.situations


def test_an_order_begins_with_the_contract():
    orders = [errand.id for errand in OWN.for_group("certificates")]
    assert orders[:2] == ["contract", "certificate-order"]


def test_ids_are_unique_and_corrections_without_a_group_stand_where_they_did(tmp_path):
    assert len({errand.id for errand in OWN.errands}) == len(OWN.errands)
    path = tmp_path / "errands.toml"
    path.write_text(
        '[[errand]]\nid = "a"\nsituation = "blocked"\nfr = "a"\n'
        '[[errand]]\nid = "b"\nsituation = "lost"\nfr = "b"\n'
        '[[errand]]\nid = "c"\nsituation = "blocked"\naudience = "structure"\nfr = "c"\n'
    )
    errands = load_errands((path,))
    assert [errands.find(name).group for name in "abc"] == ["codes", "card", "staff"]
    assert errands.find("d") is None


WRONG_TYPES = {
    "id": "7", "situation": "['lost']", "also": "'lost'", "group": "{a = 1}", "audience": "true", "fr": "1.5",
    "text_en": "[1]", "code": "2026-01-01",
}  # fmt: skip


@pytest.mark.parametrize("member", WRONG_TYPES)
def test_attack_wrong_type_costs_the_file_and_nothing_else(tmp_path, member):
    members = {"id": "'x'", "situation": "'lost'"} | {member: WRONG_TYPES[member]}
    path = tmp_path / "errands.toml"
    path.write_text("[[errand]]\n" + "\n".join(f"{name} = {value}" for name, value in members.items()))
    errands = load_errands((path,))
    assert errands.errands == OWN.errands
    assert [failure.startswith(f"{path}: ") for failure in errands.failures] == [True]


@pytest.mark.parametrize("line", ["a{} = 1", "[a{}]", "[[a{}]]"])
def test_attack_keys_within_keys_do_not_take_hours(tmp_path, line):
    path = tmp_path / "errands.toml"
    path.write_text(line.format(".a" * 100_000), encoding="utf-8")
    begun = time.monotonic()
    assert len(load_errands([path]).failures) == 1
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "content",
    ["[[errand]]\nid = 'x'\nsituation = 'lost'\n" * 201, "a = " + "[" * 100_000, "a = " + "9" * 200_000,
     "[[errand]]\nid = 'x'\nsituation = 'lost'\nalso = [" + "'a'," * 101 + "]", "[errand]\nid = 'x'"],
    ids=["many entries", "deep", "a huge number", "a long list", "no list"],
)  # fmt: skip
def test_attack_file_that_would_burden_the_page_is_refused(tmp_path, content):
    path = tmp_path / "errands.toml"
    path.write_text(content)
    errands = load_errands((path,))
    assert errands.errands == OWN.errands
    assert len(errands.failures) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and devices of POSIX")
def test_attack_pipe_folder_and_endless_device_in_the_place_of_the_file(tmp_path):
    pipe, folder, device = tmp_path / "pipe", tmp_path / "folder", tmp_path / "device"
    os.mkfifo(pipe)
    folder.mkdir()
    device.symlink_to("/dev/zero")
    errands = load_errands((pipe, folder, device))
    assert errands.errands == OWN.errands
    assert len(errands.failures) == 3


def test_attack_url_of_a_correction_is_no_other_than_it_seems(tmp_path):
    path = tmp_path / "errands.toml"
    path.write_text('[[errand]]\nid = "x"\nsituation = "lost"\nfr = "x"\nurl = "https://a.example/\\u202egro.etnase"\n')
    assert load_errands((path,)).find("x").url is None
