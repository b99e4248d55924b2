"""The calls of the protocol that are taken: their numbers and letters are the wire's, the names PKCS #11's without C_.

Not taken, as no card of a health professional can do them: InitToken, what makes, wraps or derives keys, and the
message functions of PKCS #11 v3.0.
"""

from __future__ import annotations

from agent.door.values import Call

HANDSHAKE = b"PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1"
"""What every client of the protocol says in C_Initialize."""

_OPERATION = "uayfy"

_TABLE = (
    (1, "Initialize", "ayyay", ""),
    (2, "Finalize", "", ""),
    (3, "GetInfo", "", "vsusv"),
    (4, "GetSlotList", "yfu", "au"),
    (5, "GetSlotInfo", "u", "ssuvv"),
    (6, "GetTokenInfo", "u", "ssssuuuuuuuuuuuvvs"),
    (7, "GetMechanismList", "ufu", "au"),
    (8, "GetMechanismInfo", "uu", "uuu"),
    (10, "OpenSession", "uu", "u"),
    (11, "CloseSession", "u", ""),
    (12, "CloseAllSessions", "u", ""),
    (13, "GetSessionInfo", "u", "uuuu"),
    (14, "InitPIN", "uay", ""),
    (15, "SetPIN", "uayay", ""),
    (16, "GetOperationState", "ufy", "ay"),
    (17, "SetOperationState", "uayuu", ""),
    (18, "Login", "uuay", ""),
    (19, "Logout", "u", ""),
    (20, "CreateObject", "uaA", "u"),
    (21, "CopyObject", "uuaA", "u"),
    (22, "DestroyObject", "uu", ""),
    (23, "GetObjectSize", "uu", "u"),
    (24, "GetAttributeValue", "uufA", "aAu"),
    (25, "SetAttributeValue", "uuaA", ""),
    (26, "FindObjectsInit", "uaA", ""),
    (27, "FindObjects", "ufu", "au"),
    (28, "FindObjectsFinal", "u", ""),
    (29, "EncryptInit", "uMu", ""),
    (30, "Encrypt", _OPERATION, "ay"),
    (31, "EncryptUpdate", _OPERATION, "ay"),
    (32, "EncryptFinal", "ufy", "ay"),
    (33, "DecryptInit", "uMu", ""),
    (34, "Decrypt", _OPERATION, "ay"),
    (35, "DecryptUpdate", _OPERATION, "ay"),
    (36, "DecryptFinal", "ufy", "ay"),
    (37, "DigestInit", "uM", ""),
    (38, "Digest", _OPERATION, "ay"),
    (39, "DigestUpdate", "uay", ""),
    (40, "DigestKey", "uu", ""),
    (41, "DigestFinal", "ufy", "ay"),
    (42, "SignInit", "uMu", ""),
    (43, "Sign", _OPERATION, "ay"),
    (44, "SignUpdate", "uay", ""),
    (45, "SignFinal", "ufy", "ay"),
    (46, "SignRecoverInit", "uMu", ""),
    (47, "SignRecover", _OPERATION, "ay"),
    (48, "VerifyInit", "uMu", ""),
    (49, "Verify", "uayay", ""),
    (50, "VerifyUpdate", "uay", ""),
    (51, "VerifyFinal", "uay", ""),
    (52, "VerifyRecoverInit", "uMu", ""),
    (53, "VerifyRecover", _OPERATION, "ay"),
    (63, "SeedRandom", "uay", ""),
    (64, "GenerateRandom", "ufy", "ay"),
    (65, "WaitForSlotEvent", "u", "u"),
    (66, "LoginUser", "uuayay", ""),
    (67, "SessionCancel", "uu", ""),
)

CALLS = {row[0]: Call(*row) for row in _TABLE}

PIN_CALLS = frozenset(("InitPIN", "SetPIN", "Login", "LoginUser"))
"""Calls whose bytes are a PIN, or who logs in with it: nothing here reads them."""
