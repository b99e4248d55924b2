"""`cps-agent means` and `cps-agent errands`, as a person and a program run them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import agent_program, command

from agent.commands.parser import AUDIENCES
from agent.people.errands import errands
from agent.people.errands.errands import load_errands

ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}
FRENCH = {**os.environ, "LC_ALL": "fr_FR.UTF-8"}


def run(*arguments: str, env: dict[str, str] = ENGLISH) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=60, env=env)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("agent")
    with agent_program(folder, "--virtual-kind", "cps3,cpe-anonymous", "--unattended"):
        yield folder


def test_means_are_a_table(running: Path) -> None:
    lines = run("means", "--data-dir", str(running)).stdout.splitlines()
    assert lines[0] == "HOPITAL D'ESSAI (test): ✓ complete"
    assert lines[1].startswith("  CPE 99900013  ✓ valid, until ")
    assert lines[2] == "Médecin CAMILLE VIRTUEL (test), RPPS 99700002712: ✓ has a valid means of identification"
    assert lines[4] == "  e-CPS         ? not known: not used here yet"
    french = run("means", "--data-dir", str(running), env=FRENCH).stdout
    assert "identification valable" in french
    assert "dans un lecteur en ce moment" in french


def test_means_as_json(running: Path) -> None:
    bearers = json.loads(run("means", "--json", "--data-dir", str(running)).stdout)
    assert [(bearer["kind"], bearer["verdict"]) for bearer in bearers] == [
        ("structure", "enough"),
        ("person", "enough"),
    ]


def test_means_without_an_agent(tmp_path: Path) -> None:
    assert run("means", "--data-dir", str(tmp_path)).returncode == 3


def test_errands_need_no_agent() -> None:
    done = run("errands", "lost")
    assert (done.returncode, done.stderr) == (0, "")
    assert "• Report the card lost online (TOPS) (to be checked)  [block-lost]" in done.stdout
    assert "https://esante.gouv.fr/assistance" in done.stdout
    assert "Déclarer la carte perdue" in run("errands", "lost", env=FRENCH).stdout


def test_errands_by_heading_by_name_and_for_an_audience() -> None:
    staff = json.loads(run("errands", "staff", "--json").stdout)
    assert {errand["group"] for errand in staff} == {"staff"}
    employer = json.loads(run("errands", "lost", "--for", "employer", "--json").stdout)
    assert [errand["id"] for errand in employer] == ["employer-tops"]
    (one,) = json.loads(run("errands", "e-cps-activate", "--json").stdout)
    assert one["name"]["fr"] != one["name"]["en"]
    assert one["checked"] is False
    assert len(json.loads(run("errands", "--json").stdout)) == len(load_errands(()).errands)


@pytest.mark.parametrize("word", ["PERDUE", "report the card lost"])
def test_errands_by_any_word_in_either_language(word: str) -> None:
    found = json.loads(run("errands", word, "--json").stdout)
    assert "block-lost" in [errand["id"] for errand in found]


def test_errands_say_who_registers_which_profession() -> None:
    told = run("errands", "register", env=FRENCH).stdout
    assert "Ordre de votre profession : Médecin, Pharmacien, Chirurgien-Dentiste" in told.replace("\u00a0", " ")
    assert "personnel des armées" in told


def test_a_situation_that_nobody_knows_names_those_known() -> None:
    done = run("errands", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "codes-lost" in done.stderr


def test_a_damaged_correction_is_said_and_ours_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / "cps-agent"
    folder.mkdir()
    (folder / "errands.toml").write_text("[[errand]]\nid = 7\n")
    done = run("errands", "blocked", env={**ENGLISH, "XDG_CONFIG_HOME": str(tmp_path)})
    assert done.returncode == 0
    assert "errands.toml" in done.stderr
    assert "Unblock the code" in done.stdout


def test_the_audiences_of_the_command_line_are_those_of_the_data() -> None:
    """The parser imports no data."""
    assert AUDIENCES == errands.AUDIENCES
