"""Tools of those who build the project: set-up, generated files, chain nodes to try it on."""
