"""Operations: which kinds there are, what may come of each step, and which one asks for a word."""

KINDS = frozenset(
    {
        "cleanup.orphans",
        "cleanup.stale",
        "cleanup.mark_disconnected",
        "cleanup.full_reset",
        "backup.create",
        "backup.verify",
        "backup.restore",
    }
)
"""Those of administrators; a force-cleanup belongs to its connection's user."""

DONE, NOTHING, FAILED = "done", "nothing", "failed"

CONFIRMATION = "RESET"
"""What a person types before everything is reset; the same word in every language."""


def needs_word(kind: str) -> bool:
    return kind == "cleanup.full_reset"
