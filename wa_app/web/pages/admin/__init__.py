"""The pages of administrators. Every blueprint here asks `require_admin` before anything else.
Live parts of these pages are not here, but with all others in `pages/live.py`.
"""
