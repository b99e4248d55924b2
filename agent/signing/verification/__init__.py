"""Signatures of others: found in a document, checked, and judged; all of it in a process that ends afterwards."""
