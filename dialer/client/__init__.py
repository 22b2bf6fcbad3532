"""A client of the product's own HTTP API, for the command line and the demo."""
