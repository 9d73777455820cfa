"""A second implementation of the protocol, written from `docs/protocol.md`, `docs/evidence.md` and `docs/facts.md`.

It shares no code with the project, and uses libraries for keccak, secp256k1 and Ed25519 alone. From the inputs of the
golden day it makes every value of the other files anew (`day.recomputed`). Where a page did not suffice to write it,
that page was mended; sections named in the docstrings are those of protocol.md.
"""
