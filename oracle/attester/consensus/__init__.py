"""How attesters come to sign the same leaves: a state machine without I/O (docs/metering.md has its picture)."""
