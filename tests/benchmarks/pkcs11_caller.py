"""Call C_GetSessionInfo of a PKCS#11 module: for each number on standard input so many times, answered with times."""

import ctypes
import json
import sys
import time

INITIALIZE, GET_SLOT_LIST, OPEN_SESSION, GET_SESSION_INFO = 0, 4, 12, 15
"""Where functions stand in CK_FUNCTION_LIST (PKCS #11 v2.40 §3.6), after the version."""
CKF_SERIAL_SESSION = 4
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_ulong)


class FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST as far as it is needed."""

    _fields_ = (("version", ctypes.c_ubyte * 2), ("functions", ctypes.c_void_p * 68))


class SessionInfo(ctypes.Structure):
    """CK_SESSION_INFO."""

    _fields_ = tuple((name, ctypes.c_ulong) for name in ("slot", "state", "flags", "error"))


def main(path):
    call = Functions(path)
    call(INITIALIZE, None)
    slots, count = (ctypes.c_ulong * 16)(), ctypes.c_ulong(16)
    call(GET_SLOT_LIST, ctypes.c_ubyte(1), slots, ctypes.byref(count))
    session, info = ctypes.c_ulong(), SessionInfo()
    call(OPEN_SESSION, ctypes.c_ulong(slots[0]), ctypes.c_ulong(CKF_SERIAL_SESSION), None, None, ctypes.byref(session))
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            started = time.perf_counter()
            call(GET_SESSION_INFO, session, ctypes.byref(info))
            times.append(time.perf_counter() - started)
        sys.stdout.write(json.dumps({"times": times, "signature": ""}) + "\n")
        sys.stdout.flush()


class Functions:
    """A module's functions by their numbers; RuntimeError for what is not CKR_OK."""

    def __init__(self, path):
        listed = ctypes.POINTER(FunctionList)()
        ctypes.CDLL(path).C_GetFunctionList(ctypes.byref(listed))
        self._pointers = listed.contents.functions

    def __call__(self, number, *arguments):
        rv = FUNCTION(self._pointers[number])(*arguments)
        if rv:
            raise RuntimeError(f"function {number}: 0x{rv:X}")


if __name__ == "__main__":
    main(*sys.argv[1:])
