"""The independent verifier: recomputes a local energy market's ledger from its evidence, alone.

It shares no code with the service. What it holds true is written in docs/protocol.md (shapes, hashes, rules) and
docs/evidence.md (bundles, what binds each field, verdicts); docstrings name the section a rule comes from. No binary
fraction is used: energy in Wh, prices in nEUR/Wh, money in nEUR, + is a credit of the account's holder.

Read it in this order: `form` and `hashes` (bytes), `signatures`, `facts` (what a bundle says), `chain` (what the node
says), `verdict`, `evidence` (one bundle against anchors and chain), then by subject `journal`, `participants`,
`market`, `readings`, `settlement`, `money`, `transactions`, and last `ledger`, `personal` and `command`.
"""
