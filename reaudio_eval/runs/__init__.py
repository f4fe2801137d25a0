"""Run directories: writing, finding, reading and comparing them."""
