"""The ledger's contracts as Python sees them: artifacts, ABI coding, a node's JSON-RPC, deployment and bindings."""
