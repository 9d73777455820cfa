"""Evidence: bundles from which an outsider repeats every step (docs/evidence.md)."""
