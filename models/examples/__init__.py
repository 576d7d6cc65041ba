"""Examples for other trainers: each is a script of its own that reads our problems and is judged by our verifier."""
