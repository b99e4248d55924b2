"""The native calls of the Windows look-up: iphlpapi, and the tokens of advapi32."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes

from agent.access.errors import PeerRefusedError
from agent.access.windows import WindowsApi

assert sys.platform == "win32"  # also tells the type checker

ERROR_INSUFFICIENT_BUFFER = 122
PROCESS_QUERY_LIMITED_INFORMATION = 0x1000
TCP_TABLE_OWNER_PID_CONNECTIONS = 4
TOKEN_QUERY = 0x0008
TOKEN_USER = 1  # TOKEN_INFORMATION_CLASS

_READS = 5  # the table may grow between the call that tells its size and the one that reads it
_MAX_PATH_CHARS = 32_768
_MAX_SID_BYTES = 256

_iphlpapi = ctypes.WinDLL("iphlpapi")
_kernel32 = ctypes.WinDLL("kernel32")
_advapi32 = ctypes.WinDLL("advapi32")

_kernel32.OpenProcess.restype = wintypes.HANDLE
_kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
_kernel32.GetCurrentProcessId.restype = wintypes.DWORD
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_kernel32.LocalFree.argtypes = (ctypes.c_void_p,)
_kernel32.QueryFullProcessImageNameW.argtypes = (
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.LPWSTR,
    ctypes.POINTER(wintypes.DWORD),
)
_advapi32.OpenProcessToken.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE))
_advapi32.GetTokenInformation.argtypes = (
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
)
_advapi32.ConvertSidToStringSidW.argtypes = (ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))


class NativeWindowsApi(WindowsApi):
    """Calls Windows."""

    def read_table(self, family: int) -> bytes:
        """Call GetExtendedTcpTable until the room is enough."""
        size = wintypes.DWORD(0)
        for _ in range(_READS):
            buffer = ctypes.create_string_buffer(size.value)
            kind = TCP_TABLE_OWNER_PID_CONNECTIONS
            status = _iphlpapi.GetExtendedTcpTable(buffer, ctypes.byref(size), False, family, kind, 0)
            if status == 0:
                return buffer.raw
            if status != ERROR_INSUFFICIENT_BUFFER:
                break
        raise PeerRefusedError("the system does not show its connections")

    def user_of(self, process: int) -> str:
        """Open the process, its token, and read the token's user."""
        with _open_process(process) as handle, _open_token(handle) as token:
            return _user_of_token(token)

    def program_of(self, process: int) -> str | None:
        """Call QueryFullProcessImageName."""
        buffer, size = ctypes.create_unicode_buffer(_MAX_PATH_CHARS), wintypes.DWORD(_MAX_PATH_CHARS)
        try:
            with _open_process(process) as handle:
                done = _kernel32.QueryFullProcessImageNameW(handle, 0, buffer, ctypes.byref(size))
        except PeerRefusedError:
            return None
        return buffer.value if done else None


def own_sid() -> str:
    """Read the SID of the user whom this process runs as."""
    return NativeWindowsApi().user_of(_kernel32.GetCurrentProcessId())


@contextmanager
def _open_process(process: int) -> Iterator[int]:
    handle = _kernel32.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, False, process)
    if not handle:
        raise PeerRefusedError("the process of the connection cannot be looked at")
    try:
        yield handle
    finally:
        _kernel32.CloseHandle(handle)


@contextmanager
def _open_token(process: int) -> Iterator[wintypes.HANDLE]:
    token = wintypes.HANDLE()
    if not _advapi32.OpenProcessToken(process, TOKEN_QUERY, ctypes.byref(token)):
        raise PeerRefusedError("the user of the connection's process cannot be read")
    try:
        yield token
    finally:
        _kernel32.CloseHandle(token)


def _user_of_token(token: wintypes.HANDLE) -> str:
    """Read TOKEN_USER, whose first member points to the SID, and spell the SID."""
    buffer, size, text = ctypes.create_string_buffer(_MAX_SID_BYTES), wintypes.DWORD(), ctypes.c_void_p()
    if not _advapi32.GetTokenInformation(token, TOKEN_USER, buffer, len(buffer), ctypes.byref(size)):
        raise PeerRefusedError("the user of the connection's process cannot be read")
    sid = ctypes.c_void_p.from_buffer(buffer)
    if not _advapi32.ConvertSidToStringSidW(sid, ctypes.byref(text)) or text.value is None:
        raise PeerRefusedError("the user of the connection's process cannot be read")
    try:
        return ctypes.wstring_at(text.value)
    finally:
        _kernel32.LocalFree(text)
