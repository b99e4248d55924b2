"""`cps-agent software elsewhere`: what other programs keep is named, and no agent is needed for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from support.nss import make_profile
from support.processes import command

needs_nss = pytest.mark.skipif(not shutil.which("pk12util"), reason="needs certutil and pk12util (libnss3-tools)")


@pytest.fixture
def run(tmp_path):
    def run(*arguments, language="C.UTF-8"):
        env = {**os.environ, "LC_ALL": language, "HOME": str(tmp_path / "home")}
        done = subprocess.run(
            command("software", "elsewhere", *arguments), capture_output=True, text=True, check=False, env=env
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@needs_nss
def test_a_key_of_firefox_is_named_with_what_to_do(run, tmp_path, auth):
    folder = make_profile(tmp_path / "home" / ".mozilla" / "firefox" / "abc.default", auth)
    shown = run()
    assert "CABINET VIRTUEL" in shown
    assert f"Firefox, Thunderbird or Chromium: {folder}" in shown
    assert "cps-agent software import" in shown
    assert "clés restent où elles sont" in run(language="fr_FR.UTF-8")
    (one,) = json.loads(run("--json"))["certificates"]
    assert (one["store"], one["place"], one["role"], one["hasKey"]) == ("nss", str(folder), "AUTH_CLI", True)


def test_nothing_found_is_said(run):
    assert "No certificate" in run()
    assert json.loads(run("--json")) == {"certificates": []}


@pytest.fixture
def auth(organisation_keys):
    return organisation_keys["AUTH_CLI"]
