"""Session folders and what lies in them, for the worker and for session processes alike. No
sockets, no native library, no rows.
"""
