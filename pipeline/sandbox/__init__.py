"""The sandbox: an HTTP server that imitates the Talon.One Integration API, with state.

Its truth is the official OpenAPI document (`openapi.json`, reduced) and, where that is silent,
the stated defaults of `switches.py`. It imports nothing else of this package, so that it cannot
share its mistakes. `embedded.Embedded` starts it as a child for a run, a test or a notebook.
"""
