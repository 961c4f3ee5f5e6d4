"""The application object for gunicorn. It starts nothing; `gunicorn.conf.py` does that."""

from app import create_app

app = create_app()
