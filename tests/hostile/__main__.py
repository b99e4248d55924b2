"""Make the corpus anew: `python -m hostile`."""

from __future__ import annotations

import shutil
import sys

from hostile.corpus import FILES, ROOT, Entry, write_index
from hostile.makers import bytes_, calls, cms, jose, pdf, stamps, xml, zips
from hostile.pki import make_pki

MAKERS = (xml, zips, jose, cms, pdf, stamps, calls, bytes_)


def main() -> int:
    pki, entries = make_pki(), []
    shutil.rmtree(FILES, ignore_errors=True)
    FILES.mkdir()
    ROOT.write_bytes(pki.root_der)
    for maker in MAKERS:
        for made in maker.make(pki):
            path = FILES / made.name
            assert not path.exists(), made.name
            path.write_bytes(made.content)
            entries.append(Entry(made.name, made.kind, made.expected, made.line, made.beside))
    write_index(entries)
    sys.stdout.write(f"{len(entries)} files, {sum(path.stat().st_size for path in FILES.iterdir())} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
