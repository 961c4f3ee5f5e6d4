"""The application object for gunicorn. It starts nothing: `gunicorn.conf.py` does, after the fork."""

from app import create_app

app = create_app()
