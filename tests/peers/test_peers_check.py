"""`cps-agent services check` before services that fail at one layer each: it names that layer, and what came before it."""

from __future__ import annotations

import json

import pytest

LAYERS = ["name", "connection", "tls", "server-certificate", "own-certificate", "answer"]


def test_everything_works(workstation) -> None:
    checked = workstation.command("services", "check", "dmp", "--json")
    found = json.loads(checked.stdout)
    assert (checked.returncode, [each["layer"] for each in found]) == (0, LAYERS)
    assert all(each["works"] for each in found)
    assert found[-1]["detail"].startswith("400")
    listed = json.loads(workstation.command("services", "--json").stdout)
    assert "dmp" in [channel["service"] for channel in listed["channels"]]
    assert workstation.command("services", "close", "dmp").returncode == 0
    listed = json.loads(workstation.command("services", "--json").stdout)
    assert "dmp" not in [channel["service"] for channel in listed["channels"]]


@pytest.mark.parametrize("layer", LAYERS[:-1])
def test_the_layer_at_fault_is_named(workstation, layer: str) -> None:
    checked = workstation.command("services", "check", layer, "--json")
    works = {each["layer"]: each["works"] for each in json.loads(checked.stdout)}
    place = LAYERS.index(layer)
    expected = [True] * place + [False] + [None] * (len(LAYERS) - place - 1)
    assert works == dict(zip(LAYERS, expected, strict=True))
    assert checked.returncode == 11


def test_a_person_reads_marks_and_a_sentence(workstation) -> None:
    told = workstation.command("services", "check", "connection").stdout.splitlines()
    assert [line.split()[0] for line in told[1:]] == ["✓", "✗", "?", "?", "?", "?"]
    assert "port 1 of localhost" in told[2]
    assert workstation.command("services", "check", "nothing").returncode == 2


def test_all_services_are_listed(workstation) -> None:
    told = workstation.command("services").stdout
    assert "insi-qualification-cps: INSi (qualification, CPS)" in told
    assert "formation1.lps2.dmp.gouv.fr/si-dmp-server/v2/services (address not confirmed)" in told


def test_nothing_is_said_of_a_server_that_was_not_reached_for_want_of_a_certificate(workstation) -> None:
    found = json.loads(workstation.command("services", "check", "insi", "--json").stdout)
    assert [each["works"] for each in found] == [True, True, None, None, False, None]
    named = workstation.command("services", "check", "insi", "--card", workstation.number, "--json")
    assert (named.returncode, [each["works"] for each in json.loads(named.stdout)]) == (0, [True] * 6)
