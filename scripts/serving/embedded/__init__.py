"""The whole system on one machine, with everything it needs embedded."""
