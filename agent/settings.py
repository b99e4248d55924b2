"""Settings: defaults < machine policy < user file < environment < flags; what the policy names, nobody overrides."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from drivers.virtual.names import DEFAULT_KIND, KIND_NAMES

APP = "cps-agent"
ENVIRONMENT_PREFIX = "CPS_AGENT_"
SHELL_FOLDERS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\Shell Folders"
MAX_FILE = 16_384  # one key of many dots keeps tomllib busy for the square of its length
MAX_MODULES = 16  # each is a process at the start
MAX_SESSION_MINUTES = 60
MAX_SESSION_USES = 200
PROMPTS = ("dialog", "terminal", "none")
CARD_ACCESSES = ("auto", "direct", "modules")
MAX_PATHS = 64
MAX_HOSTS = 16
HOST = re.compile(r"([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
ORIGIN = re.compile(rf"https://{HOST.pattern}")
REVOCATION_HOSTS = ("igc-sante.esante.gouv.fr", "ocsp.esante.gouv.fr")
SOFTWARE_KEYS = ("auto", "key-store", "passphrase")


class SettingsError(Exception):
    """A settings file or variable cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one run of the agent behaves. `port` None: the first free of the agent's own ports.

    `virtual`: the embedded test cards instead of the workstation's readers, one reader for each of `virtual_kind`.
    `modules`: PKCS#11 libraries to use beside those installed at known places; `card_access`: the direct way to a card
    and modules where it has none, or one of the two alone. `pin_session_minutes`, `pin_session_uses`: what a person may
    be offered when a code is typed, in time and in signatures; 0: no session is ever offered. `pin_pads` False: codes
    are typed in the agent's window though the reader announces keys of its own. `directory`: professionals may be
    looked up in the Annuaire Santé, at `directory_url`, once this user has given an API key.
    `software_keys`: what protects the keys of software certificates where a caller names nothing: the system's key
    store, a passphrase, or the key store where there is one (auto).
    `test_authorities`, `intermediate_authorities`: files, or folders of files, of certificates; see `TrustTerms`.
    `trust_test_cards`: the test root of the data folder counts as a root, as it does with `virtual` and `unattended`.
    `revocation` False: nobody is asked whether a certificate is revoked; `revocation_hosts`: who may be asked.
    `timestamp_url`: the time-stamp authority (RFC 3161); `timestamp_authorities`: files or folders of certificates that
    vouch for it; `timestamp_hosts`: who may be asked about their revocation, besides `revocation_hosts`.
    `door` False: PKCS#11 programs find no agent.
    `services`: a file of health services, issuers and clients besides those shipped (agent.services.catalog).
    `mail_bridge`: mail programs may come to the mailboxes of `services` from the agent's start on; `mail_imap_port`,
    `mail_smtp_port`: where (0: any free port).
    `gateway_origins`: pages that may ask for the gateway as programs may; for the machine policy alone to say.
    """

    data_dir: Path
    port: int | None = None
    prompt: str = "dialog"
    language: str | None = None
    virtual: bool = False
    virtual_kind: tuple[str, ...] = (DEFAULT_KIND,)
    unattended: bool = False
    modules: tuple[Path, ...] = ()
    card_access: str = "auto"
    pin_session_minutes: int = 15
    pin_session_uses: int = 20
    pin_pads: bool = True
    directory: bool = False
    software_keys: str = "auto"
    directory_url: str = "https://gateway.api.esante.gouv.fr/fhir/v2"
    test_authorities: tuple[Path, ...] = ()
    intermediate_authorities: tuple[Path, ...] = ()
    trust_test_cards: bool = False
    revocation: bool = True
    revocation_hosts: tuple[str, ...] = REVOCATION_HOSTS
    timestamp_url: str | None = None
    timestamp_authorities: tuple[Path, ...] = ()
    timestamp_hosts: tuple[str, ...] = ()
    door: bool = True
    services: Path | None = None
    gateway_origins: tuple[str, ...] = ()
    mail_bridge: bool = False
    mail_imap_port: int = 27743
    mail_smtp_port: int = 27725


POLICY_ONLY = frozenset({"gateway_origins"})
"""What nobody but the administrator of the machine decides."""


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """Merge every source; flags that are None do not count. Raises SettingsError."""
    environment = os.environ if environment is None else environment
    policy = _read_file(policy_file())
    settings = _apply(Settings(data_dir=usual_data_dir()), policy)
    for source in (_read_file(user_file()), _read_environment(environment), _given(flags)):
        _require_none_for_policy(source)
        settings = _apply(settings, source)
    return _apply(settings, policy)


def _require_none_for_policy(source: Mapping[str, Any]) -> None:
    for name in sorted(POLICY_ONLY & source.keys()):
        raise SettingsError(f"{source['']}: {name} is for the machine policy alone ({policy_file()})")


def usual_data_dir() -> Path:
    """The data folder of a run that names none."""
    return Path(platformdirs.user_data_dir(APP, appauthor=False, roaming=False))


def user_file() -> Path:
    """The user's own settings."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False)) / "settings.toml"


def policy_file() -> Path:
    """What an administrator deploys."""
    if sys.platform == "win32":
        return _program_data() / APP / "policy.toml"
    if sys.platform == "darwin":
        return Path("/Library/Application Support") / APP / "policy.toml"
    return Path("/etc") / APP / "policy.toml"


def _program_data() -> Path:
    """Ask the machine's registry: a user could point the variables PROGRAMDATA and WIN_PD_OVERRIDE_… elsewhere."""
    import winreg  # noqa: PLC0415 - Windows only

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, SHELL_FOLDERS) as key:  # type: ignore[attr-defined, unused-ignore]
        folder, _ = winreg.QueryValueEx(key, "Common AppData")  # type: ignore[attr-defined, unused-ignore]
    return Path(folder)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE:
            raise SettingsError(f"{path} is larger than settings can be")
        return {"": str(path), **tomllib.loads(path.read_text("utf-8"))}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no text, no TOML, endless digits
        raise SettingsError(f"{path} cannot be read: {error}") from error


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {field.name for field in fields(Settings)}
    values = {key.removeprefix(ENVIRONMENT_PREFIX).lower(): value for key, value in environment.items()}
    return {"": "the environment", **{name: value for name, value in values.items() if name in names}}


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {"": "the command line", **{name: value for name, value in flags.items() if value is not None}}


def _apply(settings: Settings, source: Mapping[str, Any]) -> Settings:
    names = {field.name for field in fields(Settings)}
    values: dict[str, Any] = {}
    for name, value in source.items():
        if name and name not in names:
            raise SettingsError(f"{source['']}: unknown setting {name!r}")
        if name:
            values[name] = _convert(name, value, source[""])
    return replace(settings, **values)


def _convert(name: str, value: Any, source: str) -> Any:
    try:
        return CONVERTERS[name](value)
    except (ValueError, TypeError, RuntimeError) as error:  # RuntimeError: the home of nobody
        raise SettingsError(f"{source}: {name} cannot be {value!r}") from error


def _bounded(most: int) -> Callable[[Any], int]:
    """A whole number from 0 to `most`."""

    def convert(value: Any) -> int:
        if isinstance(value, bool | float):
            raise TypeError(value)
        number = int(value)
        if not 0 <= number <= most:
            raise ValueError(value)
        return number

    return convert


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _folder(value: Any) -> Path:
    """A folder that is named: an empty name would be the current one, which would be closed to others and filled."""
    text = str(value) if isinstance(value, Path) else _text(value)
    if not text or "\0" in text:
        raise ValueError(value)
    return Path(text).expanduser()


def _prompt(value: Any) -> str:
    if value not in PROMPTS:
        raise ValueError(value)
    return str(value)


def _paths(most: int) -> Callable[[Any], tuple[Path, ...]]:
    """A list of paths, or one text of paths as PATH has them; each from the root, so that no folder can slip one in."""

    def convert(value: Any) -> tuple[Path, ...]:
        texts = value.split(os.pathsep) if isinstance(value, str) else value
        if not isinstance(texts, list | tuple):
            raise TypeError(value)
        paths = tuple(Path(text) for text in texts if text)
        if len(paths) > most or not all(path.is_absolute() and "\0" not in str(path) for path in paths):
            raise ValueError(value)
        return paths

    return convert


def _file(value: Any) -> Path:
    """A file that is named from the root, so that no folder can slip another in."""
    path = _folder(value)
    if not path.is_absolute():
        raise ValueError(value)
    return path


def _origins(value: Any) -> tuple[str, ...]:
    """Web origins as browsers write them: https, a host, a port other than 443; as a list."""
    if not isinstance(value, list | tuple):
        raise TypeError(value)
    origins = tuple(_text(origin) for origin in value)
    if len(origins) > MAX_HOSTS or not all(ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(value)
    return origins


def _hosts(value: Any) -> tuple[str, ...]:
    """Names of hosts, some with a port, as a list or with commas between."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise TypeError(value)
    hosts = tuple(_text(name).strip().lower() for name in names if name)
    if len(hosts) > MAX_HOSTS or not all(HOST.fullmatch(host) for host in hosts):
        raise ValueError(value)
    return hosts


def _virtual_kinds(value: Any) -> tuple[str, ...]:
    """Names of virtual cards, as a list or with commas between; each once, since each is one card."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise TypeError(value)
    kinds = tuple(_text(name).strip() for name in names)
    if not kinds or len(set(kinds)) != len(kinds) or not set(kinds) <= set(KIND_NAMES):
        raise ValueError(value)
    return kinds


def _card_access(value: Any) -> str:
    if value not in CARD_ACCESSES:
        raise ValueError(value)
    return str(value)


def _service_url(*schemes: str) -> Callable[[Any], str]:
    """An address, without credentials, query, or anything that two readers could understand in two ways."""

    def convert(value: Any) -> str:
        text = _text(value)
        parts = urlsplit(text)
        plain = text.isascii() and text.isprintable() and not set(text) & set(" @?#\\%")
        if parts.scheme not in schemes or not plain or not parts.hostname or parts.port == 0 or ".." in parts.path:
            raise ValueError(value)
        return text

    return convert


def _timestamp_url(value: Any) -> str | None:
    """Plain http too: a time-stamp is signed, and shows a hash to whoever listens. An empty text sets none."""
    return None if value == "" else _service_url("http", "https")(value)


def _software_keys(value: Any) -> str:
    if value not in SOFTWARE_KEYS:
        raise ValueError(value)
    return str(value)


WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


def _boolean(value: Any) -> bool:
    word = str(value).lower()
    if word not in WORDS:
        raise ValueError(value)
    return WORDS[word]


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "data_dir": _folder,
    "port": _bounded(65535),
    "prompt": _prompt,
    "language": _text,
    "virtual": _boolean,
    "virtual_kind": _virtual_kinds,
    "unattended": _boolean,
    "modules": _paths(MAX_MODULES),
    "card_access": _card_access,
    "software_keys": _software_keys,
    "pin_session_minutes": _bounded(MAX_SESSION_MINUTES),
    "pin_session_uses": _bounded(MAX_SESSION_USES),
    "pin_pads": _boolean,
    "directory": _boolean,
    "directory_url": _service_url("https"),
    "test_authorities": _paths(MAX_PATHS),
    "intermediate_authorities": _paths(MAX_PATHS),
    "trust_test_cards": _boolean,
    "revocation": _boolean,
    "revocation_hosts": _hosts,
    "timestamp_url": _timestamp_url,
    "timestamp_authorities": _paths(MAX_PATHS),
    "timestamp_hosts": _hosts,
    "door": _boolean,
    "services": _file,
    "gateway_origins": _origins,
    "mail_bridge": _boolean,
    "mail_imap_port": _bounded(65535),
    "mail_smtp_port": _bounded(65535),
}
