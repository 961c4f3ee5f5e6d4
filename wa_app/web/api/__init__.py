"""The JSON interface under `/api`: reads what a program sent, calls one service, answers in JSON.
No HTML, no SQL, no rule, and nothing of `pages/`: what both need lies in `http/` or below.
"""
