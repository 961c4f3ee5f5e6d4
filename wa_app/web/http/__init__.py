"""What every route needs, page or API: who calls, what they sent, how an answer or an error is
written, and times in the reader's zone. No route, and nothing that only one of them needs.
"""
