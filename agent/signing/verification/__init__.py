"""Signatures of others: found in a document, checked, and judged; all of it in a process that ends afterwards.

`verifier` is the agent's side and `child` the process, `messages` pass between them. `detection` tells the family of a
file, `readers` who reads it, `findings` what a reader tells. Readers: `cms` (`cms_levels`), `jose` (`jose_headers`,
`strict_json`), `asic`, `xml`, `pdf`; `carried` refuses what is damaged beside what is signed. `judging` decides: by
`paths` to whom is believed, `revocations`, `stamping` the moment that is proven, `usage` what a key may sign.
"""
