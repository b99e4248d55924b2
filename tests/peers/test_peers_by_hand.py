"""`make peers` tells people what to type: each line does what it says."""

from __future__ import annotations

import shlex
import subprocess

from peers.__main__ import write_lines


def test_each_line_works(workstation) -> None:
    told = ""
    for line in write_lines(workstation):
        ran = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, (line, ran.stderr)
        told += ran.stdout
    assert workstation.command("psc", "logout", "logiciel").returncode == 0
    for fact in ("record: exists", "outcome: one identity", "person: 899700002712", "messages: 1"):
        assert fact in told
