"""What happens: whatever owns a thread or a clock or has two callers, and all queries; a folder for
each subject. No `flask.request`, no HTML and no HTTP status: nothing here knows how it was asked.
"""
