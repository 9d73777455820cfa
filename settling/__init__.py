"""What attesters, the service and tests all compute: register rules, substitutes, lines, words, statements. Pure."""
