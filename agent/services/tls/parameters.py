"""OSSL_PARAM (openssl/core.h, OSSL_PARAM(3)): arrays of named values by which OpenSSL and providers talk."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from agent.services.tls.libssl import Param

INTEGER: Final = 1
UNSIGNED: Final = 2
UTF8: Final = 4

Value = int | str
Params = ctypes.Array[Param]


def describe(types: Mapping[str, int]) -> Params:
    """An array without values, which says what may be asked or set."""
    return _array([Param(name.encode(), kind, None, 0, 0) for name, kind in types.items()])


def make(values: Mapping[str, int]) -> Params:
    """An array of unsigned numbers, of whatever size."""
    buffers = [_number(value) for value in values.values()]
    rows = zip(values, buffers, strict=True)
    array = _array([Param(name.encode(), UNSIGNED, ctypes.addressof(data), len(data), 0) for name, data in rows])
    array.buffers = buffers  # type: ignore[attr-defined] # which the addresses alone would not keep
    return array


def read(address: int | None) -> dict[str, Value]:
    """The numbers and words of an array; what is of another kind is left out."""
    found = {param.key.decode(): _value(param) for param in _walk(address)}
    return {name: value for name, value in found.items() if value is not None}


def answer(address: int | None, values: Mapping[str, int]) -> bool:
    """Fill in what is asked for and known. Gives whether all of that had room."""
    return all(_fill(param, values[name]) for param in _walk(address) if (name := param.key.decode()) in values)


def _array(params: list[Param]) -> Params:
    return (Param * (len(params) + 1))(*params)


def _number(value: int) -> ctypes.Array[ctypes.c_char]:
    data = value.to_bytes((value.bit_length() + 7) // 8 or 1, sys.byteorder)
    return ctypes.create_string_buffer(data, len(data))


def _walk(address: int | None) -> Iterator[Param]:
    """Those before the one without a name, where they lie."""
    while address:
        param = Param.from_address(address)
        if param.key is None:
            return
        yield param
        address += ctypes.sizeof(Param)


def _value(param: Param) -> Value | None:
    if not param.data:
        return None
    data = ctypes.string_at(param.data, param.data_size)
    if param.data_type == UTF8:
        return data.partition(b"\0")[0].decode("utf-8", "replace")
    if param.data_type in (INTEGER, UNSIGNED):
        return int.from_bytes(data, sys.byteorder, signed=param.data_type == INTEGER)
    return None


def _fill(param: Param, value: int) -> bool:
    if param.data_type not in (INTEGER, UNSIGNED):
        return False
    size = param.data_size if param.data else ctypes.sizeof(ctypes.c_int)
    try:
        data = value.to_bytes(size, sys.byteorder, signed=param.data_type == INTEGER)
    except OverflowError:
        return False
    param.return_size = size
    if param.data:
        ctypes.memmove(param.data, data, size)
    return True
