"""The shared nouns of the market: units, time, orders, readings, money, and how each is hashed and signed.

Nothing here does I/O or reads a clock; every other package may import this one, and it imports none of them.
"""
