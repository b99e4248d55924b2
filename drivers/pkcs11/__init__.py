"""Any PKCS#11 module, loaded only in worker processes; the only place that imports python-pkcs11."""
