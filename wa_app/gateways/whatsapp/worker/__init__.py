"""What runs in gunicorn's worker: the gateway, and whatever starts, watches and asks about session
processes. Nothing that needs the native library, which lives in `child/`.
"""
