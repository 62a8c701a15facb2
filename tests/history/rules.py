"""What a trigger rule means, said in another way than the engine says it."""

FAILED = frozenset({"failed", "lost", "cancelled", "upstream_failed"})


def may_run(rule: str, outcomes: list[str]) -> bool:
    """Whether the rule holds over how the upstream executions ended; "" has not ended."""
    ended = all(outcomes)
    failed = [o for o in outcomes if o in FAILED]
    means = {
        "all_success": all(o == "succeeded" for o in outcomes),
        "all_done": ended,
        "one_success": "succeeded" in outcomes,
        "one_failed": bool(failed),
        "none_failed": ended and not failed,
        "all_failed": len(failed) == len(outcomes),
        "none_skipped": ended and "skipped" not in outcomes,
        "always": True,
    }
    return not outcomes or means[rule]
