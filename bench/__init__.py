"""How fast and how large Vigía is, beside what it is made of: `make bench`."""
