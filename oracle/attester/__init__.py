"""An attester: one process with its own store, key and broker session, that vouches for what meters say.

`book` and `planning` are pure; `intake` verifies and commits meter messages; `agreement` reaches m of n signatures;
`settlement` recomputes and co-signs the money; `process` ties them to the broker and the service.
"""
