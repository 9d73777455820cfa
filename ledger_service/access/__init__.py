"""Who may do what: roles, the directory of accounts and organisations, login by signature, and access tokens."""
