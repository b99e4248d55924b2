"""The workflow for Windows and macOS runs a script; here it runs on Linux, so that it is known to work somewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import portability
import pytest

PROJECT = Path(__file__).parents[2]


def test_script_of_the_workflow_runs():
    script = PROJECT / "tests/installer/portability.py"
    done = subprocess.run(
        [sys.executable, str(script)], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "modules imported on linux" in done.stdout


def test_no_module_is_left_out_that_could_be_imported():
    """Take away what Windows does not have: only the module that is named for it may fail."""
    left_out = [name for name, (_, reason) in portability.ELSEWHERE.items() if "POSIX" in reason]
    script = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1]); import portability;"
        "sys.modules.update(dict.fromkeys(('termios', 'resource', 'pwd', 'grp', 'tty')));"
        "others = [name for name, (_, why) in portability.ELSEWHERE.items() if 'POSIX' not in why];"
        "names = [n for n in portability.find_modules('agent', 'drivers') if n not in others]\n"
        "for name in names:\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError: print(name)"
    )
    folder = str(Path(portability.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", script, folder], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == left_out


@pytest.mark.parametrize("system", ["windows-latest", "macos-latest"])
def test_workflow_runs_that_script(system):
    workflow = (PROJECT / ".github/workflows/portability.yml").read_text()
    assert system in workflow
    assert "python tests/installer/portability.py" in workflow
