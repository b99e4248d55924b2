"""PDF files as they are signed: opened with care, a place found, the visible part drawn, evidence added.

`files` opens and refuses; `layout` makes all but the signature's value; `placement` the field and its box;
`appearance` and `lettering` what a person sees; `earlier` signatures that stand already; `archiving` what the levels
LT and LTA add; `effort` bounds it all.
"""
