"""The least that Flask can do."""

from flask import Flask, Response, jsonify

app = Flask(__name__)


@app.get("/")
def nothing() -> Response:
    return jsonify(success=True)
