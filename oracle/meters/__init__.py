"""Meters as clients of the broker: they sign, keep what they signed until m attesters hold it, and answer requests."""
