"""What runs in a session process: one session, its client, and the pipe to the worker. Nothing of
the worker's and no database; only `client.py` loads the native library.
"""
