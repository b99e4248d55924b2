"""Every user of the machine, below a root of the test's own: policies that others have written too, and authorities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.desks import Done, Home, make_home
from support.trees import read_tree

from agent.modules.policies import read_policies, with_certificates, with_device, with_patience, without_ours
from agent.modules.values import ModulesError

POLICIES = "etc/firefox/policies/policies.json"
LIBRARY = "usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so"
FORM = {
    "policies": {
        "SecurityDevices": {"Add": {"Mine": "/x.so"}},
        "Certificates": {"ImportEnterpriseRoots": True, "Install": ["/mine.pem"]},
        "Preferences": {"a.b": {"Value": 1}},
        "DisableTelemetry": True,
    }
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    root = tmp_path / "machine"
    for folder in (Path(LIBRARY).parent, "usr/bin", "etc", "var/lib"):
        (root / folder).mkdir(parents=True)
    (root / LIBRARY).touch()
    (root / "usr/bin/chromium").touch()
    return root


def run(home: Home, machine: Path, *words: str) -> Done:
    return home.run(*words, "--system", "--root", str(machine))


def policies(machine: Path) -> dict[str, Any]:
    return json.loads((machine / POLICIES).read_text())["policies"]


def test_set_up_and_undone_leaves_everything_as_it_was(home: Home, machine: Path) -> None:
    before = read_tree(machine)
    done = run(home, machine, "setup", "--yes", "--site", "https://dmp.example")
    assert (done.returncode, done.stderr) == (0, "")
    assert policies(machine) == {
        "SecurityDevices": {"Add": {"CPS agent": str(machine / LIBRARY)}},
        "Preferences": {"network.http.tls-handshake-timeout": {"Value": 300, "Status": "default"}},
    }
    text = (machine / "etc/pkcs11/modules/cps-agent.module").read_text()
    assert "\nmodule: p11-kit-client.so\n" in text
    assert "p11-kit-server" in text
    rules = json.loads((machine / "etc/chromium/policies/managed/cps-agent.json").read_text())
    chosen = [json.loads(rule) for rule in rules["AutoSelectCertificateForUrls"]]
    assert {rule["pattern"] for rule in chosen} == {"https://dmp.example"}
    assert "AC IGC-SANTE FORT PERSONNES" in {rule["filter"]["ISSUER"]["CN"] for rule in chosen}
    assert not any("ORGANISATIONS" in rule["filter"]["ISSUER"]["CN"] for rule in chosen)
    for path in (machine / POLICIES, machine / "etc/pkcs11/modules/cps-agent.module"):
        assert path.stat().st_mode & 0o777 == 0o644  # every user reads it
        assert path.parent.stat().st_mode & 0o777 == 0o755
    assert "Nothing is to be changed." in run(home, machine, "setup", "--yes").stdout
    assert "not set up" not in run(home, machine, "status").stdout
    removed = run(home, machine, "remove", "--yes")
    assert (removed.returncode, "Profiles of Firefox keep" in removed.stdout) == (0, True)
    assert read_tree(machine) == before


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FORM),
        json.dumps(FORM, indent=4) + "\n\n",
        '{"policies":{}}',
        "{}",
        '{ "policies" : { "Preferences":{} } }',
        '{"policies": {"SecurityDevices": {"Old form": "/y.so"}}}',
        '{"policies": {"Preferences": {"network.http.tls-handshake-timeout": {"Value": 300, "Status": "default"}}}}',
        '{"policies": {}, "é": "\\u00e9"}',
    ],
)
def test_a_file_of_others_is_added_to_and_given_back_to_the_byte(home: Home, machine: Path, text: str) -> None:
    (machine / POLICIES).parent.mkdir(parents=True)
    (machine / POLICIES).write_text(text)
    (machine / POLICIES).chmod(0o640)
    before = read_tree(machine)
    run(home, machine, "setup", "--yes", "--trust-authorities")
    changed = policies(machine)
    for name, value in json.loads(text).get("policies", {}).items():
        assert changed[name] if not isinstance(value, dict) else value.keys() <= changed[name].keys()
    assert len([path for path in changed["Certificates"]["Install"] if "/etc/cps-agent/authorities/" in path]) == 6
    assert all(Path(path).is_file() for path in changed["Certificates"]["Install"] if path != "/mine.pem")
    assert run(home, machine, "remove", "--yes").returncode == 0
    assert read_tree(machine) == before


def test_what_others_change_meanwhile_stays(home: Home, machine: Path) -> None:
    (machine / POLICIES).parent.mkdir(parents=True)
    (machine / POLICIES).write_text(json.dumps(FORM))
    run(home, machine, "setup", "--yes")
    content = json.loads((machine / POLICIES).read_text())
    content["policies"]["BlockAboutConfig"] = True
    content["policies"]["Preferences"]["network.http.tls-handshake-timeout"]["Value"] = 60
    (machine / POLICIES).write_text(json.dumps(content))
    run(home, machine, "remove", "--yes")
    left = policies(machine)
    assert left.pop("BlockAboutConfig")
    assert left["Preferences"].pop("network.http.tls-handshake-timeout")["Value"] == 60
    assert left == FORM["policies"]


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"policies": []}', '{"policies": {"SecurityDevices": 1}}', '{"policies": {"a": 1, "a": 2}}', "[" * 10_000,
     '{"policies": {"Certificates": {"Install": {}}}}', '{"a":' + "[" * 700 + "]" * 700 + "}", "{} // comment", "\ufeff{}"],
)  # fmt: skip
def test_a_damaged_file_is_named_and_left_alone(home: Home, machine: Path, text: str) -> None:
    (machine / POLICIES).parent.mkdir(parents=True)
    (machine / POLICIES).write_text(text)
    done = run(home, machine, "setup", "--yes")
    assert (done.returncode, POLICIES in done.stderr) == (1, True)
    assert (machine / POLICIES).read_text() == text
    assert (machine / "etc/pkcs11/modules/cps-agent.module").exists()
    assert run(home, machine, "remove", "--yes").returncode == 1
    assert (machine / POLICIES).read_text() == text


def test_policies_of_the_distribution_are_not_hidden(home: Home, machine: Path) -> None:
    """Firefox reads one policies.json: that of /etc where there is one."""
    shipped = machine / "usr/lib/firefox-esr/distribution/policies.json"
    shipped.parent.mkdir(parents=True)
    shipped.write_text(json.dumps(FORM))
    assert str(shipped) in run(home, machine, "setup", "--yes").stderr
    assert not (machine / POLICIES).exists()


def test_another_policy_of_the_same_name_is_not_fought(home: Home, machine: Path) -> None:
    rival = machine / "etc/chromium/policies/managed/theirs.json"
    rival.parent.mkdir(parents=True)
    rival.write_text('{"AutoSelectCertificateForUrls": []}')
    assert str(rival) in run(home, machine, "setup", "--yes", "--site", "https://dmp.example").stderr
    assert not (rival.parent / "cps-agent.json").exists()


@pytest.mark.parametrize(
    "site", ["dmp.example", "http://dmp.example", "https://*", "https://[*.]", "https://a/b", "https://a b", "*", "",
             "https://u@a", 'https://a"', "https://a:123456"],
)  # fmt: skip
def test_attack_a_pattern_that_is_no_site(home: Home, machine: Path, site: str) -> None:
    before = read_tree(machine)
    assert run(home, machine, "setup", "--yes", "--site", site).returncode == 2
    assert read_tree(machine) == before


def test_wishes_for_the_machine_need_the_machine(home: Home) -> None:
    done = home.run("setup", "--yes", "--site", "https://dmp.example")
    assert (done.returncode, "--system" in done.stderr) == (2, True)


def test_nobody_elses_members_are_taken() -> None:
    original = {"policies": {"SecurityDevices": {"Add": {"CPS agent": "/theirs.so"}}}}
    changed = with_certificates(with_patience(with_device(original, "/ours.so")), ["/a.pem"])
    assert changed["policies"]["SecurityDevices"]["Add"] == {"CPS agent": "/ours.so"}
    assert without_ours(changed, {}, ["/a.pem"]) == {}
    with pytest.raises(ModulesError):
        read_policies("null", "x")
