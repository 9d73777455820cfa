"""Composition root: the `dominoes` command line, the processes it starts, the demo community and the verifier."""
