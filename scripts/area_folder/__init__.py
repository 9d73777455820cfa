"""A folder of CSV files that describes who takes part in an area: read, checked whole, signed, registered."""
