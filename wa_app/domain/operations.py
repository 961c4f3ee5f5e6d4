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
        "backup.take_back",
    }
)
"""Those of administrators; a force-cleanup belongs to its connection's user."""

CLEANUP_STEPS = (
    "close_socket",
    "drop_pairing",
    "drop_memory",
    "cancel_timers",
    "drain_and_back_up",
    "remove_files",
    "reset_row",
)
"""The seven steps of a force-cleanup, in their order. Every wipe is these seven."""

DONE, NOTHING, FAILED = "done", "nothing", "failed"

CONFIRMATION = "RESET"
"""What a person types before everything is reset; the same word in every language."""


def needs_word(kind: str) -> bool:
    return kind == "cleanup.full_reset"
