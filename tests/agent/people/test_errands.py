"""Whom to turn to: by situation and profession, from data that an administrator or a user corrects."""

from __future__ import annotations

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
            assert errand.code in ("none", "pin", "unblocking")


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
    assert all(not errand.checked for errand in OWN.errands if errand.url)


def test_our_pages_are_those_of_hosts_that_we_know():
    urls = [one.url for one in (*OWN.errands, *OWN.authorities) if one.url]
    assert urls
    assert all(url.startswith("https://esante.gouv.fr/") for url in urls)
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
