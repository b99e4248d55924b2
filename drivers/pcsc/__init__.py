"""Readers and cards through the workstation's PC/SC service; the only place that imports pyscard."""
