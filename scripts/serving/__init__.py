"""Compositions: what runs together, and with which parts behind the same interfaces."""
