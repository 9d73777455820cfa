"""Settlement: what was traded against what was metered, to the nano-euro.

`compute` and what it uses are pure: attesters call them on the same inputs as the service and must get the same words.
"""
