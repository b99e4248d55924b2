"""The directory that the settings describe: its address, its key in the system's key store, the agent's way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from agent.access.database import Database
from agent.services.directory.cache import DirectoryCache
from agent.services.directory.directory import Directory
from agent.services.directory.errors import ApiKeyUnreadableError, DirectoryAnswerError, DirectoryUnavailableError
from agent.settings import Settings

if TYPE_CHECKING:
    from agent.fetching import Request, Response
    from agent.services.directory.client import DirectoryClient, Get

KEY_NAME: Final = "esante-api-key"


def open_directory(settings: Settings, database: Database) -> Directory:
    """Nothing is asked or read before the first look-up, and nothing imported that the settings do not want."""
    return Directory(_make_client(settings.directory_url) if settings.directory else None, DirectoryCache(database))


def _make_client(base_url: str) -> DirectoryClient:
    from agent.services.directory.ceiling import Ceiling  # noqa: PLC0415 - only where it is wanted
    from agent.services.directory.client import DirectoryClient  # noqa: PLC0415

    return DirectoryClient(base_url, read_key, way_out(base_url), Ceiling())


def read_key() -> bytearray | None:
    """The API key, which the caller wipes, or None. Blocks. Raises ApiKeyUnreadableError."""
    from agent.keystore import KeyStoreUnavailableError, open_key_store  # noqa: PLC0415 - it brings D-Bus

    try:
        return open_key_store().get(KEY_NAME)
    except KeyStoreUnavailableError as error:
        raise ApiKeyUnreadableError(str(error)) from error


def way_out(base_url: str) -> Get:
    """Exchanges with the directory's own host and no other."""

    def get(request: Request) -> Response:
        from agent.fetching import AnswerTooLargeError, Fetcher, FetchError  # noqa: PLC0415 - it brings ssl

        try:
            return Fetcher({_host_of(base_url)}).fetch(request)
        except AnswerTooLargeError as error:
            raise DirectoryAnswerError(str(error)) from error
        except FetchError as error:
            raise DirectoryUnavailableError(str(error)) from error

    return get


def _host_of(base_url: str) -> str:
    """The one host, with its port, that the directory's requests go to."""
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port}" if parts.port is not None else str(host)
