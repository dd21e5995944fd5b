"""The command line: arguments in, a call of the core, words and an exit code out.

The only room that knows Click. Never: polars, HTTP, SQL, or a decision.
"""
