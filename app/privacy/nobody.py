"""The address that stands in the place of an erased one, where a column must hold an address."""

# The System program's: no wallet, and nobody can ever hold its key. Nothing may be sent there.
NOBODY = "1" * 32
