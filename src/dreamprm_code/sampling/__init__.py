"""From requests to graded rows in a file: what the three sampling stages have in common."""
