"""Signatures in PDF files.

`reader` finds them; `ranges` what one covers by its bytes, `changes` what came after it, `store` evidence.
"""
