"""One module per audience; each route names who may use it in its own signature."""
