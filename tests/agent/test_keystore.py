"""The key store against a real Secret Service (GNOME's keyring), and where there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.secret_service import secret_service, why_no_secret_service

from agent.keystore import MAX_SECRET, KeyStoreUnavailableError, SystemKeyStore, UnavailableKeyStore, open_key_store

needs_secret_service = pytest.mark.skipif(why_no_secret_service() is not None, reason=str(why_no_secret_service()))


@pytest.fixture
def store(tmp_path, monkeypatch):
    with secret_service(tmp_path / "keyring") as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield open_key_store()


@needs_secret_service
def test_a_secret_is_kept_replaced_and_forgotten(store):
    assert store.get("key") is None
    store.set("key", b"\x00first")
    store.set("key", bytearray(b"\xffsecond"))
    store.set("other", b"x" * MAX_SECRET)
    assert store.get("key") == b"\xffsecond"
    store.delete("key")
    store.delete("key")
    assert store.get("key") is None
    assert store.get("other") == b"x" * MAX_SECRET


@needs_secret_service
@pytest.mark.parametrize("secret", [b"", b"x" * (MAX_SECRET + 1)])
def test_what_is_no_short_secret_is_refused(store, secret):
    with pytest.raises(ValueError, match="bytes"):
        store.set("key", secret)


@needs_secret_service
def test_what_somebody_else_has_written_there_is_not_taken(store):
    store._backend.set_password("cps-agent", "key", "not base64 é")
    with pytest.raises(KeyStoreUnavailableError, match="somebody else"):
        store.get("key")


@needs_secret_service
def test_a_store_that_nobody_unlocks_says_so(tmp_path, monkeypatch):
    """In a process of its own: the library leaves its connection to the garbage collector then."""
    with secret_service(tmp_path / "keyring", unlocked=False) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        script = "from agent.keystore import open_key_store; open_key_store().set('key', b'secret')"
        done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "agent.keystore.KeyStoreUnavailableError" in done.stderr.splitlines()[-1]


def test_a_backend_that_hangs_is_left_behind():
    class Hanging:
        def get_password(self, service, name):
            read = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            started.append(read)
            read.wait()

    started = []
    with pytest.raises(KeyStoreUnavailableError, match="does not answer"):
        SystemKeyStore(Hanging(), timeout_s=0.2).get("key")
    for process in started:
        process.communicate(b"\n")


@pytest.mark.parametrize(
    ("platform", "environment"),
    [
        ("linux", {}),
        ("linux", {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}),
        ("win32", {}),
        ("darwin", {}),
        ("plan9", {}),
    ],
)
def test_where_there_is_none_every_call_gives_the_reason(platform, environment, monkeypatch):
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", environment.get("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere"))
    store = open_key_store(platform, environment)
    assert isinstance(store, UnavailableKeyStore)
    for call in (lambda: store.get("key"), lambda: store.set("key", b"secret"), lambda: store.delete("key")):
        with pytest.raises(KeyStoreUnavailableError, match="key: "):
            call()


@needs_secret_service
def test_a_configuration_that_names_another_backend_is_not_followed(tmp_path, store, monkeypatch):
    """keyring would take the backend of keyringrc.cfg, or of PYTHON_KEYRING_BACKEND, whichever it is."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    again = open_key_store()
    again.set("key", b"secret")
    assert store.get("key") == b"secret"
