"""Signatures in PDF files: `ranges` what one covers by its bytes, `changes` what came after it, `store` evidence."""
