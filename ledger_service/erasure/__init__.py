"""Erasure of personal data: what an auditor signed before, what may go and when, and that copies go with it."""
