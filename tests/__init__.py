"""The tests, foldered by how real they are: unit, integration, acceptance, chaos, fuzz, bench."""
