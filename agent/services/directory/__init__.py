"""The Annuaire Santé: who a professional is according to the national directory (FHIR R4 API, version 2)."""
