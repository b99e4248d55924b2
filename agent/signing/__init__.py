"""Signatures of documents with the card's signature key: one module per format, and batches of documents.

What passes from a call to finished signatures: `words` formats, levels and what each takes; `documents`, `errors`;
`preparation` the seam that a format fills, `kinds` which module fills it for what, `policies` how they are named;
`signing` the way itself; `workshop` and `worker` the process in which documents are read and written, on both sides,
`messages` what passes between them, `turns` how many of it one caller takes; `opening` sets all of it
up when it is asked for, `outside` whom it may ask. `batch` how far many
documents are, `batches` all of them, `batchrun` one run with one code, `batch_errors` why not.

Formats: `raw` hashes that a program made; `cms` CMS and CAdES, `cades` and `archive` what its levels add; `pades` and
`pdf`; `xmldsig`, `xades` (`xades_properties`), `asic` (`containers`), over `xml_signature` what they share,
`xml_packaging` where the document stands, `xml_companions` signatures beside it, `xml_names` and `xml_algorithms` what
things are called, `xml_elements` how XML is written, and `xml`, the safe way to read and hash it; `jws`, `jades`, over
`jose`; `dmp` what the DMP and INSi ask.

What they are made of: `timestamps` asks for them, `authorities` who vouches for those, `evidence` proves that nobody
is revoked; `signeddata`, `tokens` read CMS and time-stamps, for whoever signs or verifies; `mechanisms` names in CMS,
`synchronous` pyHanko without an event loop. `verification` judges signatures, one reader per family.
"""
