"""One request → one verdict: the way to the API, and the patience on it.

`client` makes one attempt, `verdict` says what it means, `retry` and `breaker` what comes next;
`exchange` obeys them. None of them knows of rows, batches or the ledger.
"""
