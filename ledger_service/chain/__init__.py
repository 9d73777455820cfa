"""The chain gateway: what stages asked of the chain becomes stored, sent, included and final transactions."""
