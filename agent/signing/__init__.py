"""Signatures of documents with the card's signature key: one file per format.

Which question is answered where: `words` formats, levels and what each takes; `preparation` the seam that a format
fills; `kinds` which module makes what; `signing` the way from a call to finished signatures; `workshop` and `worker`
the child process in which documents are read and written, on both sides; `messages` what passes between them; `raw`
hashes that a program made; `cms` CMS and CAdES, `cades`, `archive` what its levels add; `pades` PDF, with what is
particular to such files in `pdf`; `jws`, `jades` what their names say, `jose` what both share. `timestamps` asks for
them, `authorities` says who vouches for them, `evidence` proves that nobody is revoked; `signeddata`, `tokens` read
CMS and time-stamps, for whoever signs or verifies.
"""
