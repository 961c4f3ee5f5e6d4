"""The owner's work on sessions: sockets opened and closed, watched, recovered, wiped and backed up.
What other processes ask for or want to know of a connection is in `connections/`.
"""
