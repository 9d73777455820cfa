"""Chain nodes beside the embedded one, for tests and for those who try the ledger on them."""
