"""An attester: one process with its own store, key and broker session, that vouches for what meters say.

`book` is what it knows of one meter; `intake` verifies and commits meter messages; `consensus` reaches m of n
signatures (pure), `driver` carries out what it wants; `settlement` recomputes and co-signs the money; `process` ties
them to the broker and the service, and `run` starts it.
"""
