"""What may be wrong with an installation: the checks, their table, and the report on what they
found. They look and tell; what mends it is said in words and done by others.
"""
