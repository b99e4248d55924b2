"""Hostile inputs kept as files, each with a line on what it is and what must happen: `files/` and `index.tsv`.

`python -m hostile` (in tests/) makes them anew, with keys that are thrown away; root.der is who is believed.
"""
