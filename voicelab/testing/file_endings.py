"""How files of scenarios are called."""

ENDINGS = (".scenario.yaml", ".scenario.yml")
"""How their names end."""
