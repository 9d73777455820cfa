"""The edge for keys and money: a public, versioned REST API where every write carries its holder's signature."""
