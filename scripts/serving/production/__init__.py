"""The production composition: every part a process of its own, on software that outlives ours."""
