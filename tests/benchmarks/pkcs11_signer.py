"""Sign with a PKCS#11 module in this process: for each number on standard input so many times, answered with times."""

import hashlib
import json
import sys
import time

import pkcs11


def main(path, serial, pin, key_id):
    token = pkcs11.lib(path).get_token(token_serial=serial.encode())
    wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.ID: bytes.fromhex(key_id)}
    with token.open(user_pin=pin) as session:
        key = next(iter(session.get_objects(wanted)))
        prefix = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256 (RFC 8017 §9.2)
        for line in sys.stdin:
            data, times, signature = prefix + hashlib.sha256(b"content").digest(), [], b""
            for _ in range(int(line)):
                started = time.perf_counter()
                signature = key.sign(data, mechanism=pkcs11.Mechanism.RSA_PKCS)
                times.append(time.perf_counter() - started)
            sys.stdout.write(json.dumps({"times": times, "signature": signature.hex()}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
