"""Sound taggers: networks and their files."""
