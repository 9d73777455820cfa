"""The simulated community of demos: households with meters, a retailer, a DSO. Clients like any other."""
