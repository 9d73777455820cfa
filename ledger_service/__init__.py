"""The system of record, in stage order, from the journal to the evidence that leaves it."""
